//! The documents are correct: their commands, keys, links, and the output in the README.

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;

use crate::common::{demo, project};

fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents for users and for developers.
fn documents() -> Vec<(Utf8PathBuf, String)> {
    let here = root().read_dir_utf8().unwrap();
    let docs = root().join("docs");
    let pages = docs.read_dir_utf8().unwrap().chain(docs.join("checks").read_dir_utf8().unwrap());
    let mut paths: Vec<_> = here
        .chain(pages)
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension() == Some("md"))
        .collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The code blocks of a language, without their fences. Indented blocks count, too.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, Vec<&str>)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        match (&mut open, trimmed.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim() == language, Vec::new())),
            (Some(_), Some(_)) => {
                if let Some((true, lines)) = open.take() {
                    blocks.push(lines.join("\n") + "\n");
                }
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn the_page_of_all_keys_equals_the_example_file() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let file = fs::read_to_string(root().join("src/config/mig-ci.example.toml")).unwrap();
    assert!(
        blocks(&page, "toml").contains(&file),
        "copy src/config/mig-ci.example.toml into the first block of docs/configuration.md"
    );
}

/// A path in backticks is one from the root of the repository, or the end of one below `src/`.
#[test]
fn the_files_that_the_architecture_names_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut sources = Vec::new();
    add_files(&root().join("src"), &mut sources);
    let named = Regex::new(r"`([a-z0-9_/]+\.rs)`").unwrap();
    let named: BTreeSet<&str> =
        named.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(named.len() > 50, "only {named:?}");
    let is_there =
        |name: &str| root().join(name).is_file() || sources.iter().any(|path| path.ends_with(name));
    let missing: Vec<_> = named.into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "files that do not exist: {missing:?}");
}

