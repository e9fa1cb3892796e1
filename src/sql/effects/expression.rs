//! What it takes to evaluate an expression, or to keep it unevaluated, told from its words alone.
//!
//! An expression is understood only where each of its words is on a list. A function of PostgreSQL's own is taken for what
//! it is by its name: `pg_catalog` comes first in a search path unless it is named there. A function or an operator of the
//! project's with the same name can fit the arguments better; whether there is one, the database is asked (`Ledger::is_watched`).

use super::syntax::{is, parenthesized};
use super::vocabulary::{
    BEFORE_PARENTHESIS, BEFORE_STRING, CURRENT, FUNCTIONS, OPERATORS, QUERIES, SPECIAL_DATES,
    TIME_TYPES, TRANSACTION_TIME, TYPES,
};
use super::{Evaluation, Evaluation::*};
use crate::sql::words::SqlWord;

/// An expression that the server parses and keeps: a default, a view, a policy. Nothing of it is evaluated but constants:
/// `'now'` as a time becomes the time of the transaction at once.
pub(super) fn stored(words: &[SqlWord<'_>]) -> Evaluation {
    let of_word = |(at, word): (usize, &SqlWord<'_>)| {
        // A string that goes on in the next line.
        let goes_on = word.is_string() && at > 0 && words[at - 1].is_string();
        if word.is_unclear() || goes_on {
            Code
        } else if word.string().is_some_and(|text| is_special_date(&text)) {
            TransactionTime
        } else {
            Inert
        }
    };
    words.iter().enumerate().map(of_word).max().unwrap_or(Inert)
}

/// An expression that is evaluated at once, over rows or alone.
pub(super) fn evaluated(words: &[SqlWord<'_>]) -> Evaluation {
    let mut found = stored(words);
    let mut at = 0;
    while at < words.len() {
        let (length, evaluation) = word_group(words, at);
        found = found.max(evaluation);
        at += length.max(1);
    }
    found
}

/// What the words from here on that belong together are: how many, and what it takes to evaluate them.
fn word_group(words: &[SqlWord<'_>], at: usize) -> (usize, Evaluation) {
    let word = &words[at];
    let opens = words.get(at + 1).is_some_and(|next| next.text() == "(");
    if word.is_name() {
        return if is(words, at, "pg_catalog")
            && words.get(at + 1).is_some_and(|dot| dot.text() == ".")
        {
            (2, Inert)
        } else {
            (1, name(words, at, opens))
        };
    }
    if word.text() == "." {
        // `a.b` may call the function b on a row of a, and `schema.f` is the project's.
        return (1, Code);
    }
    if !is_operator(word) {
        return (1, Inert);
    }
    let mut end = at + 1;
    while end < words.len() && is_operator(&words[end]) && words[end].follows(&words[end - 1]) {
        end += 1;
    }
    let mut operator: String = words[at..end].iter().map(SqlWord::text).collect();
    // The server ends an operator before a sign (`a=-1`), unless one of these letters is in it.
    while operator.len() > 1
        && operator.ends_with(['+', '-'])
        && !operator.contains(|letter| "~!@#%^&|`?".contains(letter))
    {
        operator.pop();
    }
    if !OPERATORS.has(&operator) {
        return (end - at, Code);
    }
    if operator == "::" {
        return match type_name(&words[end..]) {
            Some((length, evaluation)) => (end - at + length, evaluation),
            None => (end - at, Code),
        };
    }
    (end - at, Inert)
}

fn name(words: &[SqlWord<'_>], at: usize, opens: bool) -> Evaluation {
    let word = &words[at];
    let keyword = word.keyword();
    let before_string = words.get(at + 1).is_some_and(SqlWord::is_string);
    if QUERIES.has(&keyword) {
        Code
    } else if CURRENT.has(&keyword) {
        TransactionTime
    } else if keyword == "CAST" || keyword == "AS" {
        // `CAST (x AS type)`.
        match type_name(&words[at + 1..]) {
            _ if keyword == "CAST" => Inert,
            Some((_, evaluation)) => evaluation,
            None => Code,
        }
    } else if opens {
        call(word, &keyword)
    } else if before_string && !BEFORE_PARENTHESIS.has(&keyword) && is_type_or_unknown(&keyword) {
        // `type 'constant'`.
        type_name(&words[at..]).map_or(Code, |(_, evaluation)| evaluation)
    } else {
        Inert
    }
}

/// A keyword that can stand before a string without being a type.
fn is_type_or_unknown(keyword: &str) -> bool {
    !BEFORE_STRING.has(keyword)
}

fn call(word: &SqlWord<'_>, keyword: &str) -> Evaluation {
    let function = word.identifier().unwrap_or_default();
    if BEFORE_PARENTHESIS.has(keyword) || FUNCTIONS.has(&function) {
        Inert
    } else if TRANSACTION_TIME.has(&function) || CURRENT.has(keyword) {
        TransactionTime
    } else {
        Code
    }
}

/// A type of PostgreSQL's own: how many words its name takes, and what it takes to make a value of it.
pub(super) fn type_name(words: &[SqlWord<'_>]) -> Option<(usize, Evaluation)> {
    let qualified = is(words, 0, "pg_catalog") && words.get(1).is_some_and(|dot| dot.text() == ".");
    let start = if qualified { 2 } else { 0 };
    let name = words.get(start)?.identifier()?;
    let evaluation = if TYPES.has(&name) {
        Inert
    } else if TIME_TYPES.has(&name) {
        TransactionTime
    } else {
        return None;
    };
    let mut at = start + 1;
    let eat = |at: &mut usize, keywords: &[&str]| {
        if keywords.iter().enumerate().all(|(offset, word)| is(words, *at + offset, word)) {
            *at += keywords.len();
            return true;
        }
        false
    };
    eat(&mut at, &["PRECISION"]);
    eat(&mut at, &["VARYING"]);
    let (_, rest) = parenthesized(&words[at.min(words.len())..]);
    at = words.len() - rest.len();
    let zoned = eat(&mut at, &["WITH", "TIME", "ZONE"]);
    eat(&mut at, &["WITHOUT", "TIME", "ZONE"]);
    if zoned && name == "time" {
        // Its zone depends on the day.
        return None;
    }
    while words.get(at).is_some_and(|word| word.text() == "[") {
        at += words[at..].iter().position(|word| word.text() == "]")? + 1;
    }
    Some((at, evaluation))
}

/// The input of a date would read the current time in it.
pub(super) fn is_special_date(text: &str) -> bool {
    let has_word = |text: &str| {
        text.split(|letter: char| !letter.is_ascii_alphabetic())
            .any(|run| SPECIAL_DATES.has(&run.to_ascii_lowercase()))
    };
    has_word(text) || text.contains('\\') && has_word(&text.replace('\\', ""))
}

fn is_operator(word: &SqlWord<'_>) -> bool {
    let mut letters = word.text().chars();
    letters.next().is_some_and(|letter| "+-*/<>=~!@#%^&|`?:".contains(letter)) && !word.is_string()
}
