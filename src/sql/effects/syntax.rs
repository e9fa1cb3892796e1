//! Helpers for the words of a statement: keywords at a position, lists, names.

use crate::sql::words::{SqlWord, words};

/// The maximum length of an identifier (`NAMEDATALEN - 1`), in bytes.
const NAME_BYTES: usize = 63;
/// How many levels of strings are read: a block, its dynamic SQL, and strings in that.
const DEPTH: usize = 4;

/// The name of an object as the server resolves it: folded to lower case unless quoted, truncated to 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ObjectName {
    /// The schema, if the statement has one.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// Whether the word at this index is this keyword.
pub(super) fn is(words: &[SqlWord<'_>], at: usize, keyword: &str) -> bool {
    words.get(at).is_some_and(|word| word.is(keyword))
}

/// The words after these keywords, if the words begin with them.
pub(super) fn after<'w, 't>(
    words: &'w [SqlWord<'t>],
    keywords: &[&str],
) -> Option<&'w [SqlWord<'t>]> {
    let begins = keywords.iter().enumerate().all(|(at, keyword)| is(words, at, keyword));
    begins.then(|| &words[keywords.len()..])
}

/// The words without these keywords at their beginning, if they begin with them.
pub(super) fn without<'w, 't>(words: &'w [SqlWord<'t>], keywords: &[&str]) -> &'w [SqlWord<'t>] {
    after(words, keywords).unwrap_or(words)
}

pub(super) fn any_of(words: &[SqlWord<'_>], at: usize, keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| is(words, at, keyword))
}

/// The words outside of all parentheses and brackets, with their indices.
pub(super) fn top_level<'w, 't>(
    words: &'w [SqlWord<'t>],
) -> impl Iterator<Item = (usize, &'w SqlWord<'t>)> {
    let mut depth = 0_usize;
    words.iter().enumerate().filter(move |(_, word)| match word.text() {
        "(" | "[" => {
            depth += 1;
            false
        }
        ")" | "]" => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    })
}

/// The index of a keyword outside of all parentheses.
pub(super) fn top_level_keyword(words: &[SqlWord<'_>], keyword: &str) -> Option<usize> {
    top_level(words).find(|(_, word)| word.is(keyword)).map(|(at, _)| at)
}

/// The parts between commas outside of all parentheses.
pub(super) fn list<'w, 't>(words: &'w [SqlWord<'t>]) -> Vec<&'w [SqlWord<'t>]> {
    let commas = top_level(words).filter(|(_, word)| word.text() == ",").map(|(at, _)| at);
    let mut parts = Vec::new();
    let mut from = 0;
    for at in commas {
        parts.push(&words[from..at]);
        from = at + 1;
    }
    parts.push(&words[from..]);
    parts
}

/// The words in the parentheses at the beginning, if there are any, and the words after them.
pub(super) fn parenthesized<'w, 't>(
    words: &'w [SqlWord<'t>],
) -> (&'w [SqlWord<'t>], &'w [SqlWord<'t>]) {
    if words.first().is_none_or(|first| first.text() != "(") {
        return (&[], words);
    }
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match word.text() {
            "(" => depth += 1,
            ")" if depth == 1 => return (&words[1..at], &words[at + 1..]),
            ")" => depth -= 1,
            _ => {}
        }
    }
    (&words[1..], &[])
}

/// The name at the beginning, and the words after it. `None` for anything else, for a name with a database name, and for
/// `U&"…"`.
pub(super) fn object_name<'w, 't>(
    words: &'w [SqlWord<'t>],
) -> Option<(ObjectName, &'w [SqlWord<'t>])> {
    let name = |at: usize| words.get(at).and_then(SqlWord::identifier).map(|name| cut(&name));
    let is_dot = |at: usize| words.get(at).is_some_and(|word| word.text() == ".");
    let first = name(0)?;
    if !is_dot(1) {
        return Some((ObjectName { schema: None, name: first }, &words[1..]));
    }
    let name = name(2)?;
    (!is_dot(3)).then(|| (ObjectName { schema: Some(first), name }, &words[3..]))
}

