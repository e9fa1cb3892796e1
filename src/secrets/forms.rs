//! The encodings in which a secret can occur in a text: those of mig-ci (JSON, Markdown, HTML, URLs, workflow commands, SQL),
//! and those that a SQL expression produces (`encode(…, 'base64')`, `encode(…, 'hex')`, `bytea`).
//!
//! The comparison ignores case, which covers `%2F` and `%2f`, `\xAB` and `\xab`, `upper(…)` and `lower(…)`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Characters that `encodeURIComponent` and RFC 3986 do not encode.
const COMPONENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');
/// Characters that are not encoded in the password of a URL.
const USERINFO: &AsciiSet =
    &COMPONENT.remove(b'!').remove(b'$').remove(b'&').remove(b'+').remove(b',');

/// All encodings, and the secret itself.
pub(super) fn of(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([secret.to_owned()]);
    let decoded = percent_decode_str(secret).decode_utf8_lossy().into_owned();
    for plain in [secret, decoded.as_str()] {
        forms.extend([plain.to_owned(), json(plain), html(plain), markdown(plain)]);
        forms.extend([plain.replace('\'', "''"), plain.replace('"', "\"\"")]);
        forms.insert(plain.replace('%', "%25"));
        for set in [NON_ALPHANUMERIC, COMPONENT, USERINFO] {
            let encoded = utf8_percent_encode(plain, set).to_string();
            forms.insert(encoded.replace("%20", "+"));
            forms.insert(encoded.replace('%', "%25"));
            forms.insert(encoded);
        }
        forms.insert(hex::encode(plain));
        forms.extend(base64(plain));
    }
    forms.retain(|form| !form.is_empty());
    forms
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Escaped as by `report/verify/markdown/escape.rs`.
fn markdown(text: &str) -> String {
    let escape = |c: char| {
        matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$')
    };
    text.chars().flat_map(|c| escape(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Base64 of any text that contains the secret: one form for each of the three offsets, without the characters at both ends
/// that depend on the neighbours.
fn base64(text: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for offset in 0..3 {
        let bytes = [&[0; 2][..offset], text.as_bytes()].concat();
        let whole = bytes.len() / 3 * 3;
        let first = if offset == 0 { 0 } else { 3 };
        if whole < first + 3 {
            continue;
        }
        // The first group also encodes preceding bytes, except from its second character on.
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&bytes[first..whole]));
        }
        if offset == 0 {
            forms.push(STANDARD_NO_PAD.encode(&bytes));
            forms.push(URL_SAFE_NO_PAD.encode(&bytes));
        }
    }
    // A shorter form could be a word.
    forms.retain(|form| form.len() >= 8);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_at_every_offset() {
        let secret = "ghs_0123456789abcdef";
        let forms = of(secret);
        for before in ["", "x", "xy", "xyz", "x-access-token:"] {
            for after in ["", "1", "12", "123"] {
                let encoded = STANDARD_NO_PAD.encode(format!("{before}{secret}{after}"));
                assert!(forms.iter().any(|form| encoded.contains(form)), "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn encodings_of_mig_ci_are_covered() {
        let forms = of("p@s\"s'w_o&r%d");
        for form in [
            "p@s\\\"s'w_o&r%d",
            "p%40s%22s%27w_o%26r%25d",
            "p%40s%22s%27w%5Fo%26r%25d",
            "p@s\"s'w\\_o\\&r%d",
            "p@s&quot;s&#39;w_o&amp;r%d",
            "p@s\"s''w_o&r%d",
            "p@s\"s'w_o&r%25d",
            "7040732273277",
        ] {
            assert!(forms.iter().any(|known| known.starts_with(form)), "{form}: {forms:?}");
        }
        assert!(of("p%40ss").contains("p@ss"));
    }
}
