//! Decides from the words of an expression what evaluating it, or only storing it, may run.
//!
//! An expression is understood only if each of its words is listed. A function of PostgreSQL is recognised by its name:
//! `pg_catalog` is first in a search path unless the path names it. A function or operator of the project with the same name
//! can match the arguments better; `Ledger::is_watched` queries the database for these.

use super::syntax::{is, parenthesized};
use super::vocabulary::{
    BEFORE_PARENTHESIS, BEFORE_STRING, CURRENT, FUNCTIONS, OPERATORS, QUERIES, SPECIAL_DATES,
    TIME_TYPES, TRANSACTION_TIME, TYPES,
};
use super::{Evaluation, Evaluation::*};
use crate::sql::words::SqlWord;

/// An expression that the server parses and stores: a default, a view, a policy. Only constants are evaluated: `'now'` as a
/// time becomes the time of the transaction immediately.
pub(super) fn stored(words: &[SqlWord<'_>]) -> Evaluation {
    let of_word = |(at, word): (usize, &SqlWord<'_>)| {
        // A string that continues on the next line.
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

/// An expression that is evaluated immediately, for rows or on its own.
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

/// The number of words from here on that form one unit, and what evaluating them may run.
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
        // `a.b` may call the function b on a row of a, and `schema.f` is a function of the project.
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
    // The server ends an operator before a sign (`a=-1`), unless it contains one of these characters.
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

/// Whether a keyword that may precede a string is a type or unknown.
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

/// A type of PostgreSQL: the number of words of its name, and what creating a value of it may run.
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
        // Its time zone depends on the day.
        return None;
    }
    while words.get(at).is_some_and(|word| word.text() == "[") {
        at += words[at..].iter().position(|word| word.text() == "]")? + 1;
    }
    Some((at, evaluation))
}

/// Whether the input function of a date type would read the current time.
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
