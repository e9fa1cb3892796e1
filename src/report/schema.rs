//! The JSON Schemas of the reports.

use schemars::Schema;

use super::verify::v1;
use super::{status, tenants, upgrade};

/// A kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Described {
    Verify,
    Upgrade,
    Status,
    Tenants,
}

/// The schema, as committed in `docs/`.
pub(crate) fn schema(of: Described) -> String {
    let schema: Schema = match of {
        Described::Verify => schemars::schema_for!(v1::Report),
        Described::Upgrade => schemars::schema_for!(upgrade::Report),
        Described::Status => schemars::schema_for!(status::Report),
        Described::Tenants => schemars::schema_for!(tenants::Report),
    };
    let mut text = serde_json::to_string_pretty(&schema).expect("internal error: a schema is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MIG_CI_BLESS=1` rewrites the files.
    #[test]
    fn the_committed_schemas_are_up_to_date() {
        for (of, name) in [
            (Described::Verify, "report"),
            (Described::Upgrade, "upgrade"),
            (Described::Status, "status"),
            (Described::Tenants, "tenants"),
        ] {
            let path = format!("{}/docs/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("MIG_CI_BLESS").is_some() {
                std::fs::write(&path, schema(of)).unwrap();
            }
            assert!(
                std::fs::read_to_string(&path).unwrap_or_default() == schema(of),
                "{path} is stale: `MIG_CI_BLESS=1 cargo test report::schema` writes it anew"
            );
        }
    }

    /// A password that equals a key, or a value that a program compares with, must not mask it.
    #[test]
    fn words_of_a_report_are_not_masked() {
        fn words(value: &serde_json::Value, found: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(fields) => {
                    for (name, inner) in fields {
                        match name.as_str() {
                            "properties" => {
                                found.extend(inner.as_object().unwrap().keys().cloned())
                            }
                            "const" => found.extend(inner.as_str().map(str::to_owned)),
                            "enum" => {
                                let all = inner.as_array().unwrap().iter();
                                found.extend(all.filter_map(|one| Some(one.as_str()?.to_owned())));
                            }
                            _ => {}
                        }
                        words(inner, found);
                    }
                }
                serde_json::Value::Array(items) => items.iter().for_each(|item| words(item, found)),
                _ => {}
            }
        }
        let mut found: Vec<String> =
            crate::checks::all_meta().map(|meta| meta.code.to_owned()).collect();
        for of in [Described::Verify, Described::Upgrade, Described::Status, Described::Tenants] {
            words(&serde_json::from_str(&schema(of)).unwrap(), &mut found);
        }
        assert!(found.len() > 100, "{found:?}");
        let masked: Vec<_> = found.iter().filter(|word| !crate::secrets::is_word(word)).collect();
        assert!(masked.is_empty(), "src/secrets/vocabulary.rs lacks {masked:?}");
    }
}
