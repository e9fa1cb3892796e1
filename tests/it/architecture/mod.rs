//! The structure of the source: dependencies between modules, and the form of files. `src/lib.rs` describes it; these tests
//! enforce it.

mod cycles;
mod impls;
mod names;
mod retries;

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Macro, UseTree};

/// Modules that work without a server: pure functions over plain data. Each may use those before it and those in its own
/// line.
const CORE: [&[&str]; 3] =
    [&["model"], &["sql", "secrets"], &["formats", "checks", "report", "replay::plan"]];

/// Crates and modules that only the outer modules may use.
const OUTSIDE: [&str; 7] =
    ["octocrab", "sqlx", "std::env", "std::fs", "std::process", "testcontainers", "tokio"];

/// The outermost modules, in order: each may use all others, but only later ones may use it.
const TOP: [&str; 7] = ["project", "verify", "upgrade", "status", "github_action", "cli", "main"];

/// The maximum number of lines before the tests.
const LONGEST: usize = 300;

/// Longer files, with the reason. An unneeded entry fails, too.
const LONGER: [(&str, &str); 5] = [
    (
        "report/verify/v1.rs",
        "one frozen schema: a flat list of fields that is read from top to bottom",
    ),
    ("status/tenant_status.rs", "one command, from its request to its report"),
    ("upgrade/rollout/coordinator.rs", "the order of one database's tracks, tenants and pools"),
    ("upgrade/session/worker_session.rs", "all states of one session and what changes them"),
    ("upgrade/track/directed_track.rs", "up, down and the rollback of a run are decided here"),
];

/// A file of `src`.
struct Source {
    /// Relative to `src`.
    path: Utf8PathBuf,
    text: String,
    /// The paths that it uses outside of tests: `crate::model::Files`, `std::fs::read`.
    uses: BTreeSet<String>,
    /// The modules that it declares for tests only: `#[cfg(test)] mod testing;`.
    test_files: Vec<String>,
    /// Names that its `use` lines bring into it, with their paths. Files below it reach private ones too.
    names: Vec<(String, String)>,
    /// The types that it defines outside of tests.
    types: Vec<String>,
    /// Types of which it has an `impl` block that is not a trait's, outside of tests.
    impls: Vec<String>,
}

#[test]
fn core_modules_do_no_io_and_import_no_outer_modules() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(level) =
            CORE.iter().position(|modules| modules.iter().any(|module| source.is_in(module)))
        else {
            continue;
        };
        let allowed: Vec<&str> = CORE[..=level].concat();
        for used in &source.uses {
            let outside = OUTSIDE.iter().any(|name| begins(used, name));
            let ours = used.strip_prefix("crate::").filter(|ours| {
                let own = source.is_in(ours.split("::").next().unwrap_or_default());
                !own && !allowed.iter().any(|module| begins(ours, module))
            });
            if outside || ours.is_some() {
                wrong.push(format!("src/{} uses {used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "core modules must not:\n{}", wrong.join("\n"));
}

#[test]
fn the_model_imports_no_other_module() {
    for source in sources().iter().filter(|source| source.is_in("model")) {
        let ours = source
            .uses
            .iter()
            .find(|used| used.strip_prefix("crate::").is_some_and(|ours| !begins(ours, "model")));
        assert_eq!(ours, None, "src/{}", source.path);
    }
}

#[test]
fn no_module_imports_an_outer_module() {
    for source in sources() {
        // `lib.rs` calls the command line; `main.rs` calls the library.
        let level = TOP.iter().position(|top| source.is_in(top));
        if source.path == "lib.rs" {
            continue;
        }
        let above = &TOP[level.map_or(0, |level| level + 1)..];
        for used in &source.uses {
            let up = above.iter().find(|top| begins(used, &format!("crate::{top}")));
            assert_eq!(up, None, "src/{} uses {used}", source.path);
        }
    }
}

/// Data for GitHub come from the report; data from GitHub are passed on as values of the model. The pauses between requests
/// are a policy like any other.
#[test]
fn github_imports_only_the_model_and_the_report() {
    let sources = sources();
    let github: Vec<_> = sources.iter().filter(|source| source.is_in("github")).collect();
    assert!(!github.is_empty());
    for source in github {
        let other = source.uses.iter().find(|used| {
            let ours = used.strip_prefix("crate::");
            ours.is_some_and(|ours| {
                !["github", "model", "report", "retry", "secrets"]
                    .iter()
                    .any(|module| begins(ours, module))
            })
        });
        assert_eq!(other, None, "src/{}", source.path);
    }
}

#[test]
fn only_one_file_runs_git() {
    let git = |source: &&Source| source.path == "source/git.rs";
    let sources = sources();
    assert!(sources.iter().any(|source| git(&source)));
    for source in sources.iter().filter(|source| source.is_in("source") && !git(source)) {
        let process = source.uses.iter().find(|used| used.contains("process::"));
        assert_eq!(process, None, "src/{}", source.path);
    }
}

#[test]
fn each_file_starts_with_a_module_comment() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "src/{} does not begin with //!", source.path);
    }
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    let mut excused = BTreeSet::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let tests = source.text.find("#[cfg(test)]\nmod tests {");
        let lines = tests.map_or(lines, |tests| source.text[..tests].lines().count());
        if lines <= LONGEST {
            continue;
        }
        if LONGER.iter().any(|(path, _)| source.path == *path) {
            excused.insert(source.path);
        } else {
            long.push(format!("src/{}: {lines} lines before its tests", source.path));
        }
    }
    assert!(long.is_empty(), "over {LONGEST}; split them by what they do:\n{}", long.join("\n"));
    for (path, reason) in LONGER {
        assert!(excused.contains(Utf8Path::new(path)), "no longer needed: {path} ({reason})");
    }
}

