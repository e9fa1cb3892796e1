//! A type name is unique in the crate, so that a search for it finds one definition.

use std::collections::BTreeMap;

use super::sources;

/// The data structures of reports are named after their content.
const REPORTS: [&str; 4] = [
    "report/verify/v1.rs",
    "report/upgrade/mod.rs",
    "report/status/mod.rs",
    "report/tenants/mod.rs",
];

#[test]
fn type_names_are_unique() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        if REPORTS.contains(&source.path.as_str()) {
            continue;
        }
        for name in source.types {
            places.entry(name).or_default().push(source.path.to_string());
        }
    }
    assert!(places.len() > 300, "only {} types were found", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "several types have one name: {places:#?}");
}

#[test]
fn the_exempt_report_files_exist() {
    let sources = sources();
    for path in REPORTS {
        assert!(sources.iter().any(|source| source.path == path), "src/{path} is gone");
    }
}
