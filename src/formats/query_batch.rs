//! One message to the server, and the mapping from its failure to a position in a file.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::Script;
use crate::sql::{Dialect, split};

/// One simple-protocol query: PostgreSQL runs all its statements in one implicit transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryBatch {
    fragments: Vec<Fragment>,
    precondition: Option<TxnPrecondition>,
}

/// A part of a message, by its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// The tool's SQL: `BEGIN`, the ledger's row.
    Tool(String),
    /// The project's SQL: a migration's text.
    Script(Script),
}

/// A condition that the tool's driver checks before it sends a message. The server would accept the message; the driver does
/// not send it, and the tool stops.
///
/// [`IN_TRANSACTION`] reads the state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TxnPrecondition {
    /// The session must be in a transaction block (true), or must not be in one (false).
    pub(crate) in_transaction: bool,
    /// The tool's error message if the condition does not hold.
    pub(crate) refusal: &'static str,
}

/// An SQL expression, true in a session that an earlier message has left in a transaction block. Send it by the simple
/// protocol, in a separate message: there the two times are equal unless the transaction began earlier. (In a failed block, the
/// query itself fails with SQLSTATE 25P02.)
pub(crate) const IN_TRANSACTION: &str =
    "pg_catalog.transaction_timestamp() <> pg_catalog.statement_timestamp()";

/// The part of a message in which a failure occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Located<'a> {
    /// A statement of the project.
    Script {
        script: &'a Script,
        /// The bytes of the statement in the script's file.
        statement: Range<usize>,
        /// The byte in the file at the server's error position, if there is one.
        offset: Option<usize>,
    },
    /// The tool's own SQL.
    Tool { sql: &'a str },
}

/// Separates fragments: ends a line comment, and a statement without a semicolon.
const SEPARATOR: &str = "\n;\n";

impl QueryBatch {
    pub(crate) fn tool(sql: impl Into<String>) -> Self {
        Self::new(vec![Fragment::Tool(sql.into())])
    }

    pub(crate) fn script(script: Script) -> Self {
        Self::new(vec![Fragment::Script(script)])
    }

    pub(crate) fn new(fragments: Vec<Fragment>) -> Self {
        Self { fragments, precondition: None }
    }

    /// The same message, from a driver that checks the session first.
    pub(crate) fn with_precondition(mut self, precondition: Option<TxnPrecondition>) -> Self {
        self.precondition = precondition;
        self
    }

    /// The condition that has to hold before it is sent.
    pub(crate) fn precondition(&self) -> Option<TxnPrecondition> {
        self.precondition
    }

    pub(crate) fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    /// The text of the message.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self.fragments.as_slice() {
            [single] => single.text().into(),
            several => {
                several.iter().map(Fragment::text).collect::<Vec<_>>().join(SEPARATOR).into()
            }
        }
    }

    /// The statement that the server was executing when the message failed.
    ///
    /// `position` is the error's field `P`, in characters of the message from 1: the exact position, if there is one. Otherwise
    /// `completed` identifies it: the number of statements that the server has reported as completed (`CommandComplete`).
    /// `None` if the message has no such statement.
    pub(crate) fn locate(&self, position: Option<usize>, completed: usize) -> Option<Located<'_>> {
        position
            .and_then(|position| self.at_position(position))
            .or_else(|| self.after_statements(completed))
    }

    fn at_position(&self, position: usize) -> Option<Located<'_>> {
        let text = self.text();
        let at = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .nth(position.checked_sub(1)?)?;
        // The separator belongs to the preceding fragment, and so does the position after its last character, where the server
        // reports "at end of input".
        let (span, fragment) = self.spans().take_while(|(span, _)| span.start <= at).last()?;
        Some(match fragment {
            Fragment::Tool(sql) => Located::Tool { sql },
            Fragment::Script(script) => {
                let at = (at - span.start).min(script.text().len());
                Located::Script {
                    script,
                    statement: in_file(script, statement_at(script.text(), at)),
                    offset: Some(script.range().start + at),
                }
            }
        })
    }

    fn after_statements(&self, completed: usize) -> Option<Located<'_>> {
        let mut before = completed;
        for fragment in &self.fragments {
            let statements = split(fragment.text(), Dialect::Server).pieces;
            match (statements.get(before), fragment) {
                (None, _) => before -= statements.len(),
                (Some(_), Fragment::Tool(sql)) => return Some(Located::Tool { sql }),
                (Some(piece), Fragment::Script(script)) => {
                    let statement = in_file(script, piece.range());
                    return Some(Located::Script { script, statement, offset: None });
                }
            }
        }
        None
    }

    /// Each fragment with its bytes in [`QueryBatch::text`].
    fn spans(&self) -> impl Iterator<Item = (Range<usize>, &Fragment)> {
        let mut start = 0;
        self.fragments.iter().map(move |fragment| {
            let span = start..start + fragment.text().len();
            start = span.end + SEPARATOR.len();
            (span, fragment)
        })
    }
}

