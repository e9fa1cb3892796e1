//! Quotes names and values for SQL text. Every identifier that mig-ci writes is quoted here.

/// `"name"`, with inner quotes doubled. Always quoted, so that reserved words, capitals and non-ASCII letters need no list.
///
/// # Panics
/// On a NUL character, which no identifier can contain; `model::check_identifier` checks names earlier.
pub(crate) fn quote_identifier(name: &str) -> String {
    assert!(!name.contains('\0'), "internal error: NUL in the identifier {name:?}");
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `'text'`, correct under either setting of `standard_conforming_strings`: with a backslash it becomes `E'…'`.
pub(crate) fn quote_literal(text: &str) -> String {
    let quotes = text.replace('\'', "''");
    if quotes.contains('\\') {
        format!("E'{}'", quotes.replace('\\', "\\\\"))
    } else {
        format!("'{quotes}'")
    }
}

/// Bytes as an SQL expression of type `bytea`, correct under any setting.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    format!("decode('{digits}', 'hex')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_with_any_content_round_trip() {
        assert_eq!(quote_identifier("select"), "\"select\"");
        assert_eq!(quote_identifier("We'ird-\"Ténant\""), "\"We'ird-\"\"Ténant\"\"\"");
    }

    #[test]
    fn literals_do_not_depend_on_a_setting() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\'"), "E'a\\\\'''");
    }

    #[test]
    fn bytes_become_digits() {
        assert_eq!(quote_bytes(&[0, 0xab]), "decode('00ab', 'hex')");
    }
}
