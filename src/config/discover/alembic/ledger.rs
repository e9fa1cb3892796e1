//! The ledger that env.py names literally: `version_table="…"` and `version_table_schema="…"` of `context.configure`.
//!
//! A name that is computed is not found: then the ledger is Alembic's default in the first schema of the search path, and the
//! run compares that with what `context.configure` got.

use std::sync::LazyLock;

use regex::Regex;

use crate::formats::AlembicEnvironment;
use crate::model::{Files, FilesError};

const DEFAULT_TABLE: &str = "alembic_version";

/// An argument with a literal name.
static ARGUMENT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?-u:\b(version_table(?:_schema)?)[ \t]*=[ \t]*["']([A-Za-z0-9_]+)["'])"#;
    Regex::new(pattern).expect("internal error: the pattern of version_table is valid")
});

/// The literal names of a ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LiteralLedger {
    table: Option<String>,
    schema: Option<String>,
}

impl LiteralLedger {
    /// The key `ledger` of a track that runs once.
    pub(super) fn shared(self) -> Option<String> {
        match (self.table, self.schema) {
            (table, Some(schema)) => {
                Some(format!("{schema}.{}", table.as_deref().unwrap_or(DEFAULT_TABLE)))
            }
            (table, None) => table.filter(|table| table != DEFAULT_TABLE),
        }
    }

    /// The same for tenants. A literal schema would be one ledger for all tenants: the run shows that, with its cause.
    pub(super) fn tenants(self) -> Option<String> {
        self.table.filter(|table| table != DEFAULT_TABLE)
    }
}

/// The names in env.py.
pub(super) fn literal_names(
    files: &dyn Files,
    environment: &AlembicEnvironment,
) -> Result<LiteralLedger, FilesError> {
    let text = files.read(&environment.script_folder.join("env.py"))?.unwrap_or_default();
    Ok(names(&String::from_utf8_lossy(&text)))
}

fn names(text: &str) -> LiteralLedger {
    let mut ledger = LiteralLedger::default();
    let code = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    for found in code.flat_map(|line| ARGUMENT.captures_iter(line)) {
        let name = Some(found[2].to_owned());
        match &found[1] {
            "version_table" => ledger.table = name,
            _ => ledger.schema = name,
        }
    }
    ledger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_names_are_found() {
        let both = "context.configure(\n    version_table='ledger',\n    version_table_schema = \"shared\",\n)";
        assert_eq!(names(both).shared().unwrap(), "shared.ledger");
        assert_eq!(names(both).tenants().unwrap(), "ledger");
        assert_eq!(
            names("version_table_schema='shared'").shared().unwrap(),
            "shared.alembic_version"
        );
        for none in [
            "version_table_schema=SCHEMA",
            "version_table='alembic_version'",
            "# version_table='x'",
            "my_version_table='x'",
            "version_table=name('x')",
            "",
        ] {
            assert_eq!(names(none).shared(), None, "{none}");
        }
    }
}
