//! Finds secrets in a text: whole secrets in every encoding, and long pieces of long secrets, as made by a table, a line wrap
//! or `substr(…)`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::{MASK, forms, vocabulary};

/// Secrets of at least this many bytes are also recognised by pieces.
const LONG: usize = 20;
/// The length of a piece in bytes.
const PIECE: usize = 12;
pub(super) struct Masker {
    values: Vec<String>,
    whole: AhoCorasick,
    pieces: HashSet<[u8; PIECE]>,
}

impl Masker {
    pub(super) fn new(values: Vec<String>) -> Self {
        let mut patterns = BTreeSet::new();
        let mut pieces = HashSet::new();
        for value in values.iter().flat_map(|value| parts(value)) {
            if !is_distinct(value) {
                patterns.insert(format!(":{value}@"));
                continue;
            }
            for form in forms::of(value) {
                if value.len() >= LONG {
                    pieces.extend(pieces_of(&form));
                }
                patterns.insert(form);
            }
        }
        let whole = AhoCorasick::builder().ascii_case_insensitive(true).build(&patterns);
        // The patterns of one environment are far below the builder's limit of 2^31 states.
        let whole = whole.expect("internal error: too many secrets");
        Self { values, whole, pieces }
    }

    pub(super) fn values(&self) -> &[String] {
        &self.values
    }

    /// Values that are hidden in addresses only are not credentials.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.found_in(bytes).any(|text| !(text.starts_with(b":") && text.ends_with(b"@")))
    }

    /// The same for long secrets only.
    pub(super) fn is_long_one_in(&self, bytes: &[u8]) -> bool {
        self.found_in(bytes).any(|text| text.len() >= LONG)
    }

    fn found_in<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.whole.find_overlapping_iter(bytes).map(move |found| &bytes[found.range()])
    }

    pub(super) fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found: Vec<Range<usize>> =
            self.whole.find_overlapping_iter(text).map(|found| found.range()).collect();
        found.extend(self.pieces_in(text));
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|range| range.start);
        let mut masked = String::with_capacity(text.len());
        let mut end = 0;
        for range in found {
            if range.end <= end {
                continue;
            }
            // A match that begins in the previous one, or directly after it, is hidden with it.
            if range.start > end || masked.is_empty() {
                masked.push_str(&text[end..range.start.max(end)]);
                masked.push_str(MASK);
            }
            end = range.end;
        }
        masked.push_str(&text[end..]);
        Cow::Owned(masked)
    }

    fn pieces_in<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let windows = if self.pieces.is_empty() { &[] } else { text.as_bytes() };
        windows.windows(PIECE).enumerate().filter_map(move |(at, window)| {
            let mut piece: [u8; PIECE] = window.try_into().ok()?;
            piece.make_ascii_lowercase();
            // Pieces are ASCII, so they begin and end at character boundaries.
            self.pieces.contains(&piece).then_some(at..at + PIECE)
        })
    }
}

/// A value is one secret; if it has several lines, as a key has, each line is one.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let lines = value.lines().map(str::trim).filter(|line| line.len() > 1);
    std::iter::once(value).chain(lines.filter(move |line| *line != value))
}

/// Whether a value is long and unusual enough to be masked in every text.
pub(super) fn is_distinct(value: &str) -> bool {
    let has = |test: fn(&char) -> bool| value.chars().any(|c| test(&c));
    let is_mixed = has(|c| c.is_alphabetic()) && has(|c| !c.is_alphabetic());
    let length = value.chars().count();
    let is_marker = value.starts_with("-----");
    !vocabulary::is_word(value) && !is_marker && (length >= 8 || (length >= 5 && is_mixed))
}

fn pieces_of(form: &str) -> impl Iterator<Item = [u8; PIECE]> {
    form.as_bytes().windows(PIECE).filter_map(|window| {
        let mut piece: [u8; PIECE] = window.try_into().ok()?;
        piece.make_ascii_lowercase();
        let distinct: HashSet<u8> = piece.iter().copied().collect();
        (piece.is_ascii() && distinct.len() >= 6).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghs_0123456789abcdefghijklmnopqrstuvwxyz";

    fn mask(secret: &str, text: &str) -> String {
        Masker::new(vec![secret.to_owned()]).mask(text).into_owned()
    }

    #[test]
    fn a_secret_is_hidden_in_any_case_and_encoding() {
        let encoded = hex::encode(TOKEN);
        let texts = [
            format!("a {TOKEN} b"),
            format!("a {} b", TOKEN.to_uppercase()),
            format!("a {encoded} b"),
            format!("a {} b", TOKEN.replace('_', "\\_")),
            format!("a {TOKEN}{TOKEN} b"),
        ];
        for text in texts {
            assert_eq!(mask(TOKEN, &text), "a *** b", "{text}");
        }
        assert_eq!(mask(TOKEN, "nothing of it"), "nothing of it");
    }

    #[test]
    fn long_pieces_are_hidden() {
        for cut in [12, 20, 39] {
            assert_eq!(mask(TOKEN, &format!("x {}…", &TOKEN[..cut])), "x ***…");
            let wrapped = format!("{}\n  {}", &TOKEN[..20], &TOKEN[20..]);
            assert_eq!(mask(TOKEN, &wrapped), "***\n  ***");
        }
    }

    #[test]
    fn words_are_hidden_in_addresses_only() {
        let text = "postgres://postgres:postgres@postgres/postgres";
        assert_eq!(mask("postgres", text), "postgres://postgres***postgres/postgres");
        assert_eq!(mask("1234", "line 1234, u:1234@h"), "line 1234, u***h");
        assert_eq!(mask("hunter2", "a hunter2 b"), "a *** b");
        // The marker of a comment, a key of a report, a state of GitHub: requests and reports do not work without them.
        for word in ["mig-ci", "MIG_CI", "not_run", "duration_ms", "in_progress", "uration_m"] {
            let text = format!("<!-- mig-ci:comment --> {word} postgres://u:{word}@h");
            let masked = mask(word, &text);
            assert_eq!(masked, text.replace(&format!(":{word}@"), "***"), "{word}");
        }
    }

    #[test]
    fn a_key_of_several_lines_is_hidden_line_by_line() {
        let key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\nabcdefghij0123456\n-----END KEY-----";
        let text = mask(key, "x MIIEpAIBAAKCAQEA7 y\n----------------");
        assert_eq!(text, "x *** y\n----------------");
    }

    #[test]
    fn text_in_other_scripts_is_unchanged() {
        assert_eq!(
            mask("geheimnis-ÄÖÜ-und-noch-mehr", "ä geheimnis-ÄÖÜ-und-noch-mehr ö"),
            "ä *** ö"
        );
        assert_eq!(mask(TOKEN, "ÄÖÜäöüßÄÖÜäöüß"), "ÄÖÜäöüßÄÖÜäöüß");
    }
}
