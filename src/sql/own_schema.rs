//! Replaces references to one schema in code rendered by PostgreSQL, so that the code is independent of the schema's name.
//!
//! In such code, a schema's name occurs in two positions: as an identifier before a dot, and in a string that is cast to an
//! object identifier type (`'acme.seq'::regclass`). All other strings are data. The text does not distinguish a schema from a
//! table or alias of the same name in `acme.id`, so use this only if PostgreSQL cannot omit the schema itself.

use super::words::{SqlWord, words};

/// Placeholder for the schema. PostgreSQL renders no identifier like this.
pub(crate) const OWN_SCHEMA: &str = "{schema}";

/// Types whose values contain a schema: PostgreSQL's manual, "Object Identifier Types".
const OF_OBJECTS: [&str; 10] = [
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regtype",
];

/// `code` with [`OWN_SCHEMA`] instead of each reference to `schema`.
pub(crate) fn without_own_schema(code: &str, schema: &str) -> String {
    let all: Vec<SqlWord<'_>> = words(code).collect();
    let mut made = String::with_capacity(code.len());
    let mut done = 0;
    for (at, word) in all.iter().enumerate() {
        let Some(new) = replacement(&all, at, schema) else { continue };
        made.push_str(&code[done..word.range().start]);
        made.push_str(&new);
        done = word.range().end;
    }
    made.push_str(&code[done..]);
    made
}

fn replacement(all: &[SqlWord<'_>], at: usize, schema: &str) -> Option<String> {
    let is = |at: Option<usize>, text: &str| {
        at.and_then(|at| all.get(at)).is_some_and(|word| word.text() == text)
    };
    let word = &all[at];
    if word.identifier().is_some_and(|name| name == schema) {
        let qualifies = is(Some(at + 1), ".") && !is(at.checked_sub(1), ".");
        return qualifies.then(|| OWN_SCHEMA.to_owned());
    }
    let inner = word.text().strip_prefix('\'')?.strip_suffix('\'')?;
    let cast = is(Some(at + 1), ":") && is(Some(at + 2), ":");
    let to = all.get(at + 3).filter(|_| cast)?.text();
    if !OF_OBJECTS.contains(&to) {
        return None;
    }
    let inner = inner.replace("''", "'");
    let whole = words(&inner).collect::<Vec<_>>();
    let new = match whole.as_slice() {
        [only] if to == "regnamespace" && only.identifier().is_some_and(|name| name == schema) => {
            OWN_SCHEMA.to_owned()
        }
        _ => without_own_schema(&inner, schema),
    };
    Some(format!("'{}'", new.replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::quote_identifier;

    #[test]
    fn only_references_to_the_schema_are_replaced() {
        for (code, expected) in [
            ("acme.f(x)", "{schema}.f(x)"),
            ("\"acme\".\"F\"(x)", "{schema}.\"F\"(x)"),
            ("macme.f(x.acme.y)", "macme.f(x.acme.y)"),
            ("'acme.x'::text", "'acme.x'::text"),
            ("nextval('acme.s'::regclass)", "nextval('{schema}.s'::regclass)"),
            ("'acme'::regnamespace", "'{schema}'::regnamespace"),
            ("a OPERATOR(acme.=) b", "a OPERATOR({schema}.=) b"),
            ("acme", "acme"),
            ("ACME.x", "{schema}.x"),
            ("\"ACME\".x", "\"ACME\".x"),
            ("-- acme.x", "-- acme.x"),
        ] {
            assert_eq!(without_own_schema(code, "acme"), expected, "{code}");
        }
        assert_eq!(
            without_own_schema("'\"we''ird\".s'::regclass", "we'ird"),
            "'{schema}.s'::regclass"
        );
    }

    proptest! {
        #[test]
        fn the_result_does_not_depend_on_the_name(
            one in "[^\u{0}{}]{1,20}",
            two in "[^\u{0}{}]{1,20}",
            parts in proptest::collection::vec(0..7_usize, 0..12),
        ) {
            let code = |schema: &str| -> String {
                let schema = quote_identifier(schema);
                let literal = schema.replace('\'', "''");
                parts.iter().map(|part| match part {
                    0 => format!("{schema}.t "),
                    1 => format!("nextval('{literal}.\"s q\"'::regclass) "),
                    2 => format!("a OPERATOR({schema}.+) "),
                    3 => "'some ''text''' ".to_owned(),
                    4 => "\"other \"\"schema\".t ".to_owned(),
                    5 => "E'\\\\' ".to_owned(),
                    _ => "(x <> 1) ".to_owned(),
                }).collect()
            };
            prop_assert_eq!(
                without_own_schema(&code(&one), &one),
                without_own_schema(&code(&two), &two)
            );
        }

        #[test]
        fn text_without_a_reference_is_unchanged(code in "(?s)[a-z'\".:; $\\\\(E\n-]{0,60}") {
            prop_assert_eq!(without_own_schema(&code, "Not there"), code);
        }
    }
}
