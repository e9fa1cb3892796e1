//! Creates statements from the queries of `kinds/`.
//!
//! In a query, braces stand for common expressions:
//!
//! | | |
//! | --- | --- |
//! | `{at:x}` | true; sets the search path to `x.path`. First in a `CASE`, so that it is evaluated before the code that
//! follows |
//! | `{gone:oid}` | raises an error, as PostgreSQL's functions do for some concurrently dropped objects; for others they
//! return NULL |
//! | `{grants:acl:kind:owner}` | the privileges, sorted; without an ACL, PostgreSQL's default privileges, because `GRANT`
//! and `REVOKE` make them explicit |
//! | `{list:array}` | its values, sorted |
//! | `{own:catalog:oid}` | no extension has created it |
//! | `{sep}`, `{placeholder}`, `{left_out}` | see there |
//!
//! `-- since 14` and `-- before 17` at the end of a line limit it to the server's major versions.

use super::kinds;
use crate::model::SEPARATOR;
use crate::sql::{OWN_SCHEMA, quote_literal};

/// How names are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameRendering {
    /// Without their schema.
    OfOneSchema,
    /// With their schema: for the catalog of a database.
    OfAllSchemas,
}

/// The schemas of a query.
#[derive(Debug, Clone)]
pub(crate) struct CatalogScope<'s> {
    /// The server's major version.
    pub(crate) major: u32,
    pub(crate) naming: NameRendering,
    pub(crate) schemas: Vec<u32>,
    /// OIDs of relations that are omitted.
    pub(crate) left_out: &'s [u32],
}

/// The columns of a statement's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatalogOutput {
    /// `schema`, `kind`, and `digest` as in [`crate::model::Digests`].
    Digests,
    /// `schema`, `kind`, `name`, `code`, `raw`.
    Items,
}

impl CatalogScope<'_> {
    /// One statement for all `queries`. It changes the search path, which must be reset before the next statement is parsed.
    pub(crate) fn statement(&self, queries: &[&str], wanted: CatalogOutput) -> String {
        let union = queries.iter().map(|query| format!("({query})")).collect::<Vec<_>>();
        let union = union.join("\nUNION ALL\n");
        // OFFSET 0 keeps the planner from inlining the hash, which would compute it several times.
        let select = match wanted {
            CatalogOutput::Items => {
                format!("SELECT schema::text, kind, name, code, raw FROM ({union}) AS items")
            }
            CatalogOutput::Digests => format!(
                "SELECT schema::text, kind, encode(sha256(string_agg(hash, ''::bytea ORDER BY hash)), 'hex') AS digest FROM (\
                 SELECT schema, kind, sha256(convert_to(concat_ws({{sep}}, kind, name, code, raw), 'UTF8')) AS hash \
                 FROM ({union}) AS items OFFSET 0) AS hashes GROUP BY schema, kind"
            ),
        };
        self.expand(&of_major(&format!("{}\n{select}", kinds::COMMON), self.major))
    }

    /// Replaces the braces.
    fn expand(&self, template: &str) -> String {
        let mut sql = String::with_capacity(template.len() * 2);
        let mut rest = template;
        while let Some((before, from)) = rest.split_once('{') {
            let (inner, after) = from.split_once('}').expect("internal error: a brace is open");
            sql.push_str(before);
            sql.push_str(&self.filled(&inner.split(':').collect::<Vec<_>>()));
            rest = after;
        }
        sql.push_str(rest);
        sql
    }

    fn filled(&self, words: &[&str]) -> String {
        match words {
            ["at", row] => format!(
                "(current_setting('search_path') = {row}.path \
                 OR set_config('search_path', {row}.path, true) IS NOT NULL)"
            ),
            ["gone", oid] => format!("(('{GONE}' || {oid})::int4)::text"),
            ["grants", acl, kind, owner] => {
                self.filled(&["list", &format!("coalesce({acl}, acldefault('{kind}', {owner}))")])
            }
            // The condition avoids the subquery for most rows.
            ["list", array] => format!(
                "CASE WHEN {array} IS NOT NULL THEN (SELECT string_agg(one::text, ', ' ORDER BY one::text COLLATE \"C\") \
                 FROM unnest({array}) AS one) END"
            ),
            ["own", catalog, oid] => format!(
                "NOT EXISTS (SELECT FROM member AS m WHERE m.classid = '{catalog}'::regclass AND m.objid = {oid})"
            ),
            ["sep"] => format!("E'\\x{:02x}'", u32::from(SEPARATOR)),
            ["placeholder"] => quote_literal(OWN_SCHEMA),
            ["schemas"] => oids(&self.schemas),
            ["left_out"] => oids(self.left_out),
            ["path"] => match self.naming {
                NameRendering::OfOneSchema => "quote_ident(n.nspname)".to_owned(),
                NameRendering::OfAllSchemas => "''::text".to_owned(),
            },
            other => panic!("internal error: unknown kind {other:?}"),
        }
    }
}

/// The start of the error message of `{gone:…}`.
pub(crate) const GONE: &str = "gone meanwhile: ";

fn oids(oids: &[u32]) -> String {
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    format!("'{{{}}}'::oid[]", oids.join(","))
}

/// Removes comments, and lines for other major versions.
pub(crate) fn of_major(template: &str, major: u32) -> String {
    let fits = |comment: &str| match comment.trim().split_once(' ') {
        Some(("since", version)) => version.parse().map_or(true, |version: u32| major >= version),
        Some(("before", version)) => version.parse().map_or(true, |version: u32| major < version),
        _ => true,
    };
    let mut sql = String::with_capacity(template.len());
    for line in template.lines() {
        let mut parts = line.split("-- ");
        let code = parts.next().unwrap_or_default();
        if parts.all(fits) && !code.trim().is_empty() {
            sql.push_str(code.trim_end());
            sql.push('\n');
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_limited_to_their_major_versions() {
        let template = "-- a comment\nx, -- since 14\ny, -- since 15 -- before 17\nz -- note\n";
        assert_eq!(of_major(template, 13), "z\n");
        assert_eq!(of_major(template, 14), "x,\nz\n");
        assert_eq!(of_major(template, 16), "x,\ny,\nz\n");
        assert_eq!(of_major(template, 17), "x,\nz\n");
    }

    #[test]
    fn all_placeholders_are_replaced() {
        let scope = CatalogScope {
            major: 18,
            naming: NameRendering::OfOneSchema,
            schemas: vec![1, 2],
            left_out: &[],
        };
        let all = [&kinds::PLAIN[..], &kinds::LOCKING, &kinds::DATABASE].concat();
        let sql = scope.statement(&all, CatalogOutput::Digests);
        assert!(sql.contains("'{1,2}'::oid[]") && sql.contains("'{}'::oid[]"), "{sql}");
        assert!(sql.contains("E'\\x1f'") && sql.contains("'{schema}'"));
    }
}
