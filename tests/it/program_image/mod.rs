//! Alembic in a container of the project's image, beside the server: what it does there ([`verdicts`]), what it can see and
//! reach ([`enclosure`]), what is left of it ([`ends`]), and the errors of images ([`errors`]).

mod enclosure;
mod ends;
mod errors;
mod verdicts;

use crate::common::{Command, Project, docker_image, project, python_image};

/// The images of the two containers.
pub(crate) struct Images {
    pub(crate) postgres: String,
    pub(crate) python: String,
}

impl Images {
    /// `None` if a requirement is missing.
    pub(crate) fn found() -> Option<Self> {
        Some(Self { postgres: docker_image()?, python: python_image()? })
    }

    /// `mig-ci verify` with the server in a container, and Alembic in a container of this image.
    fn verify(&self, project: &Project, image: &str) -> Command {
        project.mig_ci(["verify", "--provider=docker", "--no-base"]).args([
            "--postgres-image",
            &self.postgres,
            "--runner-image",
            image,
        ])
    }
}

const INI: &str = "[tenant]\nscript_location = %(here)s/migrations\nprepend_sys_path = .\n\
                   sqlalchemy.url = postgresql+psycopg2://production.example/app\n";

const CONFIG: &str = r#"
[databases.app.tenants]
alembic = { ini = "alembic.ini", section = "tenant" }
env = { TENANT_SCHEMA = "{target}", PROBE_ADDRESSES = "127.0.0.1:1" }
target = "tenant_{tenant}"
samples = "samples/*.sql"
[databases.app.tenants.sample]
acme.version = "001"
globex.version = "001"
"#;

/// A revision with one statement.
pub(crate) fn revision(id: &str, after: Option<&str>, sql: &str) -> String {
    let after = after.map_or("None".to_owned(), |after| format!("\"{after}\""));
    format!(
        "from alembic import op\n\nrevision = \"{id}\"\ndown_revision = {after}\n\n\ndef upgrade():\n    op.execute(\"{sql}\")\n"
    )
}

pub(crate) const NOT_NULL: &str = "ALTER TABLE members ALTER COLUMN email SET NOT NULL";

/// Two sample tenants at the first revision; a row of globex has no address.
pub(crate) fn shop() -> Project {
    let sample = |value: &str| format!("INSERT INTO members (id, email) VALUES (1, {value});\n");
    project()
        .file("alembic.ini", INI)
        .file("mig-ci.toml", CONFIG)
        .file("app/__init__.py", "")
        .file("app/settings.py", "SCHEMA_VARIABLE = \"TENANT_SCHEMA\"\n")
        .file("migrations/env.py", include_str!("../../fixtures/program_image/env.py"))
        .file("migrations/script.py.mako", "")
        .file(
            "migrations/versions/001_members.py",
            revision("001", None, "CREATE TABLE members (id int PRIMARY KEY, email text)"),
        )
        .file("samples/acme.sql", sample("'a@acme.example'"))
        .file("samples/globex.sql", sample("NULL"))
}

/// The same with a second revision.
fn adding(sql: &str) -> Project {
    shop().file("migrations/versions/002_change.py", revision("002", Some("001"), sql))
}
