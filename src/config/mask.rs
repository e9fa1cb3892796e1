//! Masks excerpts and messages: URLs with their passwords, and the values of keys that look like secrets.
//!
//! Works on text, not on values: the file with the secret may be invalid TOML, or contain `ulr` instead of `url`.

use std::ops::Range;

use super::interpolate::is_name;

/// The values of keys that contain one of these words are masked.
const SECRET_WORDS: [&str; 5] = ["url", "password", "secret", "token", "key"];

/// Replaces each masked byte, so that positions in the text do not change.
const HIDDEN: char = '*';

/// The text with all secrets masked, at the same length in bytes. `also` are additional byte ranges to mask.
pub(crate) fn mask(text: &str, also: &[Range<usize>]) -> String {
    let mut hidden: Vec<Range<usize>> = also.to_vec();
    hidden.extend(addresses(text));
    hidden.extend(secret_values(text));
    let mut masked = String::with_capacity(text.len());
    let mut kept = text;
    let mut offset = 0;
    hidden.sort_by_key(|range| range.start);
    for range in hidden {
        let start = range.start.max(offset);
        if range.end <= start {
            continue;
        }
        let (before, rest) = kept.split_at(start - offset);
        let (secret, after) = rest.split_at(range.end - start);
        masked.push_str(before);
        hide(secret, &mut masked);
        kept = after;
        offset = range.end;
    }
    masked.push_str(kept);
    masked
}

/// A message with everything that looks like an address masked: `postgres://***`.
pub(crate) fn mask_message(message: &str) -> String {
    let mut masked = String::with_capacity(message.len());
    let mut offset = 0;
    for range in addresses(message) {
        masked.push_str(&message[offset..range.start]);
        masked.push_str("***");
        offset = range.end;
    }
    masked.push_str(&message[offset..]);
    masked
}

/// The text after `://`, to the end of the word.
fn addresses(text: &str) -> Vec<Range<usize>> {
    text.match_indices("://")
        .map(|(at, separator)| {
            let start = at + separator.len();
            let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
            start..text[start..].find(ends).map_or(text.len(), |length| start + length)
        })
        .collect()
}

/// The values of assignments to keys that look like secrets.
fn secret_values(text: &str) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    for (at, _) in text.match_indices('=') {
        let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = text[line..at].trim_end();
        let key = before.rsplit([',', '{', ' ', '\t']).next().unwrap_or_default().to_lowercase();
        if SECRET_WORDS.iter().any(|word| key.contains(word)) {
            let value = at + 1 + (text[at + 1..].len() - text[at + 1..].trim_start().len());
            values.push(value..value_end(text, value));
        }
    }
    values
}

/// The end of the value that begins at `start`: its closing quote, or else the end of its line.
fn value_end(text: &str, start: usize) -> usize {
    let value = &text[start..];
    for quote in ["\"\"\"", "'''", "\"", "'"] {
        if let Some(inner) = value.strip_prefix(quote) {
            let closed = closing(inner, quote).map(|at| start + at + 2 * quote.len());
            let multiline = quote.len() == 3;
            let line = inner.find('\n').map_or(text.len(), |at| start + quote.len() + at);
            return match closed {
                Some(end) if multiline || end <= line => end,
                None if multiline => text.len(),
                _ => line,
            };
        }
    }
    value.find('\n').map_or(text.len(), |at| start + at)
}

/// The end of the quote that begins before `inner`. In a basic string, a backslash escapes the next character.
fn closing(inner: &str, quote: &str) -> Option<usize> {
    let escapes = quote.starts_with('"');
    let mut skip = false;
    inner.char_indices().find_map(|(at, c)| {
        if std::mem::take(&mut skip) {
            return None;
        }
        skip = escapes && c == '\\';
        inner[at..].starts_with(quote).then_some(at)
    })
}

/// Masks everything except quotes, line ends, and variables: `"${DATABASE_URL}"` is not a secret.
fn hide(secret: &str, masked: &mut String) {
    let mut rest = secret;
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'))
            && is_name(name)
        {
            masked.push_str(&rest[..rest.len() - after.len()]);
            rest = after;
            continue;
        }
        if matches!(c, '"' | '\'' | '\n' | '\r') {
            masked.push(c);
        } else {
            masked.extend(std::iter::repeat_n(HIDDEN, c.len_utf8()));
        }
        rest = &rest[c.len_utf8()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_masked_under_any_key() {
        insta::assert_snapshot!(mask("url = \"postgres://u:p@h/d\" # x", &[]), @r#"url = "******************" # x"#);
        insta::assert_snapshot!(mask("ulr = 'postgres://u:p@h/d'", &[]), @"ulr = 'postgres://*******'");
        insta::assert_snapshot!(
            mask("app = { url = \"host=h password=é\", order = \"x\" }", &[]),
            @r#"app = { url = "******************"**********"*"**"#
        );
    }

    #[test]
    fn values_of_secret_keys_are_masked_except_variables() {
        insta::assert_snapshot!(mask("\"app.jwt_secret\" = \"abc\"", &[]), @r#""app.jwt_secret" = "***""#);
        insta::assert_snapshot!(mask("url = \"${A}x${B:-p}\"", &[]), @r#"url = "${A}********""#);
    }

    #[test]
    fn an_unterminated_string_is_masked_to_its_end() {
        insta::assert_snapshot!(mask("url = \"abc\nnext = 1", &[]), @r#"
        url = "***
        next = 1
        "#);
        insta::assert_snapshot!(mask("url = \"\"\"abc\ndef", &[]), @r#"
        url = """***
        ***
        "#);
        assert_eq!(mask("url =", &[]), "url =");
        insta::assert_snapshot!(mask(r#"url = "a\"bc", x = 1"#, &[]), @r#"url = "**"**", x = 1"#);
        insta::assert_snapshot!(mask(r"url = 'a\', x = 1", &[]), @"url = '**', x = 1");
    }

    #[test]
    fn ranges_may_overlap_and_the_length_is_unchanged() {
        let text = "url = \"é://é\" # é";
        let masked = mask(text, &[0..9, 6..15]);
        assert_eq!(masked.len(), text.len());
        assert!(masked.ends_with("# é"));
        assert!(!masked.contains("://"));
    }

    #[test]
    fn messages_keep_only_the_scheme() {
        assert_eq!(
            mask_message("`postgres://u:p@h/d` is no provider"),
            "`postgres://***` is no provider"
        );
    }
}