/// The statement around byte `at`: the last one that begins at or before it, else the first.
fn statement_at(text: &str, at: usize) -> Range<usize> {
    let pieces = split(text, Dialect::Server).pieces;
    let before = pieces.partition_point(|piece| piece.range().start <= at);
    pieces.get(before.saturating_sub(1)).map_or(at..at, |piece| piece.range())
}

fn in_file(script: &Script, range: Range<usize>) -> Range<usize> {
    let start = script.range().start;
    start + range.start..start + range.end
}

impl Fragment {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Tool(sql) => sql,
            Self::Script(script) => script.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn section(file: &str, text: &str) -> Script {
        let start = file.find(text).unwrap();
        Script::whole("m/1.sql", file).section(start..start + text.len())
    }

    fn fused(script: Script) -> QueryBatch {
        QueryBatch::new(vec![
            Fragment::Tool("BEGIN".into()),
            Fragment::Script(script),
            Fragment::Tool("INSERT INTO l VALUES (1)".into()),
        ])
    }

    /// The text of the file at the located statement, and from the located offset on.
    fn words(located: Option<Located<'_>>) -> (String, Option<String>) {
        match located.unwrap() {
            Located::Tool { sql } => (format!("tool: {sql}"), None),
            Located::Script { script, statement, offset } => {
                let file = script.file_text();
                (file[statement].to_owned(), offset.map(|offset| file[offset..].to_owned()))
            }
        }
    }

    const FILE: &str = "-- up\nselect 1;\n\nselect 'é', x from y;\n-- down\n";

    #[test]
    fn a_position_is_mapped_to_its_statement_and_offset() {
        let message = fused(section(FILE, "select 1;\n\nselect 'é', x from y;\n"));
        assert_eq!(message.text().find("BEGIN\n;\nselect 1;"), Some(0));
        let x = message.text().chars().position(|c| c == 'x').unwrap() + 1;
        assert_eq!(
            words(message.locate(Some(x), 9)),
            ("select 'é', x from y;".to_owned(), Some("x from y;\n-- down\n".to_owned()))
        );
        assert_eq!(words(message.locate(Some(1), 9)).0, "tool: BEGIN");
        let insert = message.text().chars().count();
        assert_eq!(words(message.locate(Some(insert), 0)).0, "tool: INSERT INTO l VALUES (1)");
    }

    #[test]
    fn the_end_of_a_script_belongs_to_its_last_statement() {
        let message = QueryBatch::script(Script::whole("m/1.sql", "select 1; create table\n-- c"));
        let end = message.text().chars().count() + 1;
        assert_eq!(
            words(message.locate(Some(end), 0)),
            ("create table".to_owned(), Some(String::new()))
        );
        let empty = QueryBatch::script(Script::whole("m/1.sql", ""));
        assert_eq!(words(empty.locate(Some(1), 0)), (String::new(), Some(String::new())));
    }

    #[test]
    fn without_a_position_the_completed_statements_are_counted() {
        let message = fused(section(FILE, "select 1;\n\nselect 'é', x from y;\n"));
        let found: Vec<_> = (0..4).map(|done| words(message.locate(None, done)).0).collect();
        assert_eq!(
            found,
            ["tool: BEGIN", "select 1;", "select 'é', x from y;", "tool: INSERT INTO l VALUES (1)"]
        );
        assert_eq!(message.locate(None, 4), None);
        assert_eq!(
            words(message.locate(Some(10_000), 1)).0,
            "select 1;",
            "a place that is not there"
        );
    }

    proptest! {
        #[test]
        fn every_character_is_mapped_to_its_file(
            before in "[a-zé;'\n ]{0,10}",
            texts in prop::collection::vec(("[a-zé𐐷;'\n ]{0,10}", any::<bool>()), 1..5),
        ) {
            let fragments = texts.iter().map(|(text, tool)| {
                if *tool {
                    return Fragment::Tool(text.clone());
                }
                let file = Script::whole("m/1.sql", format!("{before}{text}--"));
                Fragment::Script(file.section(before.len()..before.len() + text.len()))
            });
            let message = QueryBatch::new(fragments.collect());
            let sent = message.text().into_owned();
            for (span, fragment) in message.spans() {
                prop_assert_eq!(&sent[span.clone()], fragment.text());
                let Fragment::Script(script) = fragment else { continue };
                for (at, character) in sent[span.clone()].char_indices() {
                    let position = sent[..span.start + at].chars().count() + 1;
                    let Some(Located::Script { script: found, offset: Some(offset), .. }) =
                        message.locate(Some(position), 0)
                    else {
                        panic!("nothing at {position} of {sent:?}");
                    };
                    prop_assert!(std::ptr::eq(found, script));
                    prop_assert!(script.file_text()[offset..].starts_with(character));
                    prop_assert_eq!(offset, before.len() + at);
                }
            }
        }
    }
}
