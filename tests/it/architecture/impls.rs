//! The methods of a type are in at most two files, so that a reader finds all of them.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use super::{Source, collect, sources};

const MOST_FILES: usize = 2;

#[test]
fn the_methods_of_a_type_are_in_at_most_two_files() {
    let found = files_with_impls(&sources());
    assert!(found.len() > 150, "only {} types were found", found.len());
    let scattered: Vec<_> = found.iter().filter(|(_, files)| files.len() > MOST_FILES).collect();
    assert!(
        scattered.is_empty(),
        "methods in more than {MOST_FILES} files; split the type, or use functions: {scattered:#?}"
    );
}

/// For each type, the files with an `impl` block that is not a trait's.
fn files_with_impls(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let definitions = |name: &str| {
        sources.iter().filter(|source| source.types.iter().any(|one| one == name)).count()
    };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        for name in &source.impls {
            // Reports have types of the same name, each in its own folder.
            let folder = source.path.parent().filter(|_| definitions(name) > 1);
            let key = folder.map_or_else(|| name.clone(), |folder| format!("{folder}: {name}"));
            found.entry(key).or_default().insert(source.path.to_string());
        }
    }
    found
}

#[test]
fn impl_blocks_are_found_by_their_type() {
    let text = "
        impl<'a> Thing<'a> { fn f() {} }
        impl crate::other::Elsewhere { fn f() {} }
        impl Clone for Copied { fn clone(&self) -> Self { todo!() } }
        #[cfg(test)]
        impl OnlyTests { fn f() {} }
    ";
    let collected = collect(Utf8Path::new("a.rs"), text);
    assert_eq!(collected.impls, ["Thing", "Elsewhere"]);
}
