//! The command line in scripts: outputs, empty variables, names with commas.

use std::os::unix::fs::{FileTypeExt as _, symlink};

use crate::common::{Project, project};

/// One migration, which succeeds.
fn plain() -> Project {
    project().file("migrations/1.sql", "CREATE TABLE a (id int);")
}

/// A tenant with a comma in its name, and a migration that fails for it.
fn globex() -> Project {
    project()
        .file("migrations/1.sql", "CREATE TABLE a (id int);")
        .file("samples/globex.sql", "INSERT INTO a VALUES (NULL);")
        .file(
            "other.toml",
            "[databases.app.tenants]\nmigrations = \"migrations\"\n\n\
             [databases.app.tenants.sample.\"Globex, Inc.\"]\nfile = \"samples/globex.sql\"\n",
        )
        .git_commit("base")
        .file("migrations/2.sql", "ALTER TABLE a ALTER id SET NOT NULL;")
        .git_commit("head")
}

#[test]
fn an_output_does_not_replace_a_device() {
    let plain = plain();
    symlink("kept.json", plain.path().join("link.json")).unwrap();
    symlink("/dev/null", plain.path().join("null")).unwrap();
    let fifo = plain.path().join("fifo");
    nix::unistd::mkfifo(fifo.as_std_path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::read_to_string(fifo).unwrap()
    });
    let outputs = ["--output=json=link.json", "--output=json=null", "--output=junit=fifo"];
    plain.verify().args(outputs).run().success();
    assert!(reader.join().unwrap().contains("<testsuites"));
    assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());
    assert!(plain.path().join("link.json").is_symlink());
    assert!(plain.path().join("null").is_symlink());
    assert!(plain.read("kept.json").contains("mig-ci.report/1"));
}

#[test]
fn an_impossible_output_is_an_error_before_the_run() {
    let plain = plain().file("file", "");
    symlink(".", plain.path().join("here")).unwrap();
    for output in [
        "json=migrations",
        "json=file/report.json",
        "json=/proc/none/report.json",
        "json=./x.xml",
        "json=here/x.xml",
    ] {
        let run = plain.verify().args(["--output", output, "--output=junit=x.xml"]).run().exit(4);
        assert!(run.stderr.contains("cannot write "), "{}", run.stderr);
        assert_eq!(run.stdout, "");
        assert!(!run.stderr.contains("starting"), "{}", run.stderr);
    }
}

#[test]
fn a_failed_output_does_not_prevent_the_others() {
    let outputs = ["--output=json=/dev/full", "--output=junit=x.xml", "--no-base"];
    let plain = plain();
    let run = plain.verify().args(outputs).run().exit(4);
    assert!(run.stderr.contains("cannot write /dev/full"), "{}", run.stderr);
    assert!(plain.read("x.xml").contains("<testsuites"));
    let broken = plain.file("migrations/2.sql", "SELEC 1;").file("x.xml", "");
    let run = broken.verify().args(outputs).run().exit(1);
    assert!(run.stderr.contains("cannot write /dev/full"), "{}", run.stderr);
    assert!(broken.read("x.xml").contains("SELEC"));
}

#[test]
fn the_reproduction_command_reproduces_the_failure() {
    let globex = globex();
    let flags = ["--config=other.toml", "--base=HEAD~1"];
    let report = globex.verify().args(flags).report(1);
    let line = report.json["findings"][0]["reproduce"].as_str().unwrap().to_owned();
    let expected =
        "mig-ci verify -n app --tenant 'Globex, Inc.' --config other.toml --base 'HEAD~1'";
    assert_eq!(line, expected);
    let args = ["-n", "app", "--tenant", "Globex, Inc.", "--config", "other.toml"];
    let again = globex.verify().args(args).args(["--base", "HEAD~1"]).report(1);
    assert_eq!(again.json["findings"][0]["message"], report.json["findings"][0]["message"]);
    let none = globex.verify().args(["--config=other.toml", "--no-base"]).run();
    assert!(none.stdout.contains("--no-base"), "{}", none.stdout);
}

#[test]
fn commas_separate_names_only_in_variables() {
    let globex = globex();
    let list = || globex.mig_ci(["list", "--config=other.toml", "--json"]);
    let units = |json: serde_json::Value| -> Vec<String> {
        let units = json["databases"][0]["units"].as_array().unwrap();
        units.iter().map(|unit| unit["name"].as_str().unwrap().to_owned()).collect()
    };
    let flags = list().args(["--tenant", "Globex, Inc.", "--tenant=base"]);
    assert_eq!(units(flags.run().success().json()), ["Globex, Inc.", "base"]);
    let variables = list().env("MIG_CI_TENANTS", "fresh_1, base").env("MIG_CI_DATABASES", "app,");
    assert_eq!(units(variables.run().success().json()), ["fresh_1", "base"]);
    // A flag overrides the variable, in any position.
    let both = list().env("MIG_CI_DATABASES", "a,b").args(["-n", "app", "--tenant=base"]);
    assert_eq!(units(both.run().success().json()), ["base"]);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let names = [
        "MIG_CI_CONFIG",
        "MIG_CI_DATABASES",
        "MIG_CI_TENANTS",
        "MIG_CI_BASE",
        "MIG_CI_PROVIDER",
        "MIG_CI_POSTGRES_VERSION",
        "MIG_CI_POSTGRES_IMAGE",
        "MIG_CI_JOBS",
        "MIG_CI_FAIL_ON",
        "MIG_CI_LOG",
    ];
    let plain = plain();
    let run = names.iter().fold(plain.verify(), |run, name| run.env(name, "")).run().success();
    assert!(!run.stderr.contains("ERROR"), "{}", run.stderr);
    let run =
        plain.mig_ci(["verify", "--provider=url"]).env("MIG_CI_POSTGRES_URL", "").run().exit(3);
    assert!(run.stderr.contains("MIG_CI_POSTGRES_URL"), "{}", run.stderr);
    let list = |flag: &'static str| plain.mig_ci(["list", flag]).env("MIG_CI_BASE", "main");
    list("--no-base").run().success();
    plain.mig_ci(["list", "--no-base", "--base=main"]).run().exit(2);
}

