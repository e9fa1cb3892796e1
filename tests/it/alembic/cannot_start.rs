//! What has to be installed or configured: each case has its own error, with what to change.

use super::{TENANT, example};

#[test]
fn without_alembic_the_error_names_the_interpreter() {
    let Some(example) = example() else { return };
    let example = example.git_commit("base");
    let empty = tempfile::tempdir().unwrap();
    let made = std::process::Command::new(example.python.join("bin/python"))
        .args(["-m", "venv", "--without-pip"])
        .arg(empty.path())
        .status()
        .unwrap();
    assert!(made.success());
    let run = example.verify(["-n", "app"]);
    let report = run.env("VIRTUAL_ENV", empty.path().to_str().unwrap()).report(1);
    let finding = report.first("program-not-started");
    let message = finding["failure"]["message"].as_str().unwrap();
    assert!(message.contains("cannot import Alembic"), "{message}");
    assert!(message.contains(empty.path().to_str().unwrap()), "{message}");
}

#[test]
fn without_an_interpreter_the_error_says_what_to_set() {
    let Some(example) = example() else { return };
    let example = example.git_commit("base");
    let run = example.verify(["-n", "app"]);
    let programs = tempfile::tempdir().unwrap();
    let git = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("git"))
        .find(|path| path.is_file());
    std::os::unix::fs::symlink(git.unwrap(), programs.path().join("git")).unwrap();
    let path = programs.path().to_str().unwrap();
    let run = run.env("VIRTUAL_ENV", "/nowhere").env("PATH", path);
    let report = run.report(1);
    let message = report.first("program-not-started")["failure"]["message"].to_string();
    assert!(
        message.contains("no Python interpreter") && message.contains("python = "),
        "{message}"
    );
}

#[test]
fn an_import_error_in_env_py_has_its_place_in_the_project() {
    let Some(example) = example() else { return };
    let example = example
        .edited(TENANT, "from app.models.tenant import", "from app.models.gone import")
        .git_commit("base");
    let report = example.verify(["-n", "app"]).report(1);
    let finding = report.first("program-not-started");
    assert_eq!(finding["place"]["path"], TENANT);
    assert_eq!(finding["place"]["line"], 7);
    assert!(finding["failure"]["message"].as_str().unwrap().contains("app.models.gone"));
    let context = finding["failure"]["context"].as_str().unwrap();
    assert!(!context.contains("site-packages"), "{context}");
}

#[test]
fn a_variable_that_env_py_needs_and_nobody_declares_is_an_error() {
    let Some(example) = example() else { return };
    let example = example
        .edited(TENANT, "\nSCHEMA = ", "\nSECRET = os.environ[\"APP_SECRET\"]\nSCHEMA = ")
        .git_commit("base");
    // The variable of the machine does not reach the project.
    let run = example.verify(["-n", "app"]).env("APP_SECRET", "production");
    let report = run.report(1);
    let message = report.first("program-not-started")["failure"]["message"].to_string();
    assert!(message.contains("KeyError") && message.contains("APP_SECRET"), "{message}");
}