/// All names of a list such as that of `DROP INDEX a, b.c CASCADE`; `None` if one of them cannot be read.
pub(super) fn object_names(words: &[SqlWord<'_>]) -> Option<Vec<ObjectName>> {
    list(words).into_iter().map(|part| object_name(part).map(|(name, _)| name)).collect()
}

/// Truncates a name as the server does: to complete characters.
pub(crate) fn cut(name: &str) -> String {
    let mut end = name.len().min(NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

/// Whether such words occur in a statement, or in code that it contains as a string: the body of a block or a function, and
/// dynamic SQL in it. Other strings are data, and comments are ignored.
pub(super) fn mentions(
    statement: &[SqlWord<'_>],
    is_such: &dyn Fn(&[SqlWord<'_>]) -> bool,
) -> bool {
    let created = after(statement, &["CREATE"]).map(|rest| without(rest, &["OR", "REPLACE"]));
    let holds_code = is(statement, 0, "DO")
        || created.is_some_and(|rest| any_of(rest, 0, &["FUNCTION", "PROCEDURE"]));
    mentions_within(statement, is_such, if holds_code { DEPTH } else { 0 })
}

fn mentions_within(
    statement: &[SqlWord<'_>],
    is_such: &dyn Fn(&[SqlWord<'_>]) -> bool,
    depth: usize,
) -> bool {
    (0..statement.len()).any(|at| is_such(&statement[at..]))
        || depth > 0
            && statement.iter().filter(|word| word.is_string()).any(|word| {
                let inner = code_of(word);
                let inner: Vec<_> = words(&inner).collect();
                mentions_within(&inner, is_such, depth - 1)
            })
}

/// Calls `visit` with a statement, and, for a block, with each statement in its code and in the dynamic SQL there: from its
/// first word to the end of that code.
pub(super) fn statements_in_code(statement: &[SqlWord<'_>], visit: &mut dyn FnMut(&[SqlWord<'_>])) {
    visit(statement);
    if is(statement, 0, "DO") {
        statements_in_strings(statement, visit, DEPTH);
    }
}

fn statements_in_strings(
    code: &[SqlWord<'_>],
    visit: &mut dyn FnMut(&[SqlWord<'_>]),
    depth: usize,
) {
    const BEFORE: [&str; 4] = ["BEGIN", "ELSE", "LOOP", "THEN"];
    for word in code.iter().filter(|word| word.is_string()) {
        let inner = code_of(word);
        let inner: Vec<_> = words(&inner).collect();
        for at in 0..inner.len() {
            let begins = at == 0
                || inner[at - 1].text() == ";"
                || BEFORE.iter().any(|keyword| inner[at - 1].is(keyword));
            if begins {
                visit(&inner[at..]);
            }
        }
        if depth > 1 {
            statements_in_strings(&inner, visit, depth - 1);
        }
    }
}

/// The code in a string. Escapes are ignored: the words of code consist of letters.
fn code_of(string: &SqlWord<'_>) -> String {
    string.string().map_or_else(|| string.text()[2..].to_owned(), Into::into)
}

/// The words before the first semicolon.
pub(super) fn to_semicolon<'w, 't>(words: &'w [SqlWord<'t>]) -> &'w [SqlWord<'t>] {
    let end = words.iter().position(|word| word.text() == ";").unwrap_or(words.len());
    &words[..end]
}

/// The kind of object that the words begin with, and the words after it.
pub(super) fn kind_of<'w, 't>(words: &'w [SqlWord<'t>]) -> Option<(String, &'w [SqlWord<'t>])> {
    let kind = words.first()?.keyword();
    let (kind, length) = match kind.as_str() {
        "MATERIALIZED" if is(words, 1, "VIEW") => ("VIEW".to_owned(), 2),
        "FOREIGN" if is(words, 1, "TABLE") => ("TABLE".to_owned(), 2),
        "OPERATOR" if any_of(words, 1, &["CLASS", "FAMILY"]) => (kind, 2),
        "TEXT" if is(words, 1, "SEARCH") => (kind, 3),
        _ => (kind, 1),
    };
    Some((kind, words.get(length..).unwrap_or_default()))
}
