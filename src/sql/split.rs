//! Finds statement boundaries by the rules of psql's scanner (`psqlscan.l`), which match the server's rules for everything that
//! the server accepts: a semicolon ends a statement unless it is in a quote, a comment, a parenthesis, or the `BEGIN ATOMIC …
//! END` body of a function.

use std::ops::Range;

use squawk_lexer::TokenKind;

use super::tokens::{BOM, SqlToken, tokens};
use super::words::words;

/// The consumer of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A query string for the server, in which a backslash or a byte-order mark is a syntax error.
    Server,
    /// A file for psql, with backslash commands, and with the data of `COPY … FROM stdin` in the following lines.
    Psql,
}

/// A text, split into pieces. Between the pieces are whitespace, comments and empty statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// In the order of the text, without overlap.
    pub(crate) pieces: Vec<Piece>,
    /// Nothing is left open at the end: SQL appended to the text (after a line break) keeps its meaning.
    pub(crate) closed: bool,
}

/// A part of a text. All ranges are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A statement, from its first token to its semicolon, or to its last token if it has none.
    Sql { range: Range<usize> },
    /// Psql only: `COPY … FROM stdin;`, and its data lines without the terminating `\.`.
    Copy { statement: Range<usize>, data: Range<usize>, problem: Option<CopyProblem> },
    /// Psql only: a backslash command, from the backslash to the end of its line.
    ///
    /// A command in the middle of a statement splits the statement into two pieces; callers stop at an unknown command, so they
    /// never run these.
    Meta { range: Range<usize> },
}

/// An error in a COPY block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyProblem {
    /// The text ends before the `\.`: the file is truncated.
    Unterminated,
    /// Text follows the semicolon on its line, from this byte on. psql would run it after the data.
    TextBehind(usize),
}

impl Piece {
    /// The bytes of the statement or the command; for COPY without its data.
    pub(crate) fn range(&self) -> Range<usize> {
        match self {
            Self::Sql { range } | Self::Meta { range } => range.clone(),
            Self::Copy { statement, .. } => statement.clone(),
        }
    }
}

/// Splits `text` into pieces.
pub(crate) fn split(text: &str, dialect: Dialect) -> Split {
    let mut splitter = Splitter::new(text, dialect);
    let mut from = match dialect {
        Dialect::Psql if text.starts_with(BOM) => BOM.len_utf8(),
        _ => 0,
    };
    while let Some(next) = splitter.run(from) {
        from = next;
    }
    splitter.finish()
}

struct Splitter<'t> {
    text: &'t str,
    dialect: Dialect,
    pieces: Vec<Piece>,
    closed: bool,
    statement: OpenStatement,
}

/// The statement that is being read.
#[derive(Default)]
struct OpenStatement {
    /// From the start of its first token, once there is one, to the end of its last token.
    range: Option<Range<usize>>,
    parentheses: usize,
    /// The number of open `BEGIN`s and `CASE`s in the body of a function.
    begins: usize,
    /// The first letters of its first identifiers, if they can be part of `CREATE OR REPLACE FUNCTION`.
    head: [u8; 4],
    identifiers: usize,
}

impl<'t> Splitter<'t> {
    fn new(text: &'t str, dialect: Dialect) -> Self {
        Self {
            text,
            dialect,
            pieces: Vec::new(),
            closed: true,
            statement: OpenStatement::default(),
        }
    }

    /// Reads from byte `from` until the end (`None`) or to text that is not SQL; then returns the offset at which SQL
    /// continues.
    fn run(&mut self, from: usize) -> Option<usize> {
        for token in tokens(self.text, from) {
            if !token.is_terminated() {
                self.closed = false;
            }
            if !token.is_significant() {
                continue;
            }
            let text = &self.text[token.range.clone()];
            if text == "\\" && self.dialect == Dialect::Psql {
                return Some(self.meta(token.range.start));
            }
            if token.kind == TokenKind::Semi && self.statement.ends_here() {
                if let Some(next) = self.semicolon(token.range.end) {
                    return Some(next);
                }
                continue;
            }
            self.statement.take(&token, text);
        }
        None
    }

