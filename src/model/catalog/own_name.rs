//! The name of a tenant's schema (or database) in texts that PostgreSQL does not render: function bodies, comments, arguments,
//! data in defaults, and names derived from it.
//!
//! One tenant is not sufficient to decide whether such a text means the schema or is equal by chance. Two tenants are: if both
//! have their own name at the same position, the name means the tenant; if both have the same text, it is equal, even if it
//! contains a name; everything else is a difference.
//!
//! Whether an identifier has quotes depends on the name in it (`acme_idx`, `"we ird_idx"`), so double quotes are ignored, but
//! not their contents. A name with a backslash is not recognised in a string: PostgreSQL writes it there as `E'…'`, with each
//! backslash doubled.

use std::borrow::Cow;

/// Placeholder for the own name.
const OWN_NAME: &str = "{schema}";

/// `text` with a placeholder for each own name: equal for most texts that differ only in the name.
pub(super) fn without_own_name<'t>(text: &'t str, own: &str) -> Cow<'t, str> {
    let (forms, bare) = (forms(own), without_quotes(text));
    if !forms.iter().any(|form| bare.contains(form.as_str())) {
        return Cow::Borrowed(text);
    }
    let text = &*bare;
    let mut made = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        if let Some(length) = own_name_at(text, at, &forms) {
            made.push_str(OWN_NAME);
            at += length;
        } else {
            made.push(next);
            at += next.len_utf8();
        }
    }
    Cow::Owned(made)
}

/// Whether the two texts are equal if positions at which both have their own names are ignored.
pub(super) fn same_but_for_names(left: (&str, &str), right: (&str, &str)) -> bool {
    let ((left, left_own), (right, right_own)) = (left, right);
    if left == right {
        return true;
    }
    let (left_forms, right_forms) = (forms(left_own), forms(right_own));
    let (left, right) = (without_quotes(left), without_quotes(right));
    let (left, right) = (&*left, &*right);
    let (mut at, mut other) = (0, 0);
    loop {
        let own = own_name_at(left, at, &left_forms).zip(own_name_at(right, other, &right_forms));
        if let Some((length, other_length)) = own {
            (at, other) = (at + length, other + other_length);
            continue;
        }
        match (left[at..].chars().next(), right[other..].chars().next()) {
            (None, None) => return true,
            (one, two) if one != two => return false,
            (one, _) => {
                let length = one.map_or(0, char::len_utf8);
                (at, other) = (at + length, other + length);
            }
        }
    }
}

/// The spellings of the name, the longest first: escaped as in a string, and literal.
fn forms(own: &str) -> Vec<String> {
    let own = without_quotes(own).into_owned();
    if own.is_empty() {
        return Vec::new();
    }
    let mut forms = vec![own.replace('\'', "''"), own];
    forms.dedup();
    forms
}

fn without_quotes(text: &str) -> Cow<'_, str> {
    if text.contains('"') { text.replace('"', "").into() } else { text.into() }
}

/// The length in bytes of the own name at byte `at`, if it is not part of a longer word. An underscore bounds words, because
/// names are combined with it.
fn own_name_at(text: &str, at: usize, forms: &[String]) -> Option<usize> {
    let goes_on = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    if forms.is_empty() || goes_on(text[..at].chars().next_back()) {
        return None;
    }
    let form = forms.iter().find(|form| {
        text[at..].starts_with(form.as_str()) && !goes_on(text[at + form.len()..].chars().next())
    })?;
    Some(form.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_own_name_is_replaced_as_a_word() {
        for (text, expected) in [
            ("SELECT * FROM acme.t", "SELECT * FROM {schema}.t"),
            ("SELECT * FROM \"acme\".t", "SELECT * FROM {schema}.t"),
            ("acme_idx", "{schema}_idx"),
            ("'acme'::text", "'{schema}'::text"),
            ("acmes macme acme1", "acmes macme acme1"),
            ("", ""),
            ("\"x\"", "\"x\""),
        ] {
            assert_eq!(without_own_name(text, "acme"), expected);
        }
        assert_eq!(without_own_name("\"It's\".t 'It''s'", "It's"), "{schema}.t '{schema}'");
        assert_eq!(without_own_name("\"a\"\"b_idx\"", "a\"b"), "{schema}_idx");
        assert_eq!(without_own_name("x", ""), "x");
    }

    #[test]
    fn own_names_at_the_same_position_are_equal() {
        let same = |one: &str, two: &str| same_but_for_names((one, "acme"), (two, "beta"));
        assert!(same("acme.t", "beta.t"));
        assert!(same("\"acme\".t", "beta.t"));
        assert!(same("acme", "acme"), "the same data");
        assert!(same("beta", "beta"), "the same data");
        assert!(!same("beta.t", "beta.u"));
        assert!(!same("beta.t", "acme.t"), "each contains the other's name");
        assert!(!same("acme.t", "gamma.t"));
        assert!(!same("acme", "x"));
        assert!(!same("acme.t acme.u", "beta.t"));
    }

    /// A tenant whose name equals a word of SQL, or of the data.
    #[test]
    fn equal_data_that_contains_a_name_is_no_difference() {
        let same = |one: &str, two: &str| same_but_for_names((one, "users"), (two, "acme"));
        assert!(same("SELECT users.id FROM users.users", "SELECT users.id FROM acme.users"));
        assert!(!same("SELECT users.id FROM users.users", "SELECT acme.id FROM acme.people"));
    }

    proptest! {
        #[test]
        fn texts_of_one_template_are_equal_for_any_two_names(
            one in "[a-zé_$][a-zé\"'_$. ]{0,7}",
            two in "[a-zé_$][a-zé\"'_$. ]{0,7}",
            parts in proptest::collection::vec(0..5_usize, 0..8),
        ) {
            let text = |own: &str| -> String {
                parts.iter().map(|part| match part {
                    0 => format!("\"{}_x\".t ", own.replace('"', "\"\"")),
                    1 => format!("'{}' ", own.replace('\'', "''")),
                    2 => "7 ".to_owned(),
                    3 => "(X) ".to_owned(),
                    _ => "; ".to_owned(),
                }).collect()
            };
            prop_assert!(same_but_for_names((&text(&one), &one), (&text(&two), &two)));
        }

        #[test]
        fn a_text_equals_itself(text in "(?s).{0,40}", one in ".{0,5}", two in ".{0,5}") {
            prop_assert!(same_but_for_names((&text, &one), (&text, &two)));
        }
    }
}
