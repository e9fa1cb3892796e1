//! Modules have no import cycles, so that they can be read from the bottom up. Imports between a `mod.rs` and the files
//! below it are exempt, since a `mod.rs` declares and re-exports them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, module_of, sources};

#[test]
fn modules_have_no_import_cycles() {
    let imports = imports(&sources());
    let found = cycles(&imports);
    let shown: Vec<String> = found.iter().map(|cycle| edges(cycle, &imports)).collect();
    assert!(shown.is_empty(), "files that import each other:\n{}", shown.join("\n"));
}

/// The imports of a cycle, one in each line.
fn edges(cycle: &[String], imports: &Imports) -> String {
    let from = |file: &String| {
        let to = cycle.iter().filter(|to| imports[file].contains(*to));
        to.map(|to| format!("  {file} -> {to}\n")).collect::<String>()
    };
    cycle.iter().map(from).collect()
}

type Imports = BTreeMap<String, BTreeSet<String>>;

/// For each module that is a file: the modules whose items it imports.
fn imports(sources: &[Source]) -> Imports {
    let modules: BTreeSet<String> =
        sources.iter().map(|source| module_of(&source.path).join("::")).collect();
    let mut handed_on = BTreeMap::new();
    for source in sources {
        let module = module_of(&source.path).join("::");
        for (name, path) in &source.names {
            // A path without `crate::` starts at a module below, or at another crate.
            let inside = join(&module, path);
            let path = path.strip_prefix("crate::").unwrap_or(&inside).to_owned();
            handed_on.insert(join(&module, name), path);
        }
    }
    let mut imports = Imports::new();
    for source in sources {
        let module = module_of(&source.path).join("::");
        let ours = source.uses.iter().filter_map(|path| path.strip_prefix("crate::"));
        let found = ours.filter_map(|path| home_of(path, &modules, &handed_on));
        let found = found.filter(|home| !is_family(home, &module));
        imports.insert(module.clone(), found.collect());
    }
    imports
}

/// The module that defines the item of a path.
fn home_of(
    path: &str,
    modules: &BTreeSet<String>,
    handed_on: &BTreeMap<String, String>,
) -> Option<String> {
    let mut path = path.to_owned();
    for _ in 0..8 {
        let next = prefixes(&path).find_map(|(start, rest)| {
            let to = handed_on.get(start).filter(|to| *to != start)?;
            Some(join(to, rest))
        });
        match next {
            Some(next) if next != path => path = next,
            _ => break,
        }
    }
    prefixes(&path)
        .map(|(start, _)| start)
        .find(|start| modules.contains(*start))
        .map(str::to_owned)
}

/// The prefixes of a path, longest first, each with the rest.
fn prefixes(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = std::iter::once(path.len()).chain(path.rmatch_indices("::").map(|(at, _)| at));
    ends.map(|end| (&path[..end], path[end..].trim_start_matches("::")))
}

fn join(start: &str, rest: &str) -> String {
    match (start.is_empty(), rest.is_empty()) {
        (true, _) => rest.to_owned(),
        (_, true) => start.to_owned(),
        _ => format!("{start}::{rest}"),
    }
}

/// One module contains the other, or both are the same.
fn is_family(one: &str, other: &str) -> bool {
    let is_in = |inner: &str, outer: &str| {
        outer.is_empty()
            || inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    is_in(one, other) || is_in(other, one)
}

/// The sets of modules that can reach each other.
fn cycles(imports: &Imports) -> BTreeSet<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        imports.keys().map(|from| (from, reachable(imports, from))).collect();
    let mut found = BTreeSet::new();
    for (from, to) in &reach {
        let cycle: Vec<String> =
            to.iter().filter(|to| reach[*to].contains(from)).map(|to| (*to).clone()).collect();
        if !cycle.is_empty() {
            found.insert(cycle);
        }
    }
    found
}

fn reachable<'i>(imports: &'i Imports, from: &str) -> BTreeSet<&'i String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = imports[from].iter().collect();
    while let Some(module) = open.pop() {
        if found.insert(module) {
            open.extend(imports[module].iter());
        }
    }
    found
}

#[test]
fn a_cycle_through_a_reexport_is_found() {
    let source = |path: &str, uses: &[&str], names: &[(&str, &str)]| Source {
        path: path.into(),
        text: String::new(),
        uses: uses.iter().map(|path| (*path).to_owned()).collect(),
        test_files: Vec::new(),
        names: names.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        types: Vec::new(),
        impls: Vec::new(),
    };
    let sources = [
        source("a/mod.rs", &[], &[("Thing", "one::Thing")]),
        source("a/one.rs", &["crate::b::Other", "crate::a::two::X"], &[]),
        source("a/two.rs", &["std::fs"], &[]),
        source("b.rs", &["crate::a::Thing::new"], &[]),
    ];
    let found = cycles(&imports(&sources));
    assert_eq!(found, BTreeSet::from([vec!["a::one".to_owned(), "b".to_owned()]]));
}
