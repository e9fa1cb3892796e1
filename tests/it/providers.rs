//! The server of a run, and the errors if there is none.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use nix::unistd::User;
use serde_json::Value;

use crate::common::{Outcome, Project, docker_image, is_root, project};

const NO_ENGINE: &str = "unix:///nowhere/docker.sock";

fn small() -> Project {
    project().file("migrations/1_table.sql", "CREATE TABLE t (id int);")
}

fn notes(report: &Value) -> String {
    let notes = report["notes"].as_array().unwrap().iter();
    notes.map(|note| format!("{}: {}\n", note["severity"], note["message"])).collect()
}

fn one_error(ended: Outcome) -> String {
    let ended = ended.exit(4);
    assert_eq!(ended.stdout, "");
    let errors: Vec<&str> =
        ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", ended.stderr);
    ended.stderr
}

/// A folder with programs that only have the names of a server's.
fn broken_binaries(project: &Project, script: &str) -> String {
    let folder = project.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    for name in ["initdb", "postgres"] {
        let file = folder.join(name);
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.into_string()
}

#[test]
fn auto_uses_docker_if_it_works() {
    let Some(image) = docker_image() else { return };
    let ended =
        small().mig_ci(["verify", "--format", "json", "--postgres-image", &image]).run().success();
    let report = ended.json();
    assert_eq!(report["server"]["provider"], "docker");
    let description = report["server"]["description"].as_str().unwrap();
    assert_eq!(description, format!("Docker image {image} (auto: Docker works)"));
    assert!(ended.stderr.contains("(auto: Docker works)"), "{}", ended.stderr);
}

#[test]
fn auto_falls_back_to_local_binaries_with_a_reason() {
    let ended = small()
        .mig_ci(["verify", "--format", "json", "--postgres-version", "99"])
        .env("DOCKER_HOST", NO_ENGINE)
        .run()
        .success();
    let report = ended.json();
    assert_eq!(report["server"]["provider"], "local");
    assert!(ended.stderr.contains("(auto: Docker does not work here)"), "{}", ended.stderr);
    let notes = notes(&report);
    assert!(
        notes.contains("\"info\": \"local binaries were used, because Docker does not work here"),
        "{notes}"
    );
    assert!(notes.contains("/nowhere/docker.sock: there is no such socket"), "{notes}");
    // Another major version than production's.
    assert!(notes.contains("\"warning\": \"the migrations ran on PostgreSQL 1"), "{notes}");
    assert!(notes.contains("but postgres.version is 99"), "{notes}");
}

#[test]
fn auto_without_both_reports_both_reasons() {
    let project = small().file("empty/file", "");
    let ended = project
        .mig_ci(["verify"])
        .env("DOCKER_HOST", NO_ENGINE)
        .env("MIG_CI_PG_BIN", project.path().join("empty"))
        .run();
    let error = one_error(ended);
    for part in [
        "no provider works",
        "/nowhere/docker.sock",
        "MIG_CI_PG_BIN",
        "both `initdb` and `postgres`",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn explicit_docker_does_not_fall_back_to_local() {
    let ended =
        small().mig_ci(["verify", "--provider", "docker"]).env("DOCKER_HOST", NO_ENGINE).run();
    let error = one_error(ended);
    assert!(
        error.contains("no Docker engine answers") && error.contains("--provider local"),
        "{error}"
    );
}

/// sqlx reads all variables of libpq, which must not affect a server that mig-ci starts.
#[test]
fn libpq_variables_for_other_servers_are_ignored() {
    let ended = small()
        .mig_ci(["verify", "--provider", "local"])
        .env("PGPORT", "5433")
        .env("PGHOST", "elsewhere")
        .env("PGUSER", "somebody")
        .env("PGDATABASE", "other")
        .env("PGSSLMODE", "verify-full")
        .run();
    ended.success();
}

#[test]
fn invalid_server_settings_are_reported() {
    let ended = small()
        .mig_ci(["verify", "--provider", "local"])
        .env("PGOPTIONS", "-c no_such_setting=1")
        .run();
    let error = one_error(ended);
    for part in ["PGOPTIONS in the environment", "no_such_setting"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let wrong = "[postgres]\nsettings = { lock_timeout = \"soon\" }\n\
                 [databases.app]\nmigrations = \"migrations\"\n";
    let ended =
        small().file("mig-ci.toml", wrong).mig_ci(["verify", "--provider", "local"]).run().exit(3);
    for part in ["postgres.settings", "lock_timeout", "fix them in mig-ci.toml"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

/// `clean` reports sources that did not respond, needs no project, and checks only the requested providers.
#[test]
fn clean_reports_what_it_skipped() {
    let outside = project();
    let clean = || outside.mig_ci(["clean"]).env("DOCKER_HOST", NO_ENGINE);
    let ended = clean().run().success();
    assert!(ended.stdout.contains("not checked: no Docker engine answers"), "{}", ended.stdout);
    let ended = clean().args(["--provider", "docker"]).run().exit(4);
    assert!(ended.stdout.contains("not checked: no Docker engine answers"), "{}", ended.stdout);
    let ended = clean().args(["--provider", "local"]).run().success();
    assert!(!ended.stdout.contains("not checked"), "{}", ended.stdout);
    let broken = project().file("mig-ci.toml", "nonsense");
    broken.mig_ci(["clean", "--provider", "local"]).run().success();
    broken.mig_ci(["--config", "mig-ci.toml", "clean"]).run().exit(3);
}

#[test]
fn unavailable_and_malformed_images_are_distinguished() {
    if docker_image().is_none() {
        return;
    }
    for (image, reason) in [
        ("No Such:1", "is not the name of an image"),
        ("postgres", "it has no tag"),
        ("UPPER/case:1", "is not the name of an image"),
        // A host name that cannot be resolved anywhere.
        ("registry.invalid/mig-ci-test/none:1", "its registry cannot be reached"),
    ] {
        let ended =
            small().mig_ci(["verify", "--provider", "docker", "--postgres-image", image]).run();
        let error = one_error(ended);
        assert!(error.contains(reason) && error.contains(image), "{error}");
    }
}

#[test]
fn broken_binaries_are_named() {
    let project = small();
    let run = |folder: &str| {
        one_error(
            project.mig_ci(["verify", "--provider", "local"]).env("MIG_CI_PG_BIN", folder).run(),
        )
    };
    let error = run("/nonexistent");
    assert!(
        error.contains("MIG_CI_PG_BIN is `/nonexistent`, but that folder does not contain"),
        "{error}"
    );
    let mute = broken_binaries(&project, "#!/bin/sh\nexit 3\n");
    let error = run(&mute);
    assert!(
        error.contains("prints nothing (exit status: 3); set it to a folder such as"),
        "{error}"
    );
    let other = broken_binaries(&project, "#!/bin/sh\necho MariaDB 11\n");
    assert!(run(&other).contains("`postgres --version` prints \"MariaDB 11\""));
    let failing = "#!/bin/sh\ncase $1 in --version) echo 'postgres (PostgreSQL) 15.1';; \
                   *) echo 'no such luck' >&2; exit 1;; esac\n";
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = run(&broken_binaries(&project, failing));
    assert!(error.contains("`initdb` of") && error.contains("no such luck"), "{error}");
}

/// In a mount namespace, with `/dev/shm` and the temporary folders limited to this size (in MiB). Leftovers in them are on
/// stderr.
fn with_limited_space(project: &Project, mebibytes: u32) -> Outcome {
    // The project and the program may be in folders that the mounts hide.
    fs::copy(env!("CARGO_BIN_EXE_mig-ci"), project.path().join("mig-ci")).unwrap();
    let script = format!(
        "mkdir small && mount --bind . /mnt && cd /mnt || exit 99; \
         for place in /dev/shm /mnt/small /tmp; do mount -t tmpfs -o size={mebibytes}m tmpfs $place || exit 99; done; \
         \"$@\"; code=$?; ls -A /dev/shm /mnt/small /tmp | grep mig-ci- | sed 's/^/left: /' >&2; exit $code"
    );
    project
        .mig_ci(["verify", "--provider", "local"])
        .of_program(Utf8Path::new("./mig-ci"))
        .env("TMPDIR", "/mnt/small")
        .through("unshare", &["--mount", "sh", "-c", &script, "sh"])
        .run()
}

#[test]
fn a_full_disk_is_reported_with_its_path() {
    if !is_root() {
        return;
    }
    let project = small();
    let ended = with_limited_space(&project, 8);
    let error = ended.stderr.clone();
    ended.exit(4);
    for part in
        ["found no folder for the server's data", "/dev/shm: only 8 MiB are free", "set TMPDIR"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("leftovers"), "{error}");
}

#[test]
fn a_disk_that_fills_up_ends_the_run_without_leftovers() {
    if !is_root() {
        return;
    }
    let project = project().file(
        "migrations/1_big.sql",
        "CREATE TABLE big AS SELECT repeat(i::text, 300) AS t FROM generate_series(1, 300000) AS i;",
    );
    let ended = with_limited_space(&project, 120);
    let code = ended.status.code();
    // This is not the migration's failure.
    assert_eq!(code, Some(4), "{}\n{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("✘ failed"), "{}", ended.stdout);
    let full =
        ["No space left on device", "wrote only", "was lost", "one of its processes crashed"];
    assert!(full.iter().any(|words| ended.stdout.contains(words)), "{}", ended.stdout);
    assert!(!ended.stderr.contains("leftovers"), "{}", ended.stderr);
}

#[test]
fn an_ordinary_user_needs_nothing_special() {
    if !is_root() {
        return;
    }
    let project = small();
    for path in [project.path().to_owned(), project.path().join("migrations")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The build folder of the tests may be inaccessible to other users.
    let program = project.path().join("mig-ci");
    let built = Path::new(env!("CARGO_BIN_EXE_mig-ci"));
    fs::copy(built, &program).unwrap();
    for user in ["nobody", "postgres"] {
        let ended = project
            .mig_ci(["verify", "--provider", "local", "--format", "json"])
            .of_program(&program)
            .through("runuser", &["-u", user, "--"])
            .run()
            .success();
        assert_eq!(ended.json()["server"]["provider"], "local");
        let uid = User::from_name(user).unwrap().unwrap().uid.as_raw();
        let places = ["/dev/shm", "/tmp"].into_iter().filter_map(|place| fs::read_dir(place).ok());
        let markers = places.flatten().flatten().map(|entry| entry.path().join("owner"));
        let left =
            markers.filter(|marker| fs::metadata(marker).is_ok_and(|file| file.uid() == uid));
        assert_eq!(left.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    }
}

mod locale {
    use super::*;

    /// Two addresses that differ in the case of a letter beyond ASCII, and a case-insensitive index.
    fn two_eves(postgres: &str) -> Project {
        project()
            .file("mig-ci.toml", format!("[postgres]\n{postgres}\n[databases.app]\nmigrations = \"m\"\nsample = \"app.sql\"\n"))
            .file("m/1_users.sql", "CREATE TABLE users (email text);\n")
            .file("app.sql", "INSERT INTO users VALUES ('ÉVA@x'), ('éva@x');\n")
            .git_commit("base")
            .git_branch("feature")
            .file("m/2_unique.sql", "CREATE UNIQUE INDEX ON users (lower(email));\n")
    }

    fn verify(project: &Project, provider: &str) -> crate::common::Command {
        match provider {
            "url" => project.verify(),
            _ => project.mig_ci(["verify", "--provider=local"]),
        }
    }

    #[test]
    fn local_server_uses_a_utf8_locale() {
        let report = verify(&two_eves(""), "local").report(1);
        assert_eq!(report.finding("migration-failed")["failure"]["sqlstate"], "23505");
        let locale = &report.json["server"]["locale"];
        assert_eq!(locale["encoding"], "UTF8");
        assert!(locale["ctype"].as_str().unwrap().to_lowercase().contains("utf"), "{locale}");
        let text = verify(&two_eves(""), "local").run().exit(1).stdout;
        let name = locale["name"].as_str().unwrap();
        assert!(text.lines().next().unwrap().contains(&format!("UTF8, locale {name}")), "{text}");
        // The same for case-insensitive regular expressions.
        let project = two_eves("").file(
            "m/2_unique.sql",
            "DO $$ BEGIN IF (SELECT count(*) FROM users WHERE email ~* '^éva') = 1 OR upper('é') <> 'É' THEN\n\
             RAISE EXCEPTION 'letters'; END IF; END $$;\n",
        );
        verify(&project, "local").report(0);
    }

    #[test]
    fn the_configured_locale_is_used_by_all_providers() {
        for provider in ["local", "url"] {
            let report = verify(&two_eves("locale = \"C.UTF-8\""), provider).report(1);
            assert_eq!(report.finding("migration-failed")["failure"]["sqlstate"], "23505");
            assert_eq!(report.json["server"]["locale"]["ctype"], "C.UTF-8", "{provider}");
            let report = verify(&two_eves("locale = \"C\""), provider).report(0);
            assert_eq!(report.json["server"]["locale"]["collate"], "C", "{provider}");
            assert!(report.notes().contains("only ASCII letters"), "{}", report.notes());
            let icu = two_eves("locale = \"de-DE\"\nlocale-provider = \"icu\"");
            let report = verify(&icu, provider).report(1);
            assert_eq!(report.json["server"]["locale"]["name"], "icu de-DE", "{provider}");
        }
    }

    #[test]
    fn a_locale_that_the_server_lacks_is_an_error() {
        for provider in ["local", "url"] {
            let error = one_error(verify(&two_eves("locale = \"xx_XX.UTF-8\""), provider).run());
            for part in ["`xx_XX.UTF-8` of postgres.locale", "locale-gen", "mig-ci.toml", "C.utf8"]
            {
                assert!(error.contains(part), "{provider}, {part}: {error}");
            }
        }
    }

    #[test]
    fn an_image_has_the_configured_locale() {
        let Some(image) = docker_image() else { return };
        let project = two_eves("locale = \"C\"");
        let run = project.mig_ci(["verify", "--provider=docker", "--postgres-image", &image]);
        assert_eq!(run.report(0).json["server"]["locale"]["ctype"], "C");
    }
}
