//! The composite action `setup`: it has the interface of the action, and installs only the binary that the release's checksums
//! list. Its script runs with a folder in place of GitHub's releases.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command as Process;

use camino::Utf8Path;

use crate::common::{Command, Outcome, Project, project};

fn text(path: &str) -> String {
    fs::read_to_string(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The part of an action's file between two of its keys.
fn part<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("\n{from}:\n")).unwrap();
    rest.split_once(&format!("\n{to}:\n")).unwrap().0.trim_end()
}

/// The names that a part declares.
fn names(part: &str) -> Vec<&str> {
    part.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':')).collect()
}

#[test]
fn both_actions_have_the_same_inputs_and_outputs() {
    let (action, setup) = (text("action.yml"), text("setup/action.yml"));
    let inputs = part(&action, "inputs", "outputs");
    let of_setup = part(&setup, "inputs", "outputs");
    assert!(of_setup.starts_with(inputs), "{of_setup}");
    let mut expected = names(inputs);
    for name in &expected {
        let variable = name.to_uppercase().replace('-', "_");
        let line = format!("        INPUT_{variable}: ${{{{ inputs.{name} }}}}\n");
        assert!(setup.contains(&line), "{line}");
    }
    expected.push("run");
    assert_eq!(names(of_setup), expected);

    let outputs = names(part(&action, "outputs", "runs"));
    let of_setup = part(&setup, "outputs", "runs");
    assert_eq!(names(of_setup), outputs);
    for name in outputs {
        let line = format!("    value: ${{{{ steps.run.outputs.{name} }}}}");
        assert!(of_setup.contains(&line), "{line}");
    }
}

fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// A release with an archive as release.yml makes it, whose program says this version.
fn release(said: &str) -> Project {
    let name = format!("mig-ci-v0.1.0-{}", target());
    let releases =
        project().file(&format!("{name}/mig-ci"), format!("#!/bin/sh\necho mig-ci {said}\n"));
    let program = releases.path().join(&name).join("mig-ci");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        "mkdir v0.1.0 && tar --create --gzip --file v0.1.0/{name}.tar.gz {name} && cd v0.1.0 && sha256sum mig-ci-*.tar.gz >SHA256SUMS"
    );
    let made = Process::new("sh").args(["-c", &script]).current_dir(releases.path()).status();
    assert!(made.unwrap().success());
    releases
}

/// What the action's first step does.
fn install(releases: &Project, reference: &str) -> Outcome {
    let mut script = Process::new(concat!(env!("CARGO_MANIFEST_DIR"), "/setup/install"));
    script.current_dir(releases.path());
    Command::of(script)
        .env("MIG_CI_RELEASES", format!("file://{}", releases.path()))
        .env("VERSION", "v0.1.0")
        .env("REF", reference)
        .env("RUNNER_TEMP", releases.path().join("temp"))
        .env("GITHUB_PATH", releases.path().join("path"))
        .run()
}

#[test]
fn a_release_is_installed_into_the_path() {
    let releases = release("0.1.0");
    for reference in ["v0.1.0", "v0", "3d3c42e5aac5ba805825da76410c181273ba90b1", "main", ""] {
        let _ = fs::remove_file(releases.path().join("path"));
        install(&releases, reference).success();
        let folder = releases.read("path");
        let said = Process::new(Utf8Path::new(folder.trim()).join("mig-ci")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), "mig-ci 0.1.0\n");
    }
}

#[test]
fn another_version_is_refused() {
    let releases = release("0.1.0");
    for reference in ["v0.2.0", "v1", "v1.0.0-rc.1"] {
        let ended = install(&releases, reference).exit(1);
        let wanted = format!("the workflow uses the action at {reference}, which installs v0.1.0");
        assert!(ended.stdout.contains(&wanted), "{}", ended.stdout);
    }
    let ended = install(&release("0.0.9"), "v0.1.0").exit(1);
    assert!(ended.stdout.contains("says `mig-ci 0.0.9`, and must be v0.1.0"), "{}", ended.stdout);
    assert!(!releases.path().join("path").exists());
}

#[test]
fn a_download_that_the_checksums_do_not_list_is_refused() {
    let archive = format!("v0.1.0/mig-ci-v0.1.0-{}.tar.gz", target());
    let releases = release("0.1.0");
    let mut bytes = fs::read(releases.path().join(&archive)).unwrap();
    bytes.push(0);
    let replaced = releases.file(&archive, bytes);
    let ended = install(&replaced, "v0").exit(1);
    assert!(ended.stdout.contains("the download is damaged or was replaced"), "{}", ended.stdout);

    let sums = replaced.read("v0.1.0/SHA256SUMS").replace("mig-ci-v0", "mig-ci-v9");
    let unlisted = replaced.file("v0.1.0/SHA256SUMS", sums);
    let ended = install(&unlisted, "v0").exit(1);
    assert!(ended.stdout.contains("does not list"), "{}", ended.stdout);

    let ended = install(&unlisted.without("v0.1.0/SHA256SUMS"), "v0").exit(1);
    assert!(
        ended.stdout.contains("::error title=mig-ci cannot be installed::cannot download"),
        "{}",
        ended.stdout
    );
}
