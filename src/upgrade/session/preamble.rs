//! The SQL before a target's first batch, in the same message: session setup, the execution lock, and a check that the
//! ledger has not changed since all ledgers were read together. If any of it fails, nothing in the message has an effect.

use super::session_setup::{check_search_path, setup_sql};
use crate::formats::{Fragment, LedgerRow, LedgerRules, QueryBatch};
use crate::sql::{Dialect, quote_literal, split};
use crate::upgrade::target::Target;

#[derive(Debug)]
pub(crate) struct Preamble {
    /// The statements after the session setup.
    statements: Vec<String>,
    watched: bool,
}

impl Preamble {
    /// For a target whose scanned ledger has the rows of this [`ledger_literal`], or has no ledger. `None` if the ledger is
    /// not created by SQL of the tool alone. `watched`: code of the project may observe the statements; otherwise the
    /// preamble checks that.
    pub(crate) fn new(
        target: &Target,
        format: &dyn LedgerRules,
        seen: Option<&str>,
        watched: bool,
    ) -> Option<Self> {
        let mut statements =
            vec![check_search_path(target), fail_unless(&target.keys.try_execution_lock())];
        if !watched {
            statements.push(fail_unless(&format!("SELECT NOT ({})", target.ledger.is_watched())));
        }
        match seen {
            Some(words) => statements.push(fail_unless(&ledger_unchanged(format, target, words))),
            None => {
                let name = quote_literal(&target.ledger.qualified());
                statements
                    .push(fail_unless(&format!("SELECT pg_catalog.to_regclass({name}) IS NULL")));
                for message in format.ensure_ledger(&target.ledger) {
                    for fragment in message.fragments() {
                        let Fragment::Tool(sql) = fragment else { return None };
                        statements.push(sql.clone());
                    }
                }
            }
        }
        Some(Self { statements, watched })
    }

    /// Code of the project may observe the statements.
    pub(crate) fn watched(&self) -> bool {
        self.watched
    }

    /// The message with the preamble in front. The preamble is a transaction of its own, so that a migration's transaction
    /// begins where the tool's does.
    pub(crate) fn before(&self, target: &Target, is_new: bool, message: &QueryBatch) -> QueryBatch {
        let fragments = self.fragments(target, is_new).chain(message.fragments().iter().cloned());
        QueryBatch::new(fragments.collect()).with_precondition(message.precondition())
    }

    /// The number of the preamble's statements in the message.
    pub(crate) fn length(&self, target: &Target, is_new: bool) -> usize {
        let pieces = |fragment: Fragment| split(fragment.text(), Dialect::Server).pieces.len();
        self.fragments(target, is_new).map(pieces).sum()
    }

    fn fragments(&self, target: &Target, is_new: bool) -> impl Iterator<Item = Fragment> {
        let begin = ["BEGIN".to_owned(), setup_sql(target, is_new)];
        let rest = self.statements.iter().cloned().chain(["COMMIT".to_owned()]);
        begin.into_iter().chain(rest).map(Fragment::Tool)
    }
}

/// SQL that fails with a division by zero unless the query returns true.
fn fail_unless(query: &str) -> String {
    format!("SELECT 1 / ({query})::pg_catalog.int4")
}

/// Ledger rows as the literal that [`ledger_unchanged`] compares.
pub(crate) fn ledger_literal(rows: &[LedgerRow]) -> String {
    if rows.is_empty() {
        return "NULL".to_owned();
    }
    let word = |row: &LedgerRow| {
        let checksum = row.checksum.as_ref().map_or_else(|| "-".to_owned(), hex::encode);
        format!("{} {checksum} {}", row.version, row.complete)
    };
    quote_literal(&rows.iter().map(word).collect::<Vec<_>>().join(","))
}

/// A query for one value: true if the ledger has the rows of this literal.
fn ledger_unchanged(format: &dyn LedgerRules, target: &Target, words: &str) -> String {
    format!(
        "SELECT pg_catalog.string_agg(pg_catalog.concat(l.version, ' ', \
         COALESCE(pg_catalog.encode(l.checksum, 'hex'), '-'), ' ', \
         CASE WHEN l.complete THEN 'true' ELSE 'false' END), ',') IS NOT DISTINCT FROM {words} FROM ({}) AS l",
        format.ledger_rows(&target.ledger),
    )
}
