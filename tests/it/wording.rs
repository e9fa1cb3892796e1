//! The wording of all user-visible texts: plain technical English. Non-standard words are rejected.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use regex::{Regex, RegexBuilder};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Lit, Macro, Meta};

use crate::common::project;

/// Case-insensitive patterns, and the suggested replacements.
const REJECTED: &[(&str, &str)] = &[
    (r"\b(who|what|whom)ever\b", "name the thing"),
    (r"\b(no|some|any)body\b", "no one, or the passive voice"),
    (r"\bbesides\b", "also, in addition to"),
    (r"\bmend(s|ed|ing)?\b", "fix"),
    (r"\bof ours\b", "name the owner"),
    (r"\b(pass(es|ed)?) over\b", "skip"),
    (r"\bleft out here\b", "omitted"),
    (r"\bwithout a word\b", "silently"),
    (r"\bnothing is known\b", "no result"),
    (r"\b(is|are) there already\b", "already exists"),
    (r"\b(is|are|was|were) not understood\b", "is invalid"),
    (r"\bcannot be had\b", "cannot be read, is not available"),
    (r"\bfor ever\b", "without a limit"),
    (r"\bcome(s)? to (its|their) end\b", "end"),
    (r"\bgo(es)? on with\b", "continue with"),
    (r"\bmake(s)? (it )?anew\b", "create again"),
    (r"\bof (its|their) own accord\b", "by itself"),
];

fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Rejected(Vec<(Regex, &'static str)>);

impl Rejected {
    fn new() -> Self {
        let rule = |&(pattern, better): &(&str, &'static str)| {
            (RegexBuilder::new(pattern).case_insensitive(true).build().unwrap(), better)
        };
        Self(REJECTED.iter().map(rule).collect())
    }

    /// The violations of a text, with their locations. Code between backquotes is exempt: the user `nobody`.
    fn find(&self, location: &str, text: &str) -> Vec<String> {
        let code = Regex::new(r#"`[^`\n]*`|^"?nobody"?$"#).unwrap();
        let prose = code.replace_all(text, "``");
        let rejected = self.0.iter();
        let found = rejected.flat_map(|(rule, better)| {
            rule.find_iter(&prose).map(move |found| (found.range(), better))
        });
        let found = found.map(|(range, better)| {
            let from = prose[..range.start].char_indices().rev().nth(40).map_or(0, |(at, _)| at);
            let context = prose[from..range.end].replace('\n', " ");
            format!("{location}: …{context}: write {better}")
        });
        found.collect()
    }
}

#[test]
fn help_uses_standard_terms() {
    let rejected = Rejected::new();
    let nowhere = project();
    let all = nowhere.mig_ci(["--help"]).run().success().stdout;
    let command = Regex::new(r"(?m)^  ([a-z]+)  ").unwrap();
    let commands: Vec<_> = command.captures_iter(&all).map(|found| found[1].to_owned()).collect();
    assert!(commands.len() > 12, "{commands:?}");
    let mut found = rejected.find("mig-ci --help", &all);
    for name in commands.iter().map(String::as_str).chain(["action"]).filter(|name| *name != "help")
    {
        let help = nowhere.mig_ci([name, "--help"]).run().success().stdout;
        found.extend(rejected.find(&format!("mig-ci {name} --help"), &help));
        assert!(help.contains("\nGlobal options:\n"), "{name}: {help}");
        assert!(!help.contains("\nOptions:\n"), "{name} has an option without a heading: {help}");
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn texts_of_the_program_use_standard_terms() {
    let rejected = Rejected::new();
    let mut found = Vec::new();
    let mut seen = 0;
    let is_test = Regex::new(r"(^|/|_)(tests?|testing|test_fixtures|samples)(/|\.rs|_)").unwrap();
    for path in files("src", "rs") {
        let relative = path.strip_prefix(root()).unwrap();
        if is_test.is_match(relative.as_str()) && !relative.starts_with("src/samples") {
            continue;
        }
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut texts = Texts::default();
        texts.visit_file(&file);
        seen += texts.0.len();
        let of = |text: &String| rejected.find(relative.as_str(), text);
        found.extend(texts.0.iter().flat_map(of));
    }
    assert!(seen > 1_000, "{seen}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn documents_use_standard_terms() {
    let rejected = Rejected::new();
    let mut paths = files("docs", "md");
    paths.extend(files("docs", "json"));
    let more = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "action.yml", "mig-ci.toml"];
    paths.extend(more.map(|name| root().join(name)));
    paths.push(root().join("src/config/mig-ci.example.toml"));
    assert!(paths.len() > 35, "{paths:?}");
    let text = |path: &Utf8PathBuf| fs::read_to_string(path).unwrap();
    let found: Vec<_> =
        paths.iter().flat_map(|path| rejected.find(path.as_str(), &text(path))).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn rejected_words_are_found() {
    let rejected = Rejected::new();
    let text = |text: &str| rejected.find("here", text).len();
    assert_eq!(text("Whoever mends it,\nand nobody besides"), 4);
    assert_eq!(text("as the user `nobody`, recommended amendments"), 0);
    let mut texts = Texts::default();
    texts.visit_file(
        &syn::parse_file(
            "/// whoever\n#[error(\"in an attribute\")] enum E {}\n\
             fn f() { format!(\"in {a} macro\", g(\"nested\")); h(\"plain\") }\n\
             #[cfg(test)] mod tests { const T: &str = \"of a test\"; }",
        )
        .unwrap(),
    );
    assert_eq!(texts.0.len(), 3, "{:?}", texts.0);
    for part in ["in an attribute", "nested", "plain"] {
        assert!(texts.0.iter().any(|text| text.contains(part)), "{part}: {:?}", texts.0);
    }
}

fn files(folder: &str, extension: &str) -> Vec<Utf8PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The string literals of a file, without its tests and its doc comments.
#[derive(Default)]
struct Texts(Vec<String>);

impl<'ast> Visit<'ast> for Texts {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_lit(&mut self, literal: &'ast Lit) {
        if let Lit::Str(text) = literal {
            self.0.push(text.value());
        }
    }

    /// The tokens of a macro are not parsed: all of them are one text.
    fn visit_macro(&mut self, item: &'ast Macro) {
        self.0.push(item.tokens.to_string());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.0.push(list.tokens.to_string());
        }
    }
}

fn is_test(attribute: &Attribute) -> bool {
    let list = attribute.meta.require_list();
    list.is_ok_and(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}
