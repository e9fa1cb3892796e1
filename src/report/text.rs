//! Helpers of the text renderers: numbers, words, and the removal of control characters from untrusted text.

use std::borrow::Cow;

use crate::secrets;

/// Displayable text: control characters (ANSI escapes begin with one) and bidirectional marks become visible signs; line ends
/// and tabs are kept. Each character is replaced by one, so that columns do not change.
///
/// Also breaks what GitHub's runner would read as a command in a job log: `::name` at the start of a line, and `##[name` at any
/// position.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) && !text.contains("::") && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    // Only blanks so far on this line.
    let mut at_line_start = true;
    let mut hashes = 0;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        out.push(match char {
            '[' if hashes >= 2 => '\u{ff3b}',
            ':' if at_line_start && chars.peek() == Some(&':') => '\u{ff1a}',
            '\0'..='\u{1f}' if is_hidden(char) => {
                char::from_u32(0x2400 + u32::from(char)).unwrap_or('\u{fffd}')
            }
            '\u{7f}' => '\u{2421}',
            _ if is_hidden(char) => '\u{fffd}',
            _ => char,
        });
        hashes = if char == '#' { hashes + 1 } else { 0 };
        at_line_start = char == '\n' || (at_line_start && char.is_whitespace());
    }
    Cow::Owned(out)
}

fn is_hidden(char: char) -> bool {
    (char.is_control() && char != '\n' && char != '\t')
        || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// On one line: displayable, with whitespace folded, and at most `limit` characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    // Only the beginning of a long text has to be folded.
    let head = clip(text, limit.saturating_mul(4));
    let folded = head.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = visible(&folded);
    match line.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.into_owned(),
    }
}

/// The first `limit` characters, and the number of omitted ones in words.
///
/// Known secrets are masked first: the rest of a truncated one would not be recognised.
pub(crate) fn clip(text: &str, limit: usize) -> Cow<'_, str> {
    let text = secrets::mask(text);
    match text.char_indices().nth(limit) {
        Some((at, _)) => {
            let more = text[at..].chars().count();
            Cow::Owned(format!("{}… (and {more} more characters)", &text[..at]))
        }
        None => text,
    }
}

/// `1 tenant`, `2 tenants`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// `10,000`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12 ms`, `3.4 s`, `48 s`, `2 min 5 s`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..60_000 => format!("{} s", ms / 1_000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// Whether a path stays in the project: other paths do not belong to the repository.
pub(crate) fn is_of_project(path: &str) -> bool {
    !path.starts_with('/') && !path.split('/').any(|part| part == "..")
}

/// An abbreviated commit hash.
pub(crate) fn short_commit(commit: &str) -> String {
    commit.chars().take(7).collect()
}

/// The subject of a finding without units.
pub(crate) fn subject_of(finding: &crate::report::verify::v1::Finding) -> String {
    match finding.database.as_str() {
        "" => "project".to_owned(),
        database => format!("{} track of {database}", finding.track),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_marks_become_visible_and_keep_their_columns() {
        let hostile = "a\u{1b}[31mred\u{9b}0m\r\u{202e}\u{7f}\tb\nc";
        let shown = visible(hostile);
        assert_eq!(shown, "a␛[31mred\u{fffd}0m␍\u{fffd}␡\tb\nc");
        assert_eq!(shown.chars().count(), hostile.chars().count());
    }

    #[test]
    fn commands_of_a_job_log_are_broken() {
        assert_eq!(visible("x ##[error]y"), "x ##［error]y");
        assert_eq!(visible("a\n  ::set-output name=x::1"), "a\n  ：:set-output name=x::1");
        assert_eq!(visible("now()::date"), "now()::date");
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(visible("naïve 🐘 text\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_secret_is_masked_before_its_text_is_cut() {
        crate::secrets::learn("k9!xz7q");
        assert_eq!(clip("a k9!xz7q b", 5), "a ***… (and 2 more characters)");
        assert_eq!(one_line("a k9!xz7q b", 5), "a ***…");
    }

    #[test]
    fn long_text_is_clipped_in_words() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äöü… (and 1 more characters)");
        assert_eq!(one_line("a\n\n b\tc", 80), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }

    #[test]
    fn numbers_are_formatted() {
        assert_eq!(count(1, "tenant"), "1 tenant");
        assert_eq!(count(10_000, "tenant"), "10,000 tenants");
        assert_eq!(
            [0, 999, 1_000, 59_999, 125_000].map(duration),
            ["0 ms", "999 ms", "1.0 s", "59 s", "2 min 5 s"]
        );
    }
}
