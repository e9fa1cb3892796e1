//! Decides whether two problems have the same cause. A thousand tenants that fail in the same way make one finding.
//!
//! Messages differ in what is specific to a tenant: names, values, counts. These are removed before messages are compared.
//! Problems that are merged wrongly still come from one statement at one line of one file, with one SQLSTATE.

use camino::Utf8PathBuf;

use crate::model::{Phase, TrackKind, UnitRecord};

use super::failed::sqlstate;
use super::{CheckMeta, UnitProblem};

/// The number of characters of a message that are compared. The rest of a longer message is data.
const COMPARED: usize = 2_000;

/// Replaces the tenant's own name or target.
const OWN_NAME: &str = "‹tenant›";
/// Replaces a quoted value.
const VALUE: &str = "‹value›";
/// Replaces a run of digits.
const NUMBER: char = '#';

/// SQLSTATE classes in whose messages double quotes contain object names, which distinguish causes. Elsewhere they may contain
/// values: `invalid input syntax for type integer: "abc"`.
const NAMING_CLASSES: &[&str] = &["23", "2B", "3D", "3F", "42", "55"];

/// Equal for problems with the same cause.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Cause<'a> {
    code: &'static str,
    database: &'a str,
    track: TrackKind,
    phase: Phase,
    place: Option<(Utf8PathBuf, usize)>,
    sqlstate: Option<&'a str>,
    message: String,
}

impl<'a> Cause<'a> {
    pub(super) fn of(meta: &CheckMeta, unit: &'a UnitRecord, problem: &UnitProblem<'a>) -> Self {
        let sqlstate = problem.failure.and_then(sqlstate);
        let quotes = match sqlstate {
            Some(state) if !NAMING_CLASSES.iter().any(|class| state.starts_with(class)) => {
                DoubleQuotes::HoldValues
            }
            _ => DoubleQuotes::HoldNames,
        };
        Self {
            code: meta.code,
            database: &unit.database,
            track: unit.track,
            phase: problem.phase,
            place: problem.place().map(|place| (place.path.clone(), place.line)),
            sqlstate,
            // The target is usually the longer of the two (`tenant_acme`), so it is replaced first.
            message: normalise(&problem.message, &[&unit.target, &unit.name], quotes),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DoubleQuotes {
    HoldNames,
    HoldValues,
}

fn normalise(message: &str, own_names: &[&str], quotes: DoubleQuotes) -> String {
    let end = message.char_indices().nth(COMPARED).map_or(message.len(), |(at, _)| at);
    let message = &message[..end];
    let mut out = String::with_capacity(message.len());
    let mut at = 0;
    while let Some(char) = message[at..].chars().next() {
        let rest = &message[at..];
        let after_word = message[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        if let Some(name) = own_names.iter().find(|name| !after_word && begins_with(rest, name)) {
            out.push_str(OWN_NAME);
            at += name.len();
        } else if let Some(length) = quoted_value(rest, after_word, quotes) {
            out.push_str(VALUE);
            at += length;
        } else if char.is_ascii_digit() {
            out.push(NUMBER);
            at += rest.bytes().take_while(u8::is_ascii_digit).count();
        } else {
            out.push(char);
            at += char.len_utf8();
        }
    }
    out
}

/// Whether `rest` starts with `name`, and not with a longer word. `_` bounds words: `acme_pkey`.
fn begins_with(rest: &str, name: &str) -> bool {
    !name.is_empty()
        && rest
            .strip_prefix(name)
            .is_some_and(|tail| !tail.chars().next().is_some_and(char::is_alphanumeric))
}

/// The length in bytes of the quoted value at the start of `rest`, quotes included. The apostrophe in `can't` starts none.
fn quoted_value(rest: &str, after_word: bool, quotes: DoubleQuotes) -> Option<usize> {
    let quote = rest.chars().next()?;
    let opens = match quote {
        '\'' => !after_word,
        '"' => quotes == DoubleQuotes::HoldValues,
        _ => false,
    };
    let close = if opens { rest[1..].find(quote)? } else { return None };
    Some(1 + close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["tenant_acme", "acme"];

    fn names(message: &str) -> String {
        normalise(message, NAMES, DoubleQuotes::HoldNames)
    }

    #[test]
    fn the_tenants_own_names_are_replaced_as_words() {
        assert_eq!(names("schema \"tenant_acme\" of acme"), "schema \"‹tenant›\" of ‹tenant›");
        assert_eq!(names("index \"acme_pkey\""), "index \"‹tenant›_pkey\"");
        assert_eq!(names("acmes tacme"), "acmes tacme");
    }

    #[test]
    fn numbers_and_values_are_replaced() {
        assert_eq!(names("row 17 of 400"), "row # of #");
        assert_eq!(names("can't cast 'x y' to 'z'"), "can't cast ‹value› to ‹value›");
        assert_eq!(names("an open 'quote"), "an open 'quote");
    }

    #[test]
    fn object_names_distinguish_causes_and_values_do_not() {
        assert_eq!(names("relation \"a\" does not exist"), "relation \"a\" does not exist");
        assert_eq!(
            normalise("invalid input: \"a\"", NAMES, DoubleQuotes::HoldValues),
            "invalid input: ‹value›"
        );
    }

    #[test]
    fn a_long_message_is_compared_by_its_beginning() {
        assert_eq!(names(&"é".repeat(1_000_000)).chars().count(), COMPARED);
    }

    #[test]
    fn an_empty_name_matches_nothing() {
        assert_eq!(normalise("a b", &["", ""], DoubleQuotes::HoldNames), "a b");
    }
}