    /// Ends the statement, if there is one. For a COPY with data, returns the offset after the data.
    fn semicolon(&mut self, end: usize) -> Option<usize> {
        let started = std::mem::take(&mut self.statement).range?;
        let range = started.start..end;
        if self.dialect == Dialect::Psql && copies_from_stdin(&self.text[range.clone()]) {
            return Some(self.copy(range));
        }
        self.pieces.push(Piece::Sql { range });
        None
    }

    /// Reads the backslash command at `start` to the end of its line.
    fn meta(&mut self, start: usize) -> usize {
        self.close_statement();
        let line_end = self.line_end(start);
        let range = start..start + self.text[start..line_end].trim_end().len();
        self.pieces.push(Piece::Meta { range });
        line_end
    }

    /// Reads the data of a COPY: the lines after the one with its semicolon, up to `\.`.
    fn copy(&mut self, statement: Range<usize>) -> usize {
        let line_end = self.line_end(statement.end);
        let behind = tokens(&self.text[..line_end], statement.end)
            .find(|token| token.is_significant() && token.kind != TokenKind::Semi)
            .map(|token| CopyProblem::TextBehind(token.range.start));
        let start = (line_end + 1).min(self.text.len());
        let (data, next, cut) = match end_of_data(self.text, line_end) {
            Some((end, next)) => (start.min(end)..end, next, None),
            None => (start..self.text.len(), self.text.len(), Some(CopyProblem::Unterminated)),
        };
        self.closed &= cut.is_none();
        self.pieces.push(Piece::Copy { statement, data, problem: behind.or(cut) });
        next
    }

    /// The offset of the next line break, or of the text's end.
    fn line_end(&self, from: usize) -> usize {
        self.text[from..].find('\n').map_or(self.text.len(), |at| from + at)
    }

    fn close_statement(&mut self) {
        let statement = std::mem::take(&mut self.statement);
        self.closed &= statement.ends_here();
        if let Some(range) = statement.range {
            self.pieces.push(Piece::Sql { range });
        }
    }

    fn finish(mut self) -> Split {
        self.close_statement();
        Split { pieces: self.pieces, closed: self.closed }
    }
}

impl OpenStatement {
    /// Whether a semicolon here would end the statement.
    fn ends_here(&self) -> bool {
        self.parentheses == 0 && self.begins == 0
    }

    fn take(&mut self, token: &SqlToken, text: &str) {
        let start = self.range.as_ref().map_or(token.range.start, |range| range.start);
        self.range = Some(start..token.range.end);
        match token.kind {
            TokenKind::OpenParen => self.parentheses += 1,
            TokenKind::CloseParen => self.parentheses = self.parentheses.saturating_sub(1),
            TokenKind::Ident => self.take_identifier(text),
            _ => {}
        }
    }

    /// psql's heuristic for `BEGIN ATOMIC`: it counts `BEGIN`, `CASE` and `END` in a statement that begins like a function
    /// definition.
    fn take_identifier(&mut self, word: &str) {
        const HEAD: [&str; 5] = ["create", "function", "procedure", "or", "replace"];
        if let Some(slot) = self.head.get_mut(self.identifiers)
            && HEAD.iter().any(|known| word.eq_ignore_ascii_case(known))
        {
            *slot = word.as_bytes()[0].to_ascii_lowercase();
        }
        self.identifiers += 1;
        if self.parentheses > 0
            || !matches!(&self.head, [b'c', b'f' | b'p', ..] | b"corf" | b"corp")
        {
            return;
        }
        let is = |keyword| word.eq_ignore_ascii_case(keyword);
        if is("begin") || (is("case") && self.begins > 0) {
            self.begins += 1;
        } else if is("end") {
            self.begins = self.begins.saturating_sub(1);
        }
    }
}

/// The end of the data before the first line `\.` after the line break at `line_end`, and the end of that line.
fn end_of_data(text: &str, line_end: usize) -> Option<(usize, usize)> {
    let mut from = line_end;
    loop {
        let at = from + text[from..].find("\n\\.")?;
        let behind = at + "\n\\.".len();
        let rest = text[behind..].strip_prefix('\r').unwrap_or(&text[behind..]);
        if rest.is_empty() || rest.starts_with('\n') {
            return Some((at + 1, text.len() - rest.len()));
        }
        from = behind;
    }
}

