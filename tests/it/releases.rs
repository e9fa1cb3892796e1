//! The release that documents, the action and the release workflow name: one version, and its major tag.

use std::fs;
use std::process::Command;

use camino::Utf8Path;
use regex::Regex;

fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `v0` until 1.0.
fn major() -> String {
    format!("v{}", env!("CARGO_PKG_VERSION_MAJOR"))
}

/// All files with text for readers or output: documents, the source, workflows, tests.
fn texts() -> Vec<(String, String)> {
    let mut folders: Vec<_> =
        [".ci", ".github", "docs", "src", "tests"].iter().map(|name| root().join(name)).collect();
    let mut texts = Vec::new();
    let mut add = |path: &Utf8Path| {
        let is_this = path.file_name() == Some("releases.rs");
        if let Some(text) = fs::read_to_string(path).ok().filter(|_| !is_this) {
            texts.push((path.strip_prefix(root()).unwrap().to_string(), text));
        }
    };
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "action.yml",
        "setup/action.yml",
    ]
    .iter()
    .for_each(|name| add(&root().join(name)));
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() { folders.push(path) } else { add(&path) }
        }
    }
    texts
}

#[test]
fn workflows_use_the_major_tag_of_this_version() {
    let uses = Regex::new(r"mig-ci/mig-action(?:/setup)?@(\$?[A-Za-z0-9][A-Za-z0-9._-]*)").unwrap();
    let (version, major) = (format!("v{}", env!("CARGO_PKG_VERSION")), major());
    let mut found = 0;
    for (path, text) in texts() {
        for used in uses.captures_iter(&text) {
            found += 1;
            assert!([&major, &version].iter().any(|tag| **tag == used[1]), "{path}: {}", &used[0]);
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn images_have_this_version() {
    let image = Regex::new(r"ghcr\.io/mig-ci/mig-ci:(v[0-9][A-Za-z0-9._-]*)").unwrap();
    let mut found = 0;
    for (path, text) in texts() {
        for named in image.captures_iter(&text) {
            found += 1;
            assert_eq!(named[1], format!("v{}", env!("CARGO_PKG_VERSION")), "{path}");
        }
    }
    assert!(found > 1, "{found}");
}

/// The release workflow splits the tag in bash: this runs its command.
#[test]
fn a_release_of_this_version_moves_the_major_tag() {
    let workflow = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    let (_, job) = workflow.split_once("\n  major:\n").unwrap();
    let line = job.lines().map(str::trim).find(|line| line.starts_with("major=")).unwrap();
    let moved = Command::new("bash")
        .args(["-c", &format!("{line}; printf %s \"$major\"")])
        .env("GITHUB_REF_NAME", format!("v{}", env!("CARGO_PKG_VERSION")))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(moved.stdout).unwrap(), major());
}

/// A copy of the files that the script reads, with one text replaced.
fn check(file: &str, text: &str, other: &str, tag: Option<&str>) -> (bool, String) {
    let copy = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(copy.path()).unwrap();
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Cargo.toml", "action.yml"]
        .into_iter()
        .chain([".ci", ".github", "docs", "setup", "src"])
    {
        let mut copy = Command::new("cp");
        copy.args(["-R", root().join(name).as_str(), folder.as_str()]);
        assert!(copy.status().unwrap().success());
    }
    let path = folder.join(file);
    let before = fs::read_to_string(&path).unwrap();
    assert!(before.contains(text), "{file} has no {text}");
    fs::write(&path, before.replacen(text, other, 1)).unwrap();
    let output = Command::new("bash").arg(folder.join(".ci/check-release")).args(tag).output();
    let output = output.unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_release_check_finds_each_outdated_version() {
    let (version, major) = (env!("CARGO_PKG_VERSION"), major());
    let action = format!("mig-action@{major}");
    assert_eq!(check("README.md", &action, &action, None), (true, String::new()));
    let finds = |file: &str, text: &str, other: &str, problem: &str| {
        let (passed, problems) = check(file, text, other, None);
        assert!(!passed && problems.contains(problem), "{file}, {other}: {problems}");
    };
    let later = format!("v{version}9");
    finds("README.md", &action, "mig-action@v99", "uses the action at v99");
    finds("docs/action.md", &action, "mig-action@v99.0.9", "uses the action at v99.0.9");
    let release = |tag: &str| format!("`@{tag}`");
    let own = format!("v{version}");
    finds("docs/action.md", &release(&own), &release(&later), &format!("the action at {later}"));
    finds(
        "src/lib.rs",
        "//! ",
        "//! mig-ci/mig-action@v99 ",
        "src/lib.rs:1 uses the action at v99",
    );
    let image = |tag: &str| format!("mig-ci/mig-ci:{tag}");
    finds("docs/action.md", &image(&own), &image(&later), &format!("the image of {later}"));
    let download = |tag: &str| format!("download {tag}");
    finds("docs/action.md", &download(&own), &download(&later), &format!("downloads {later}"));
    finds("action.yml", &image(&own), &image(&later), "action.yml runs the image");
    let number = format!("version = \"{version}\"");
    finds("Cargo.toml", &number, "version = \"99.0.0\"", "a release of 99.0.0 moves v99");
    let release = ".github/workflows/release.yml";
    finds(release, "major=${GITHUB_REF_NAME%%.*}", "major=v1", "does not take the major tag");
    let (passed, problems) = check("README.md", &action, &action, Some(&later));
    assert!(!passed && problems.contains(&format!("the tag is {later}")), "{problems}");
}