impl Source {
    /// `replay::plan` is `replay/plan.rs` and everything in `replay/plan/`.
    fn is_in(&self, module: &str) -> bool {
        let module = module.replace("::", "/");
        self.path.starts_with(&module) || self.path == format!("{module}.rs")
    }
}

/// Whether a path equals this one, or starts with it.
fn begins(path: &str, with: &str) -> bool {
    path.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn sources() -> Vec<Source> {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    assert!(paths.len() > 10, "only {paths:?}");
    let read = |path: Utf8PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let relative = path.strip_prefix(&root).unwrap().to_owned();
        let Collector { found: uses, test_files, names, types, impls, .. } =
            collect(&relative, &text);
        Source { path: relative, text, uses, test_files, names, types, impls }
    };
    let sources: Vec<Source> = paths.into_iter().map(read).collect();
    let for_tests: Vec<String> =
        sources.iter().flat_map(|source| source.test_files.clone()).collect();
    let is_for_tests = |source: &Source| {
        let module = module_of(&source.path).join("::");
        // A module for tests has its own modules below it.
        for_tests.iter().any(|tests| begins(&module, tests))
    };
    sources.into_iter().filter(|source| !is_for_tests(source)).collect()
}

fn walk(folder: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension() == Some("rs") {
            found.push(path);
        }
    }
}

fn collect(path: &Utf8Path, text: &str) -> Collector {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
    let mut collector = Collector { module: module_of(path), ..Collector::default() };
    collector.visit_file(&file);
    collector
}

/// The module path of a file: `replay::plan` for `replay/plan.rs` and `replay/plan/mod.rs`.
fn module_of(path: &Utf8Path) -> Vec<String> {
    let stem = path.with_extension("");
    let parts = stem.components().map(|part| part.as_str().to_owned());
    parts.filter(|part| !["mod", "lib", "main"].contains(&part.as_str())).collect()
}

/// Collects paths outside of tests, with `self::` and `super::` resolved to `crate::…`.
#[derive(Default)]
struct Collector {
    module: Vec<String>,
    found: BTreeSet<String>,
    test_files: Vec<String>,
    names: Vec<(String, String)>,
    types: Vec<String>,
    impls: Vec<String>,
}

impl Collector {
    fn add(&mut self, parts: &[String]) {
        let path = self.absolute(parts);
        self.found.insert(path);
    }

    /// Resolves `self::…` and `super::…` to `crate::…`.
    fn absolute(&self, parts: &[String]) -> String {
        let own = usize::from(parts.len() > 1 && parts[0] == "self");
        let supers = parts[own..].iter().take_while(|part| *part == "super").count();
        let mut whole = Vec::new();
        if own + supers > 0 {
            whole.push("crate".to_owned());
            let kept = self.module.len().saturating_sub(supers);
            whole.extend_from_slice(&self.module[..kept]);
        }
        whole.extend_from_slice(&parts[own + supers..]);
        whole.join("::")
    }

    fn add_names(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(path) => return self.add_names(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_names(tree, before));
            }
            UseTree::Name(name) => (&name.ident, with(&name.ident)),
            UseTree::Rename(name) => (&name.rename, with(&name.ident)),
            UseTree::Glob(_) => return,
        };
        let path = self.absolute(&path);
        self.names.push((name.to_string(), path));
    }

    fn add_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(name) => self.add(&with(&name.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_tree(tree, before))
            }
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            self.types.extend(type_name(item));
            self.impls.extend(inherent_impl(item));
            visit::visit_item(self, item);
        } else if let Item::Mod(item) = item
            && item.content.is_none()
        {
            let module = [&self.module[..], &[item.ident.to_string()]].concat();
            self.test_files.push(module.join("::"));
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&item.tree, &[]);
        self.add_names(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&parts);
        visit::visit_path(self, path);
    }

    /// The tokens of a macro are not parsed; they are searched for paths.
    fn visit_macro(&mut self, item: &'ast Macro) {
        visit::visit_macro(self, item);
        let text = item.tokens.to_string().replace(" :: ", "::");
        for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            if word.contains("::") {
                let parts: Vec<String> = word.split("::").map(str::to_owned).collect();
                self.add(&parts);
            }
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        list.is_ok_and(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

/// The name of the type that an item defines.
fn type_name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Struct(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// The name of the type of an `impl` block without a trait.
fn inherent_impl(item: &Item) -> Option<String> {
    let Item::Impl(item) = item else { return None };
    let syn::Type::Path(path) = &*item.self_ty else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    item.trait_.is_none().then_some(name)
}

/// The attributes of items that can contain tests.
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

#[test]
fn paths_are_found_in_all_positions() {
    let text = "
        use std::{fmt, fs::{self, File}};
        use super::super::edge::*;
        use super::near as n;
        use self::below::Thing;
        fn f() -> tokio::task::Id { vec![crate::cli::run()]; sqlx::query!(\"x\") }
        #[cfg(test)]
        mod tests { use std::env; }
        #[cfg(test)]
        mod testing;
    ";
    let Collector { found, test_files, .. } = collect("replay/plan.rs".into(), text);
    assert_eq!(test_files, ["replay::plan::testing"]);
    for path in [
        "std::fs::File",
        "std::fmt",
        "crate::edge",
        "crate::replay::near",
        "crate::cli::run",
        "crate::replay::plan::below::Thing",
    ] {
        assert!(found.contains(path), "{path} in {found:?}");
    }
    assert!(found.iter().any(|path| begins(path, "tokio")));
    assert!(found.iter().any(|path| begins(path, "sqlx")));
    assert!(!found.iter().any(|path| begins(path, "std::env")));
}