#[test]
fn a_log_in_a_file_has_no_colours() {
    let run = plain().verify().env("MIG_CI_LOG", "debug").run().success();
    assert!(run.stderr.contains("DEBUG"), "{}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
}

#[test]
fn file_names_are_escaped_in_terminal_output() {
    let hostile = project()
        .file("migrations/1.sql", "CREATE TABLE a (id int);")
        .file("migrations/2_\u{1b}[31m\n::error::x.sql", "SELEC 1;");
    let list = hostile.mig_ci(["list"]).run().success().stdout;
    let junit = hostile.verify().args(["--format=junit", "--no-base"]).run().exit(1).stdout;
    let config = "[databases.app]\nmigrations = \"no/\\u001b[31m\\n::error::x\"\n";
    let errors = hostile.file("mig-ci.toml", config).mig_ci(["list"]).run().exit(3).stderr;
    for text in [list, junit, errors] {
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::error")), "{text}");
    }
}

#[test]
fn a_project_without_configuration_is_found_in_a_subfolder() {
    let files = [
        &["db/shared/1.sql", "db/tenant/1.sql"][..],
        &["internal/db/migrations/1.sql"],
        &["sql/migrations/1.sql"],
        &["backend/migrations/1.sql"],
        &["database/migrations/1.sql"],
    ];
    for files in files {
        let project = files.iter().fold(project(), |project, file| project.file(file, "SELECT 1;"));
        project.mig_ci(["init"]).run().success();
        assert!(project.read("mig-ci.toml").contains("#format = "));
        project.mig_ci(["list"]).run().success();
    }
}

#[test]
fn a_file_name_that_is_not_utf_8_is_reported() {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = plain();
    let name = std::ffi::OsStr::from_bytes(b"migrations/\xff.sql");
    std::fs::write(plain.path().as_std_path().join(name), "").unwrap();
    let run = plain.mig_ci(["list"]).run().exit(3);
    assert!(
        run.stderr.contains("is not UTF-8") && run.stderr.contains("rename it"),
        "{}",
        run.stderr
    );
}

/// An error of a `prepare` file is not attributed to the sample, even before the sample has reached the server.
#[test]
fn a_broken_prepare_file_is_not_a_broken_sample() {
    let broken = globex().file("ci/prepare.sql", "\\connect other\n");
    let config = broken.read("other.toml").replace(
        "migrations = \"migrations\"\n",
        "migrations = \"migrations\"\nprepare = \"ci/prepare.sql\"\n",
    );
    let report = broken.file("other.toml", config).verify().arg("--config=other.toml").report(1);
    // In addition, the file is reported as new.
    assert_eq!(report.codes(), ["base-not-reached", "coverage-reduced"]);
    let help = report.finding("base-not-reached")["help"].as_str().unwrap().to_owned();
    assert!(help.contains("`prepare`") && !help.contains("pg_dump"), "{help}");
}

/// A mistyped enumerated value is a usage error that lists the valid ones, in options and in variables.
#[test]
fn a_mistyped_value_is_a_usage_error() {
    let plain = plain();
    let cases: &[(&[&str], &str)] = &[
        (&["verify", "--format", "jsn"], "markdown"),
        (&["verify", "--output", "jsn=report.json"], "markdown"),
        (&["verify", "--provider", "dokcer"], "docker"),
        (&["verify", "--fail-on", "warn"], "warning"),
        (&["list", "--color", "yes"], "always"),
        (&["list", "--log-format", "jsonl"], "json"),
        (&["upgrade", "--format", "markdown"], "junit"),
        (&["upgrade", "--output", "markdown=report.md"], "junit"),
        (&["upgrade", "--order", "names"], "random"),
        (&["status", "--format", "junit"], "json"),
        (&["status", "--output", "junit=report.xml"], "json"),
        (&["tenants", "--format", "junit"], "json"),
        (&["revision", "-m", "x", "--track", "tenants"], "shared"),
        (&["schema", "reports"], "status"),
        (&["clean", "--provider", "podman"], "docker"),
    ];
    for (arguments, possible) in cases {
        let command = arguments.iter().fold(plain.mig_ci([]), |command, word| command.arg(word));
        let run = command.run().exit(2);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(run.stderr.contains(possible), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("possible values: "), "{arguments:?}: {}", run.stderr);
    }
    let variables =
        [("MIG_CI_PROVIDER", "dokcer"), ("MIG_CI_FAIL_ON", "warn"), ("MIG_CI_LOG", "debgu")];
    for (name, value) in variables {
        let run = plain.mig_ci(["verify"]).env(name, value).run().exit(2);
        assert!(run.stderr.contains("possible values: "), "{name}: {}", run.stderr);
    }
    plain.mig_ci(["list"]).env("MIG_CI_LOG", "warn,mig_ci=off").run().success();
}
