//! The JSON Schemas of the reports, for those who read them by machine.

use schemars::Schema;

use super::{status, tenants, upgrade, v1};

/// A kind of report that is described.
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

    /// `MIG_CI_BLESS=1` writes the files anew.
    #[test]
    fn the_committed_schemas_are_the_present_ones() {
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
}
