//! A project on disk: one history in the format of each tool, with the same SQL.

use std::fs;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use super::history::{History, Step};
use super::ledger::{dbmate_version, revision};

const CONFIGURATION: &str = r#"[databases.app]
url = "${BENCH_URL}"
# Each arm's tool has its ledgers in the copies of one template.
other-ledgers = ["alembic_version", "schema_migrations"]
shared = { migrations = "sqlx/shared", format = "sqlx", schema = "shared" }

[databases.app.tenants]
migrations = "sqlx/tenant"
format = "sqlx"
target = "{tenant}"
from = { query = "SELECT schema_name FROM shared.tenants ORDER BY id" }
"#;

/// The `env.py` in guides for schemas per tenant, and one more line: without the commit, SQLAlchemy 2 has started a transaction
/// with `SET search_path` that is never ended, everything is rolled back, and the exit code is 0.
const ENV: &str = r#"import os
from alembic import context
from sqlalchemy import engine_from_config, pool, text

config = context.config
SCHEMA = os.getenv("TENANT_SCHEMA", config.get_main_option("schema", "public"))


def include_object(object, name, type_, reflected, compare_to):
    if type_ == "table":
        return object.schema == SCHEMA
    return True


def run_migrations_online():
    connectable = engine_from_config(
        config.get_section(config.config_ini_section, {}),
        prefix="sqlalchemy.",
        poolclass=pool.NullPool,
    )
    with connectable.connect() as connection:
        connection.execute(text(f"SET search_path TO {SCHEMA}"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=None,
            include_object=include_object,
            version_table_schema=SCHEMA,
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
"#;

/// The loop in those guides, for the first tenants.
const LOOP: &str = r#"import os
import subprocess
import sys

import psycopg2


def get_all_tenant_schemas():
    with psycopg2.connect(os.environ["BENCH_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT schema_name FROM shared.tenants ORDER BY id LIMIT %s", (sys.argv[1],))
        return [row[0] for row in cursor.fetchall()]


failed = 0
for schema in get_all_tenant_schemas():
    print(f"Migrating {schema}...")
    result = subprocess.run(
        ["alembic", "upgrade", "head"],
        env={**os.environ, "TENANT_SCHEMA": schema},
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        failed = 1
        print(f"  FAILED: {result.stderr}", file=sys.stderr)
    else:
        print("  OK")
sys.exit(failed)
"#;

/// The folder, deleted when the value is dropped.
#[derive(Debug)]
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn write(history: History) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mig-ci-bench-").tempdir()?;
        let files = Self { folder };
        files.put("mig-ci.toml", CONFIGURATION)?;
        files.put("alembic/env.py", ENV)?;
        files.put("migrate_all.py", LOOP)?;
        for step in history.shared() {
            files
                .put(&format!("sqlx/shared/{:04}_{}.sql", step.version, step.name), &step.sql())?;
        }
        for step in history.tenant() {
            let (number, name) = (step.version, &step.name);
            files.put(&format!("sqlx/tenant/{number:04}_{name}.sql"), &step.sql())?;
            let dbmate = format!("-- migrate:up\n{}\n-- migrate:down\n", step.sql());
            files.put(&format!("dbmate/{}_{name}.sql", dbmate_version(&step)), &dbmate)?;
            files.put(&format!("alembic/versions/{number:04}_{name}.py"), &alembic(&step)?)?;
        }
        Ok(files)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The address of the database for Alembic.
    pub(crate) fn put_alembic_ini(&self, url: &str) -> Result<()> {
        let ini = format!(
            "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\nsqlalchemy.url = {url}\n"
        );
        self.put("alembic.ini", &ini)
    }

    fn put(&self, path: &str, text: &str) -> Result<()> {
        let path = self.path().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, text)?)
    }
}

/// A revision with one call for each statement. A JSON string is a Python string.
fn alembic(step: &Step) -> Result<String> {
    let before = match step.version {
        1 => "None".to_owned(),
        version => format!("\"{}\"", revision(version - 1)),
    };
    let mut text = format!(
        "from alembic import op\n\nrevision = \"{}\"\ndown_revision = {before}\nbranch_labels = None\n\
         depends_on = None\n\n\ndef upgrade():\n",
        revision(step.version)
    );
    for statement in &step.statements {
        let statement = serde_json::to_string(statement.trim_end_matches(';'))?;
        text.push_str(&format!("    op.execute({statement})\n"));
    }
    text.push_str("\n\ndef downgrade():\n    raise NotImplementedError\n");
    Ok(text)
}
