//! The one way in which names and values become SQL text. Every identifier that mig-ci writes goes through here.

/// `"name"`, with inner quotes doubled. Always quoted: reserved words, capitals and non-ASCII letters need no list.
///
/// # Panics
/// On a NUL character, which no identifier can hold; names are checked long before (`model::check_identifier`).
pub(crate) fn quote_identifier(name: &str) -> String {
    assert!(!name.contains('\0'), "internal error: NUL in the identifier {name:?}");
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `'text'`, right under either setting of `standard_conforming_strings`: with a backslash it becomes `E'…'`.
pub(crate) fn quote_literal(text: &str) -> String {
    let quotes = text.replace('\'', "''");
    if quotes.contains('\\') {
        format!("E'{}'", quotes.replace('\\', "\\\\"))
    } else {
        format!("'{quotes}'")
    }
}

/// Bytes as an SQL expression of type `bytea`, right under any setting.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    format!("decode('{digits}', 'hex')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_survive_whatever_they_hold() {
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
