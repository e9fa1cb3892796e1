//! What stands before a target's first migrations where all goes to the server in one message: the way to the target, the
//! mark, and a look whether its ledger is still what it was when all ledgers were read together. Any of that which is not
//! as it should be fails, and nothing of the message has had an effect.

use super::path::{arrival, on_the_path};
use crate::formats::{Format, LedgerRow, Message, Segment};
use crate::sql::{Dialect, quote_literal, split};
use crate::upgrade::preflight::target::Target;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Opening {
    /// After the session is at the target.
    statements: Vec<String>,
    watched: bool,
}

impl Opening {
    /// For a target whose ledger has been seen with rows of these [`words`], or has not been seen. `None` where what makes
    /// the ledger is not all the tool's own SQL.
    /// With `watched`, code of the project's may see the statements; else that is asked here.
    pub(crate) fn new(
        target: &Target,
        format: &dyn Format,
        seen: Option<&str>,
        watched: bool,
    ) -> Option<Self> {
        let mut statements = vec![on_the_path(target), unless(&target.keys.take_mark())];
        if !watched {
            statements.push(unless(&format!("SELECT NOT ({})", target.ledger.is_watched())));
        }
        match seen {
            Some(words) => statements.push(unless(&is_still(format, target, words))),
            None => {
                let name = quote_literal(&target.ledger.qualified());
                statements.push(unless(&format!("SELECT pg_catalog.to_regclass({name}) IS NULL")));
                for message in format.ensure_ledger(&target.ledger) {
                    for segment in message.segments() {
                        let Segment::Tool(sql) = segment else { return None };
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
    pub(crate) fn before(&self, target: &Target, is_new: bool, message: &Message) -> Message {
        let segments = self.segments(target, is_new).chain(message.segments().iter().cloned());
        Message::new(segments.collect()).demanding(message.demand())
    }

    /// How many of the message's statements are its own.
    pub(crate) fn length(&self, target: &Target, is_new: bool) -> usize {
        let pieces = |segment: Segment| split(segment.text(), Dialect::Server).pieces.len();
        self.segments(target, is_new).map(pieces).sum()
    }

    fn segments(&self, target: &Target, is_new: bool) -> impl Iterator<Item = Segment> {
        let begin = ["BEGIN".to_owned(), arrival(target, is_new)];
        let rest = self.statements.iter().cloned().chain(["COMMIT".to_owned()]);
        begin.into_iter().chain(rest).map(Segment::Tool)
    }
}

/// SQL that fails, by a division by zero, unless the query's one value is true.
fn unless(query: &str) -> String {
    format!("SELECT 1 / ({query})::pg_catalog.int4")
}

/// What the database makes of rows in [`is_still`], as a literal.
pub(crate) fn words(rows: &[LedgerRow]) -> String {
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
fn is_still(format: &dyn Format, target: &Target, words: &str) -> String {
    format!(
        "SELECT pg_catalog.string_agg(pg_catalog.concat(l.version, ' ', \
         COALESCE(pg_catalog.encode(l.checksum, 'hex'), '-'), ' ', \
         CASE WHEN l.complete THEN 'true' ELSE 'false' END), ',') IS NOT DISTINCT FROM {words} FROM ({}) AS l",
        format.ledger_rows(&target.ledger),
    )
}
