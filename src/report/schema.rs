//! The JSON Schema of the report, for those who read it by machine.

use super::v1::Report;

/// The schema, as committed in `docs/report.schema.json`.
pub(crate) fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Report))
        .expect("internal error: a schema is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MIG_CI_BLESS=1` writes the file anew.
    #[test]
    fn the_committed_schema_is_the_present_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
        if std::env::var_os("MIG_CI_BLESS").is_some() {
            std::fs::write(path, schema()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap() == schema(),
            "docs/report.schema.json is stale: `MIG_CI_BLESS=1 cargo test report::schema` writes it anew"
        );
    }
}