/// Whether the statement is `COPY … FROM STDIN …`: the server requests data that are not part of a statement.
pub(crate) fn copies_from_stdin(statement: &str) -> bool {
    let mut words = words(statement);
    if !words.next().is_some_and(|first| first.is("COPY")) {
        return false;
    }
    let mut depth = 0usize;
    let mut after_from = false;
    for word in words {
        match word.text() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && after_from && word.is("STDIN") => return true,
            _ => {}
        }
        after_from = depth == 0 && word.is("FROM");
    }
    false
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn statements(text: &str) -> Vec<&str> {
        split(text, Dialect::Server).pieces.iter().map(|piece| &text[piece.range()]).collect()
    }

    fn closed(text: &str) -> bool {
        split(text, Dialect::Server).closed
    }

    #[test]
    fn comments_and_empty_statements_are_not_pieces() {
        assert_eq!(statements(" -- a;\n;; /* b; /* c */ */ \n"), Vec::<&str>::new());
        assert_eq!(
            statements("-- a\nselect 1 -- b\n ; select 2 -- c"),
            ["select 1 -- b\n ;", "select 2"]
        );
    }

    #[test]
    fn semicolons_in_quotes_and_parentheses_do_not_end_a_statement() {
        for statement in [
            "select ';', \";\", $$;$$, $a$;$$;$a$, E'\\';', U&';', U&\";\", 'it''s;';",
            "create rule r as on insert to t do (delete from a; delete from b);",
            "select 1 /* ; /* ; */ ; */;",
        ] {
            assert_eq!(statements(&format!("{statement}\n{statement}")), [statement, statement]);
        }
    }

    #[test]
    fn function_bodies_in_sql_are_one_statement() {
        let function = "create or replace function f(a int) returns int\nbegin atomic\n  select 1;\n  \
                        select case when a > 1 then 2 else 3 end;\nend;";
        let procedure = "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); END;";
        let text = format!("{function} begin; {procedure} end;");
        assert_eq!(statements(&text), [function, "begin;", procedure, "end;"]);
        assert!(!closed("create function f() begin atomic select 1;"));
    }

    #[test]
    fn open_constructs_at_the_end_are_reported() {
        for text in ["", "select 1", "select 1;", "-- a", "/* a */ select (1);", "select 1 -- '"] {
            assert!(closed(text), "{text}");
        }
        for text in ["select 'a", "select \"a", "/* a", "select $$a", "select $a$ $$", "select (1"]
        {
            assert!(!closed(text), "{text}");
        }
        assert!(closed("select 1);"), "a parenthesis too many is the server's affair");
    }

    #[test]
    fn a_byte_order_mark_is_skipped_for_psql_only() {
        let text = "\u{feff}select 1;";
        assert_eq!(split(text, Dialect::Psql).pieces, [Piece::Sql { range: 3..12 }]);
        assert_eq!(split(text, Dialect::Server).pieces, [Piece::Sql { range: 0..12 }]);
    }

    #[test]
    fn psql_commands_take_the_rest_of_their_line() {
        let text = "\\restrict ab'c\nselect 1;\n  \\connect x; y \r\nselect '\\i' \\gexec\n";
        let split = split(text, Dialect::Psql);
        let pieces: Vec<_> = split.pieces.iter().map(|piece| &text[piece.range()]).collect();
        assert_eq!(
            pieces,
            ["\\restrict ab'c", "select 1;", "\\connect x; y", "select '\\i'", "\\gexec"]
        );
        assert!(matches!(split.pieces[4], Piece::Meta { .. }));
        assert!(split.closed);
        assert_eq!(
            statements("select \\i 1;"),
            ["select \\i 1;"],
            "the server has no such commands"
        );
    }

    fn copy(text: &str) -> (&str, &str, Option<CopyProblem>, Split) {
        let split = split(text, Dialect::Psql);
        let Piece::Copy { statement, data, problem } = split.pieces[0].clone() else {
            panic!("{split:?}");
        };
        (&text[statement], &text[data], problem, split)
    }

    #[test]
    fn copy_data_is_not_sql() {
        let text = "COPY a.b (x, y) FROM stdin;\n1\t'\n\\.x\n\\N\t;\n\\.\n\nselect 1;";
        let (statement, data, problem, split) = copy(text);
        assert_eq!(statement, "COPY a.b (x, y) FROM stdin;");
        assert_eq!(data, "1\t'\n\\.x\n\\N\t;\n");
        assert_eq!(problem, None);
        assert_eq!(&text[split.pieces[1].range()], "select 1;");
        assert!(split.closed);
    }

    #[test]
    fn copy_blocks_of_all_shapes() {
        assert_eq!(copy("copy a from stdin;\n\\.\n").1, "");
        assert_eq!(copy("copy a from stdin; -- c\r\n1\r\n\\.\r\nselect 1;").1, "1\r\n");
        assert_eq!(copy("copy a from stdin with (format csv);\n1\n\\.").1, "1\n");
        for cut in ["copy a from stdin;", "copy a from stdin;\n1\n2", "copy a from stdin;\n1\n\\.."]
        {
            let (_, _, problem, split) = copy(cut);
            assert_eq!((problem, split.closed), (Some(CopyProblem::Unterminated), false), "{cut}");
        }
        let behind = copy("copy a from stdin; select 1;\n1\n\\.\n").2;
        assert_eq!(behind, Some(CopyProblem::TextBehind(19)));
    }

    #[test]
    fn only_copy_from_stdin_has_data() {
        assert!(copies_from_stdin("copy t(from_) from STDIN"));
        for other in [
            "copy t from '/x'",
            "copy (select 1 from stdin) to stdout",
            "copy t from program 'stdin'",
            "copy \"from\" to stdin",
            "select 1 from stdin",
        ] {
            assert!(!copies_from_stdin(other), "{other}");
        }
    }

    fn sql_like() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("create function f() begin atomic ".to_owned()),
            Just("copy t from stdin;\n".to_owned()),
            Just("\n\\.\n".to_owned()),
            Just("case end ".to_owned()),
            Just("$a$".to_owned()),
            "[a-zE'\"$;()\\\\/*\\-\n\r é\u{feff}]{0,8}",
            "\\PC{0,4}",
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_text_can_be_split(text in sql_like(), psql: bool) {
            let dialect = if psql { Dialect::Psql } else { Dialect::Server };
            let mut at = 0;
            for piece in split(&text, dialect).pieces {
                let range = piece.range();
                prop_assert!(at <= range.start && range.start < range.end);
                check_gap(&text, at, range.start, dialect)?;
                at = range.end;
                if let Piece::Copy { data, problem, .. } = piece {
                    prop_assert!(at <= data.start && data.start <= data.end);
                    if !matches!(problem, Some(CopyProblem::TextBehind(_))) {
                        check_gap(&text, at, data.start, dialect)?;
                    }
                    // The line `\.` belongs to the block.
                    at = data.end;
                    if text[at..].starts_with("\\.") {
                        at += 2;
                    }
                }
            }
            check_gap(&text, at, text.len(), dialect)?;
        }

        #[test]
        fn well_formed_statements_round_trip(statements in prop::collection::vec(statement(), 0..8)) {
            let text = statements.join("\n-- between; '\n /* ; */ ");
            let split = split(&text, Dialect::Server);
            let found: Vec<_> = split.pieces.iter().map(|piece| &text[piece.range()]).collect();
            prop_assert_eq!(found, statements);
            prop_assert!(split.closed);
        }
    }

    fn check_gap(
        text: &str,
        from: usize,
        to: usize,
        dialect: Dialect,
    ) -> Result<(), TestCaseError> {
        let from =
            if dialect == Dialect::Psql && from == 0 && text.starts_with(BOM) { 3 } else { from };
        for token in tokens(&text[..to], from) {
            let harmless = !token.is_significant() || token.kind == TokenKind::Semi;
            prop_assert!(harmless, "{:?} in the gap of {:?}", &text[token.range], text);
        }
        Ok(())
    }

    fn statement() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-z]{1,5}",
            "'([a-z;\"$(]|''){0,5}'",
            "\"([a-z;'$(]|\"\"){0,5}\"",
            "E'([a-z;]|\\\\'|\\\\\\\\){0,5}'",
            "\\$\\$[a-z;'\"(\n]{0,5}\\$\\$",
            "\\$t\\$[a-z;'\"(\n]{0,5}\\$\\$[;']\\$t\\$",
            "\\([a-z;]{0,3}\\)",
            "/\\*[a-z;']{0,3}/\\*;\\*/\\*/",
            Just("--;'\n".to_owned()),
            "[0-9]{1,3}",
        ];
        prop::collection::vec(part, 0..6).prop_map(|parts| format!("select {} ;", parts.join(" ")))
    }
}
