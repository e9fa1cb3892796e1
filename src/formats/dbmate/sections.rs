//! The sections of dbmate's files, and the markers between them.

use std::sync::LazyLock;

use regex::Regex;

use crate::formats::FormatError;
use crate::model::Script;
use crate::sql::LineIndex;

/// Go's `\s` and `\S` match fewer characters than Rust's.
pub(super) static UP: LazyLock<Regex> = LazyLock::new(|| marker("up"));
static DOWN: LazyLock<Regex> = LazyLock::new(|| marker("down"));

fn marker(direction: &str) -> Regex {
    let (space, other) = ("[\\t\\n\\f\\r ]", "[^\\t\\n\\f\\r ]");
    Regex::new(&format!("(?m)^--{space}*migrate:{direction}({space}*$|{space}+{other}+)"))
        .expect("internal error: dbmate's marker")
}

/// One migration of a file.
pub(super) struct Section {
    pub(super) up: Script,
    pub(super) down: Script,
}

/// Splits a file at its markers: into parts from each up marker to the next, and each part at its down marker.
pub(super) fn sections(file: &Script) -> Result<Vec<Section>, FormatError> {
    let text = file.text();
    let fault = |at: usize, problem: &str, help: &str| FormatError::File {
        path: file.path().to_owned(),
        line: Some(LineIndex::new(text).line_column(at).0),
        problem: problem.to_owned(),
        help: Some(help.to_owned()),
    };
    let starts: Vec<usize> = UP.find_iter(text).map(|found| found.start()).collect();
    let Some(first) = starts.first() else {
        let problem = "dbmate requires each migration to define an up block with '-- migrate:up'";
        return Err(fault(0, problem, "begin the file with the line `-- migrate:up`"));
    };
    if let Some(at) = statement_before(&text[..*first]) {
        let problem = "dbmate does not support statements preceding the '-- migrate:up' block";
        return Err(fault(at, problem, "move this line after the marker"));
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let section = |(start, end): (usize, usize)| {
        let mut downs = DOWN.find_iter(&text[start..end]).map(|found| start + found.start());
        match (downs.next(), downs.next()) {
            (None, _) => Err(fault(
                start,
                "dbmate requires each migration to define a down block with '-- migrate:down'",
                "add a line `-- migrate:down` at its end; the section after it may be empty",
            )),
            (_, Some(second)) => Err(fault(
                second,
                "dbmate requires every '-- migrate:down' to be preceded by a '-- migrate:up'",
                "remove one of the two markers",
            )),
            (Some(down), None) => {
                Ok(Section { up: file.section(start..down), down: file.section(down..end) })
            }
        }
    };
    starts.iter().copied().zip(ends).map(section).collect()
}

/// The first line that is neither blank nor a comment, in the text before the first marker.
fn statement_before(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        if !content.is_empty() && !content.starts_with("--") {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Reads the options after a section's marker; only `transaction:false` has an effect.
pub(super) fn has_transaction(section: &str) -> bool {
    let line = section.split('\n').next().unwrap_or_default();
    let mut options = line.split_ascii_whitespace().filter_map(|option| option.split_once(':'));
    let transaction = options.rfind(|(key, value)| *key == "transaction" && !value.contains(':'));
    transaction.is_none_or(|(_, value)| value != "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_case_sensitive() {
        for (line, expected) in [
            ("-- migrate:up transaction:false\r", false),
            ("-- migrate:up a:b  transaction:false", false),
            ("-- migrate:up transaction:false transaction:true", true),
            ("-- migrate:up Transaction:false", true),
            ("-- migrate:up transaction:FALSE", true),
            ("-- migrate:up transaction: false", true),
            ("-- migrate:up\ntransaction:false", true),
        ] {
            assert_eq!(has_transaction(&format!("{line}\nselect 1")), expected, "{line:?}");
        }
    }
}
