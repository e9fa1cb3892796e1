//! The version tables of the tools: their initial contents in a copy of the database, and the expected contents after a run.

use sha2::{Digest as _, Sha384};

use super::history::Step;

/// The tool of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ledger {
    Sqlx,
    Dbmate,
    Alembic,
}

impl Ledger {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlx, Self::Dbmate, Self::Alembic];

    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Sqlx => "_sqlx_migrations",
            Self::Dbmate => "schema_migrations",
            Self::Alembic => "alembic_version",
        }
    }

    /// In the first schema of the search path.
    pub(crate) fn create(self) -> &'static str {
        match self {
            Self::Sqlx => {
                "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
                 installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
                 execution_time bigint NOT NULL);\n"
            }
            Self::Dbmate => {
                "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar(128) PRIMARY KEY);\n"
            }
            Self::Alembic => {
                "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) NOT NULL, \
                 CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));\n"
            }
        }
    }

    /// SQL that records a migration, and all before it, as applied.
    pub(crate) fn note(self, step: &Step) -> String {
        match self {
            Self::Sqlx => note_for_sqlx(step.version, &step.name, step.sql().as_bytes()),
            Self::Dbmate => {
                format!("INSERT INTO schema_migrations VALUES ('{}');\n", dbmate_version(step))
            }
            Self::Alembic => format!(
                "DELETE FROM alembic_version; INSERT INTO alembic_version VALUES ('{}');\n",
                revision(step.version)
            ),
        }
    }

    /// A query for one text: the contents of a schema's ledger.
    pub(crate) fn read(self, schema: &str) -> String {
        let value = match self {
            Self::Sqlx => "string_agg(version::text, ' ' ORDER BY version) FILTER (WHERE success)",
            Self::Dbmate => "string_agg(version, ' ' ORDER BY version)",
            Self::Alembic => "string_agg(version_num, ' ')",
        };
        format!("SELECT {value} FROM {schema}.{}", self.table())
    }

    /// The expected text after these migrations.
    pub(crate) fn expected(self, steps: &[Step]) -> String {
        let versions: Vec<String> = match self {
            Self::Sqlx => steps.iter().map(|step| step.version.to_string()).collect(),
            Self::Dbmate => steps.iter().map(dbmate_version).collect(),
            Self::Alembic => steps.last().iter().map(|step| revision(step.version)).collect(),
        };
        versions.join(" ")
    }
}

/// The row that sqlx writes.
pub(crate) fn note_for_sqlx(version: usize, name: &str, file: &[u8]) -> String {
    let description = name.replace('_', " ");
    let checksum = hex::encode(Sha384::digest(file));
    format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES ({version}, '{description}', TRUE, '\\x{checksum}', 0);\n"
    )
}

pub(crate) fn dbmate_version(step: &Step) -> String {
    format!("20240101{:06}", step.version)
}

/// Alembic's name for it.
pub(crate) fn revision(version: usize) -> String {
    format!("{version:012x}")
}
