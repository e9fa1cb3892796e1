//! What stands before a target's first migrations where all goes to the server in one message: the way to the target, the
//! mark, and a look whether its ledger is still what it was when all ledgers were read together. Any of that which is not
//! as it should be fails, and nothing of the message has had an effect.

use super::session_setup::{arrival, on_the_path};
use crate::formats::{Fragment, LedgerRow, LedgerRules, QueryBatch};
use crate::sql::{Dialect, quote_literal, split};
use crate::upgrade::target::Target;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Preamble {
    /// After the session is at the target.
    statements: Vec<String>,
    watched: bool,
}

impl Preamble {
    /// For a target whose ledger has been seen with rows of these [`ledger_literal`], or has not been seen. `None` where what makes
    /// the ledger is not all the tool's own SQL.
    /// With `watched`, code of the project's may see the statements; else that is asked here.
    pub(crate) fn new(
        target: &Target,
        format: &dyn LedgerRules,
        seen: Option<&str>,
        watched: bool,
    ) -> Option<Self> {
        let mut statements =
            vec![on_the_path(target), fail_unless(&target.keys.try_execution_lock())];
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
                    for segment in message.segments() {
                        let Fragment::Tool(sql) = segment else { return None };
                        statements.push(sql.clone());
                    }
                }
            }
        }
        Some(Self { statements, watched })
    }

    /// Code of the project's may see the statements.
    pub(crate) fn watched(&self) -> bool {
        self.watched
    }

    /// The message that it opens. Its own part is a transaction by itself, so that a migration's begins where the tool's
    /// does.
    pub(crate) fn before(&self, target: &Target, is_new: bool, message: &QueryBatch) -> QueryBatch {
        let segments = self.segments(target, is_new).chain(message.segments().iter().cloned());
        QueryBatch::new(segments.collect()).demanding(message.demand())
    }

    /// How many of the message's statements are its own.
    pub(crate) fn length(&self, target: &Target, is_new: bool) -> usize {
        let pieces = |segment: Fragment| split(segment.text(), Dialect::Server).pieces.len();
        self.segments(target, is_new).map(pieces).sum()
    }

    fn segments(&self, target: &Target, is_new: bool) -> impl Iterator<Item = Fragment> {
        let begin = ["BEGIN".to_owned(), arrival(target, is_new)];
        let rest = self.statements.iter().cloned().chain(["COMMIT".to_owned()]);
        begin.into_iter().chain(rest).map(Fragment::Tool)
    }
}

/// SQL that fails, by a division by zero, unless the query's one value is true.
fn fail_unless(query: &str) -> String {
    format!("SELECT 1 / ({query})::pg_catalog.int4")
}

/// What the database makes of rows in [`ledger_unchanged`], as a literal.
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

/// A query for one value: true if the ledger has the rows of these words.
fn ledger_unchanged(format: &dyn LedgerRules, target: &Target, words: &str) -> String {
    format!(
        "SELECT pg_catalog.string_agg(pg_catalog.concat(l.version, ' ', \
         COALESCE(pg_catalog.encode(l.checksum, 'hex'), '-'), ' ', \
         CASE WHEN l.complete THEN 'true' ELSE 'false' END), ',') IS NOT DISTINCT FROM {words} FROM ({}) AS l",
        format.ledger_rows(&target.ledger),
    )
}