fn add_files(folder: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            add_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn links_have_existing_targets() {
    let link = Regex::new(r"\]\(([^)#\s]+)(#[^)\s]*)?\)").unwrap();
    for (path, text) in documents() {
        for found in link.captures_iter(&text) {
            let target = &found[1];
            let is_there = path.parent().unwrap().join(target).exists();
            assert!(target.starts_with("https://") || is_there, "{path}: {target}");
        }
    }
}

/// Every `mig-ci …` in a code block is a valid command with valid flags.
#[test]
fn commands_are_valid() {
    let nowhere = project();
    let mut seen = 0;
    for (path, text) in documents() {
        for line in
            blocks(&text, "sh").iter().chain(&blocks(&text, "console")).flat_map(|b| b.lines())
        {
            let Some((_, command)) = line.split_once("mig-ci ") else { continue };
            let command = command.split(['#', '|']).next().unwrap();
            let mut words = command.split_whitespace();
            // Prose in the shown output, such as `mig-ci 0.1.0 on PostgreSQL`.
            let Some(name) = words.next().filter(|name| name.starts_with(char::is_alphabetic))
            else {
                continue;
            };
            let help = nowhere.mig_ci(["help"]).arg(name).run().success().stdout;
            for flag in words.filter(|word| word.starts_with('-')) {
                let flag = flag.split('=').next().unwrap();
                let known = Regex::new(&format!(r"(?m)^\s+(-\w, )?{flag}\b")).unwrap();
                assert!(known.is_match(&help), "{path}: {line}: {flag}");
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn environment_variables_are_those_of_the_help() {
    let variable = Regex::new(r"\[env: (MIG_CI_\w+)").unwrap();
    let of_help = ["verify", "clean", "list"].map(|name| {
        let help = project().mig_ci(["help"]).arg(name).run().success().stdout;
        variable.captures_iter(&help).map(|found| found[1].to_owned()).collect::<BTreeSet<_>>()
    });
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let row = Regex::new(r"(?m)^\| `(MIG_CI_\w+)` \| `-").unwrap();
    let of_page: BTreeSet<_> = row.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert_eq!(of_page, of_help.into_iter().flatten().collect());
}

/// The inputs and outputs in `docs/action.md` are those of action.yml, with the same text.
#[test]
fn the_page_of_the_action_has_its_inputs_and_outputs() {
    let text = fs::read_to_string(root().join("action.yml")).unwrap();
    let page = fs::read_to_string(root().join("docs/action.md")).unwrap();
    let (_, rest) = text.split_once("\ninputs:\n").unwrap();
    let (inputs, rest) = rest.split_once("\noutputs:\n").unwrap();
    let (outputs, _) = rest.split_once("\nruns:\n").unwrap();
    let entry =
        Regex::new(r#"(?m)^  (\S+):\n    description: "?(.+?)"?$(?:\n    default: "?(.*?)"?$)?"#);
    let entry = entry.unwrap();
    let inputs = entry.captures_iter(inputs).map(|found| {
        let default = found.get(3).map_or("", |default| default.as_str());
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        format!("| `{}` | {default} | {} |\n", &found[1], &found[2])
    });
    let outputs =
        entry.captures_iter(outputs).map(|found| format!("| `{}` | {} |\n", &found[1], &found[2]));
    let head = "| input | default | meaning |\n| --- | --- | --- |\n";
    let inputs = format!("{head}{}\n", inputs.collect::<String>());
    let outputs = format!("| output | meaning |\n| --- | --- |\n{}\n", outputs.collect::<String>());
    assert!(inputs.lines().count() == 23 && page.contains(&inputs), "not in it:\n{inputs}");
    assert!(outputs.lines().count() == 10 && page.contains(&outputs), "not in it:\n{outputs}");
}

/// The workflows in `docs/action.md` use existing commands and inputs.
#[test]
fn workflows_of_the_page_use_existing_inputs() {
    let page = fs::read_to_string(root().join("docs/action.md")).unwrap();
    let action = fs::read_to_string(root().join("action.yml")).unwrap();
    let workflows = blocks(&page, "yaml");
    let steps = workflows.iter().flat_map(|workflow| workflow.split("\n      - "));
    let steps = steps.filter(|step| step.contains("uses: mig-ci/mig-action"));
    // `with: { comment: "off" }`, or one in each line. Variables are in capitals.
    let input = Regex::new(r"(?m)(?:^ {10}|[{,] )([a-z-]+): ").unwrap();
    let mut inputs: BTreeSet<_> =
        steps.flat_map(|step| input.captures_iter(step)).map(|found| found[1].to_owned()).collect();
    let variable = Regex::new(r"INPUT_([A-Z_]+)").unwrap();
    let variables = variable.captures_iter(&page);
    inputs.extend(variables.map(|found| found[1].to_lowercase().replace('_', "-")));
    assert!(inputs.len() > 5 && inputs.contains("partition"), "{inputs:?}");
    for name in inputs {
        assert!(action.contains(&format!("\n  {name}:\n")), "{name}");
    }
    let all = workflows.concat();
    let run = Regex::new(r#"(?:args: |mig-ci" )(\w+)"#).unwrap();
    let commands: Vec<_> = run.captures_iter(&all).map(|found| found[1].to_owned()).collect();
    assert_eq!(commands, ["publish", "action"]);
}

/// The quick start is the same in all documents.
#[test]
fn the_quick_start_is_the_same_everywhere() {
    let quick_start = |path: &str| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        blocks(&text, "yaml").into_iter().next()
    };
    let of_page = quick_start("docs/action.md");
    assert_eq!(of_page.as_ref().map(|text| text.lines().count()), Some(10));
    assert_eq!(quick_start("README.md"), of_page);
    assert_eq!(quick_start("docs/getting-started.md"), of_page);
}

/// Quoted messages exist in the source: each part between the variable ones.
#[test]
fn quoted_messages_exist() {
    let page = fs::read_to_string(root().join("docs/action.md")).unwrap();
    let (_, section) = page.split_once("\n## Troubleshooting\n").unwrap();
    let source = source();
    let quotation = Regex::new(r"``(.+?)``|`([^`]+)`").unwrap();
    let mut seen = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let (message, _) = row[2..].split_once(" | ").unwrap();
        let quotations = quotation.captures_iter(message);
        let quoted = quotations.map(|found| found.get(1).or(found.get(2)).unwrap().as_str());
        let parts: Vec<_> = quoted.flat_map(|text| text.split('…')).map(str::trim).collect();
        assert!(parts.iter().any(|part| part.len() > 10), "nothing of it can be found: {row}");
        for part in parts {
            assert!(source.contains(part), "nobody says {part:?}: {row}");
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

/// The program's source without tests, with each literal in one line.
fn source() -> String {
    let continued = Regex::new(r"\\\n\s*").unwrap();
    let mut folders = vec![root().join("src")];
    let mut source = String::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("rs") && !path.as_str().ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                source.push_str(&continued.replace_all(text, ""));
            }
        }
    }
    source
}

/// Fragments may lack required keys, but the existing ones must be valid.
#[test]
fn configurations_match_the_schema() {
    let schema = fs::read_to_string(root().join("docs/mig-ci.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let mut seen = 0;
    for (path, text) in documents() {
        for block in blocks(&text, "toml") {
            let table: toml::Table =
                block.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
            let value = serde_json::to_value(table).unwrap();
            for error in schema.iter_errors(&value) {
                let is_missing = error.to_string().contains("is a required property")
                    || error.to_string().contains("is not valid under any");
                assert!(is_missing, "{path}: {error}\n{block}");
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// The migration in the README produces the output in the README with the demo.
#[test]
fn the_readme_shows_actual_output() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let migration = &blocks(&readme, "sql")[0];
    let console = &blocks(&readme, "console")[0];
    let (command, shown) = console.split_once('\n').unwrap();
    assert_eq!(command, "$ mig-ci verify -n app");
    let name = Regex::new(r"migrations/tenant/\w+\.sql").unwrap().find(shown).unwrap().as_str();
    let run = demo()
        .git_commit("base")
        .git_branch("feature")
        .file(name, migration)
        .git_commit("head")
        .mig_ci(["verify", "-n", "app", "--quiet", "--provider", "local"])
        .run()
        .exit(1);
    assert_eq!(timeless(&run.stdout), timeless(shown));
}

/// Without values that differ between runs and machines.
fn timeless(text: &str) -> String {
    [
        (r"\b[0-9a-f]{7}\b", "[COMMIT]"),
        (r"PostgreSQL \d+\.\d+", "PostgreSQL [VERSION]"),
        (r"binaries in \S+\)", "binaries in [FOLDER])"),
        (r"[\d.]+ m?s\b", "[TIME]"),
        (r"(?m) {2,}", "  "),
        (r"(?m) +$", ""),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (pattern, shown)| {
        Regex::new(pattern).unwrap().replace_all(&text, shown).into_owned()
    })
}
