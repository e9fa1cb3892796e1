//! The version table of a tool, independent of its format.

use std::collections::BTreeMap;

use crate::sql::{known_functions, quote_identifier, quote_literal, words};

/// For a function `p`: it belongs neither to PostgreSQL (whose OIDs are smaller) nor to an extension, and is not compiled (12
/// and 13 are the languages `internal` and `c` in `pg_language.dat`). The cast, and the limit at the callers, keep the server
/// from scanning all functions: there can be some for each tenant.
const OF_THE_PROJECT: &str = "p.oid::pg_catalog.int8 >= 16384 AND p.prolang NOT IN (12, 13) \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
    AND d.objid = p.oid AND d.deptype = 'e')";

/// The version table of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) schema: String,
    pub(crate) table: String,
    /// The name in the tool's own SQL; mig-ci reads by [`Ledger::qualified`]. They differ if the tool relies on the search
    /// path: then a script that changes the path makes the tool miss its ledger.
    pub(crate) named: String,
    /// Schemas that the tool creates for it if they do not exist, as written in its configuration.
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

    /// An SQL expression, true if code of the project can observe what is sent together with a script: an event trigger
    /// observes each definition; a trigger, a rule, an index or an expression that the tool has not created observes the
    /// ledger's rows. A function with the name of one of PostgreSQL's, or one that an operator, a cast or an operator class
    /// calls, can be part of an expression whose text names only PostgreSQL's.
    pub(crate) fn is_watched(&self) -> String {
        let name = quote_literal(&self.qualified());
        let functions: Vec<_> = known_functions().map(quote_literal).collect();
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D') \
             OR EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass({name}) \
             AND (c.relhastriggers OR c.relhasrules OR c.relchecks > 0 \
             OR 0 < (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND NOT i.indisprimary) \
             OR 0 < (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attrdef AS d WHERE d.adrelid = c.oid \
             AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) NOT IN ('now()', 'CURRENT_TIMESTAMP')))) \
             OR EXISTS (SELECT FROM pg_catalog.unnest(ARRAY[{}]::pg_catalog.name[]) AS known (name), \
             LATERAL (SELECT FROM pg_catalog.pg_proc AS p WHERE p.proname = known.name AND {OF_THE_PROJECT} LIMIT 1) AS found) \
             OR EXISTS (SELECT FROM pg_catalog.pg_proc AS p JOIN (\
             SELECT o.oprcode FROM pg_catalog.pg_operator AS o WHERE o.oid >= 16384 \
             UNION ALL SELECT t.castfunc FROM pg_catalog.pg_cast AS t WHERE t.oid >= 16384 \
             UNION ALL SELECT a.amproc FROM pg_catalog.pg_amproc AS a WHERE a.oid >= 16384) AS called (oid) \
             ON called.oid = p.oid WHERE {OF_THE_PROJECT})",
            functions.join(", ")
        )
    }
}

fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(table))
}

/// Parses a table's name in SQL syntax: `t`, `S.t`, `"S"."t"`. Returns the schema, if present, and the table, as the server
/// reads them; `None` if it is not such a name.
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

/// One row, in terms common to all formats.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LedgerRow {
    pub(crate) version: String,
    pub(crate) checksum: Option<Vec<u8>>,
    /// False for a migration that was started and not finished ("dirty").
    pub(crate) complete: bool,
}

/// The rows by version. Ledgers and directories can have hundreds of entries, and there are many tenants.
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
