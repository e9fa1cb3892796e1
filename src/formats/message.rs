//! What is sent to the server in one go, and the way back from a place in it to a place in a file.

use std::ops::Range;

use crate::model::Script;

/// One simple-protocol query: all its statements share an implicit transaction, as PostgreSQL has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    segments: Vec<Segment>,
}

/// A part of a message, by whose words it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The tool's: `BEGIN`, the ledger's row.
    Tool(String),
    /// The project's: a migration's text.
    Script(Script),
}

/// What stands at a place of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Located<'a> {
    /// A byte offset into the file of a script.
    Script { script: &'a Script, offset: usize },
    /// The tool's own SQL.
    Tool { sql: &'a str },
}

/// Stands between segments: ends a line comment and a statement that lacks its semicolon.
const SEPARATOR: &str = "\n;\n";

impl Message {
    pub(crate) fn tool(sql: impl Into<String>) -> Self {
        Self { segments: vec![Segment::Tool(sql.into())] }
    }

    pub(crate) fn script(script: Script) -> Self {
        Self { segments: vec![Segment::Script(script)] }
    }

    pub(crate) fn new(segments: Vec<Segment>) -> Self {
        Self { segments }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The text that goes over the wire.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                text.push_str(SEPARATOR);
            }
            text.push_str(segment.text());
        }
        text
    }

    /// The segment at the server's character position (from 1, as in the error field `P`), and the place in its file.
    pub(crate) fn locate(&self, position: usize) -> Option<Located<'_>> {
        let text = self.text();
        let at = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .nth(position.checked_sub(1)?)?;
        self.spans().find_map(|(span, segment)| {
            // Past its end by one is still in it: the server points there for "at end of input".
            (span.start..=span.end).contains(&at).then(|| match segment {
                Segment::Tool(sql) => Located::Tool { sql },
                Segment::Script(script) => {
                    Located::Script { script, offset: script.range().start + (at - span.start) }
                }
            })
        })
    }

    /// Each segment with the bytes of [`Message::text`] that it takes.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Range<usize>, &Segment)> {
        let mut start = 0;
        self.segments.iter().map(move |segment| {
            let span = start..start + segment.text().len();
            start = span.end + SEPARATOR.len();
            (span, segment)
        })
    }
}

impl Segment {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Tool(sql) => sql,
            Self::Script(script) => script.text(),
        }
    }
}
