//! Projects with many tenants, for behaviour that depends on their number.

use std::fmt::Write as _;

use super::Project;
use super::project::project;

/// A schema for each tenant and a shared schema: similar to an established product, with about three statements in a
/// migration and a table in most of them. Each tenant has a sample of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ManyTenants {
    pub(crate) tenants: usize,
    /// The number of migrations in the base; at least one.
    pub(crate) base: usize,
    /// The number of migrations in the head.
    pub(crate) head: usize,
}

impl ManyTenants {
    /// The project, with the base committed to `main` and the head on a branch.
    pub(crate) fn project(self) -> Project {
        let mut project = project()
            .file("mig-ci.toml", CONFIGURATION)
            .file("migrations/shared/1_plans.sql", SHARED);
        for number in 1..=self.tenants {
            let sample = format!("INSERT INTO t1 (name) VALUES ('of tenant {number}');\n");
            project = project.file(&format!("samples/t{number:04}.sql"), sample);
        }
        project = with_migrations(project, 1..=self.base).git_commit("base").git_branch("feature");
        with_migrations(project, self.base + 1..=self.head).git_commit("head")
    }
}

fn with_migrations(project: Project, numbers: std::ops::RangeInclusive<usize>) -> Project {
    numbers.fold(project, |project, number| {
        project.file(&format!("migrations/tenant/{number:04}_step.sql"), migration(number))
    })
}

/// The text of one migration of a tenant. Each refers to objects of earlier ones.
pub(crate) fn migration(number: usize) -> String {
    let mut sql = format!("-- Migration {number}.\n");
    let before = (1..number).rev().find(|other| makes_a_table(*other));
    let Some(before) = before else {
        sql.push_str(&table(number, ""));
        return sql;
    };
    if makes_a_table(number) {
        sql.push_str(&table(number, &format!(" REFERENCES t{before} (id) ON DELETE CASCADE")));
        let _ = write!(
            sql,
            "CREATE INDEX t{number}_parent ON t{number} (parent, made_at);\n\
             ALTER TABLE t{before} ADD COLUMN c{number} integer NOT NULL DEFAULT 0;\n"
        );
    } else {
        let _ = write!(
            sql,
            "CREATE VIEW v{number} AS SELECT state, count(*) AS rows FROM t{before} GROUP BY state;\n\
             UPDATE t1 SET state = 'seen' WHERE state = 'new';\n\
             ALTER TABLE t{before} ADD CONSTRAINT t{before}_state CHECK (state <> '');\n\
             CREATE INDEX t{before}_more ON t{before} USING gin (more);\n"
        );
    }
    sql
}

fn makes_a_table(number: usize) -> bool {
    !number.is_multiple_of(6)
}

fn table(number: usize, parent: &str) -> String {
    // Tables that refer to a shared one lock it, as in any product of this kind.
    let plan =
        if number.is_multiple_of(10) { ", plan bigint REFERENCES shared.plans (id)" } else { "" };
    format!(
        "CREATE TABLE t{number} (\n    id bigserial PRIMARY KEY,\n    name text NOT NULL,\n    \
         state text NOT NULL DEFAULT 'new',\n    parent bigint{parent},\n    \
         more jsonb NOT NULL DEFAULT '{{}}',\n    made_at timestamptz NOT NULL DEFAULT now(),\n    \
         CONSTRAINT t{number}_name UNIQUE (name){plan}\n);\n"
    )
}

pub(crate) const SHARED: &str =
    "CREATE TABLE plans (id bigint PRIMARY KEY, code text NOT NULL UNIQUE);\n";

const CONFIGURATION: &str = r#"
[databases.app]
shared = { migrations = "migrations/shared", format = "sqlx", schema = "shared" }

[databases.app.tenants]
migrations = "migrations/tenant"
format = "sqlx"
target = "tenant_{tenant}"
samples = "samples/*.sql"
"#;
