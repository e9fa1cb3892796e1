//! The version table of a tool, as every room but its format needs it.

use std::collections::BTreeMap;

use crate::sql::{quote_identifier, quote_literal, words};

/// Where a tool writes down what it has applied, in one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) schema: String,
    pub(crate) table: String,
    /// How the tool names it in its own SQL; our own reads use [`Ledger::qualified`]. The two differ where the tool
    /// leaves it to the search path, and a script that changes the path makes the tool miss its ledger.
    pub(crate) named: String,
    /// Schemas that the tool makes before it, if they are not there, as its configuration writes them.
    pub(crate) schemas: Vec<String>,
}

impl Ledger {
    /// A ledger that the tool itself addresses by its qualified name.
    pub(crate) fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        let (schema, table) = (schema.into(), table.into());
        let named = qualified(&schema, &table);
        Self { schema, table, named, schemas: Vec::new() }
    }

    /// `"schema"."table"`, quoted.
    pub(crate) fn qualified(&self) -> String {
        qualified(&self.schema, &self.table)
    }

    /// An SQL expression, true where code of the project's sees what is sent beside a script: an event trigger sees each
    /// definition, a trigger or a rule of the ledger sees its rows.
    pub(crate) fn is_watched(&self) -> String {
        let name = quote_literal(&self.qualified());
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D') \
             OR EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({name}) \
             AND (relhastriggers OR relhasrules))"
        )
    }
}

fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(table))
}

/// A table's name as SQL has it: `t`, `S.t`, `"S"."t"`. The schema, if it says one, and the table, as the server reads
/// them. `None` if it is no such name.
pub(super) fn parse_name(name: &str) -> Option<(Option<String>, String)> {
    let words: Vec<_> = words(name).collect();
    match words.as_slice() {
        [table] => Some((None, table.identifier()?.into_owned())),
        [schema, dot, table] if dot.text() == "." => {
            Some((Some(schema.identifier()?.into_owned()), table.identifier()?.into_owned()))
        }
        _ => None,
    }
}

/// One row, in the terms that all formats share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LedgerRow {
    pub(crate) version: String,
    pub(crate) checksum: Option<Vec<u8>>,
    /// False for a migration that was begun and not finished ("dirty").
    pub(crate) complete: bool,
}

/// The rows by their versions. Ledgers and directories can both have hundreds, and there are many tenants.
pub(super) fn by_version(rows: &[LedgerRow]) -> BTreeMap<&str, &LedgerRow> {
    rows.iter().map(|row| (row.version.as_str(), row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_unquoted() {
        let both = |schema: &str, table: &str| Some((Some(schema.to_owned()), table.to_owned()));
        assert_eq!(parse_name("_T"), Some((None, "_t".to_owned())));
        assert_eq!(parse_name("A.\"B.\"\"c\""), both("a", "B.\"c"));
        for other in ["", "a.b.c", "a b", "a;drop", "'a'", "a."] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn the_qualified_name_is_always_quoted() {
        assert_eq!(Ledger::new("a\"b", "T").qualified(), "\"a\"\"b\".\"T\"");
    }
}
