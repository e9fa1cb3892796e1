//! Python files as syntax trees, by the parser of Ruff. Nothing is executed.

use camino::Utf8Path;
use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Expr, ModModule, Stmt};
use ruff_python_parser::{Parsed, parse_module};
use ruff_text_size::Ranged;

use crate::formats::FormatError;
use crate::sql::LineIndex;

/// Why a text is not Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PythonSyntaxError {
    /// From 1.
    pub(super) line: usize,
    pub(super) message: String,
}

impl PythonSyntaxError {
    /// The same as an error of the file.
    pub(super) fn at(self, path: &Utf8Path) -> FormatError {
        FormatError::File {
            path: path.to_owned(),
            line: Some(self.line),
            problem: format!("it is not valid Python: {}", self.message),
            help: None,
        }
    }
}

/// A parsed module.
#[derive(Debug)]
pub(super) struct PythonModule<'t> {
    text: &'t str,
    /// The length of a byte order mark, which is not a part of the text.
    shift: usize,
    lines: LineIndex<'t>,
    parsed: Parsed<ModModule>,
}

impl<'t> PythonModule<'t> {
    /// Parses a file's text.
    pub(super) fn parse(text: &'t str) -> Result<Self, PythonSyntaxError> {
        // Python skips a byte order mark, and the parser does not.
        let source = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = LineIndex::new(source);
        match parse_module(source) {
            Ok(parsed) => {
                Ok(Self { text: source, shift: text.len() - source.len(), lines, parsed })
            }
            Err(error) => Err(PythonSyntaxError {
                line: lines.line_column(usize::from(error.location.start())).0,
                message: error.error.to_string(),
            }),
        }
    }

    pub(super) fn statements(&self) -> &[Stmt] {
        &self.parsed.syntax().body
    }

    /// The line of a node, from 1.
    pub(super) fn line(&self, node: &impl Ranged) -> usize {
        self.lines.line_column(usize::from(node.start())).0
    }

    /// The tokens that Python executes, and where each begins: without comments, blank lines, the choice of indentation, and the
    /// docstring of the module.
    pub(super) fn significant_tokens(&self) -> impl Iterator<Item = (TokenKind, &'t str, usize)> {
        let body = self.statements();
        let docstring = body.first().filter(|_| docstring(body).is_some()).map(Ranged::range);
        let shift = self.shift;
        let mut after_docstring = false;
        self.parsed.tokens().iter().filter_map(move |token| {
            let (kind, range) = token.as_tuple();
            let at = usize::from(range.start()) + shift;
            let is_docstring = docstring.is_some_and(|whole| whole.contains_range(range));
            // The line break behind it belongs to it.
            let ends_docstring = std::mem::replace(&mut after_docstring, is_docstring);
            match kind {
                _ if is_docstring => None,
                TokenKind::Comment | TokenKind::NonLogicalNewline => {
                    after_docstring = ends_docstring;
                    None
                }
                TokenKind::Newline | TokenKind::Semi if ends_docstring => None,
                TokenKind::Indent | TokenKind::Dedent | TokenKind::Newline => Some((kind, "", at)),
                _ => Some((kind, &self.text[range], at)),
            }
        })
    }
}

/// The text of a string literal, also of adjacent ones.
pub(super) fn literal(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::StringLiteral(string) => Some(string.value.to_str()),
        _ => None,
    }
}

/// `name` of an expression that is a name.
pub(super) fn name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        _ => None,
    }
}

/// The docstring of a module, a function or a class.
pub(super) fn docstring(body: &[Stmt]) -> Option<&str> {
    match body.first()? {
        Stmt::Expr(statement) => literal(&statement.value),
        _ => None,
    }
}

/// Whether a function's body does nothing: a docstring, `pass`, `...` and a plain `return`.
pub(super) fn is_empty_body(body: &[Stmt]) -> bool {
    body.iter().all(|statement| match statement {
        Stmt::Pass(_) => true,
        Stmt::Return(statement) => match statement.value.as_deref() {
            None => true,
            Some(value) => matches!(value, Expr::NoneLiteral(_)),
        },
        Stmt::Expr(statement) => {
            matches!(*statement.value, Expr::StringLiteral(_) | Expr::EllipsisLiteral(_))
        }
        _ => false,
    })
}
