//! `mig-ci revision`: its files equal those of the real tool, mig-ci finds them last, and the real tool accepts them.

use std::path::Path;
use std::process::Command as Process;
use std::time::SystemTime;

use regex::Regex;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

use crate::common::{Outcome, Project, peer, postgres, project, scrub, until};

/// A database for each format, and one with two tracks. The folders do not exist.
fn empty() -> Project {
    let plain_database = |name: &str, format: &str| {
        format!("[databases.{name}]\nmigrations = \"migrations/{name}\"\nformat = \"{format}\"\n")
    };
    let config = [
        plain_database("users", "sqlx"),
        plain_database("orders", "dbmate"),
        plain_database("stock", "golang-migrate"),
        plain_database("notes", "plain"),
        "[databases.app]\n\
         shared = { migrations = \"migrations/shared\", format = \"sqlx\", schema = \"shared\" }\n\
         [databases.app.tenants]\nmigrations = \"migrations/tenant\"\nformat = \"plain\"\n\
         target = \"tenant_{tenant}\"\n"
            .to_owned(),
    ];
    project().file("mig-ci.toml", config.concat())
}

fn revision<const N: usize>(project: &Project, args: [&str; N]) -> Outcome {
    project.mig_ci(["revision"]).args(args).run()
}

/// Its lines, with the time in their names hidden.
fn written(run: &Outcome) -> Vec<String> {
    let time = Regex::new(r"\b20\d{12}_").unwrap();
    run.stdout.lines().map(|line| time.replace(line, "[TIME]_").into_owned()).collect()
}

/// The path of the last migration of each track in `list`.
fn last(project: &Project, name: &str) -> Vec<String> {
    let run = project.mig_ci(["list", "--json", "--no-base", "-n", name]).run().success();
    let json = run.json();
    let tracks = json["databases"][0]["tracks"].as_array().unwrap();
    let path = |track: &serde_json::Value| {
        let migrations = track["migrations"].as_array().unwrap();
        migrations.last().unwrap()["path"].as_str().unwrap().to_owned()
    };
    tracks.iter().map(path).collect()
}

#[test]
fn the_next_file_is_printed_and_found_last() {
    let project = empty();
    for (name, expected) in [
        ("users", vec!["migrations/users/[TIME]_add_table.sql"]),
        ("orders", vec!["migrations/orders/[TIME]_add_table.sql"]),
        (
            "stock",
            vec![
                "migrations/stock/[TIME]_add_table.up.sql",
                "migrations/stock/[TIME]_add_table.down.sql",
            ],
        ),
        ("notes", vec!["migrations/notes/[TIME]_add_table.sql"]),
    ] {
        // In both orders, and twice within a second or so.
        let first = revision(&project, ["-n", name, "-m", "add table"]).success();
        let second = project.mig_ci(["-n", name, "revision", "--message=add table"]);
        let second = second.run().success();
        assert_eq!(written(&first), expected);
        assert_eq!(written(&second), expected);
        assert_ne!(first.stdout, second.stdout);
        assert_eq!(first.stderr, "");
        assert!(second.stdout.lines().all(|path| project.path().join(path).is_file()));
        if name != "orders" {
            assert!(second.stdout.starts_with(&last(&project_of(&project, name), name)[0]));
        }
    }
}

/// The same folder, with a configuration of only this database, since the others have no migrations yet.
fn project_of(whole: &Project, name: &str) -> Project {
    let text = whole.read("mig-ci.toml");
    let (_, rest) = text.split_once(&format!("[databases.{name}]\n")).unwrap();
    let lines: String = rest.split_inclusive('\n').take(2).collect();
    project()
        .file("mig-ci.toml", format!("[databases.{name}]\n{lines}"))
        .copy(&whole.path().join("migrations"), "migrations")
}

#[test]
fn a_number_sequence_is_continued() {
    let project = empty()
        .file("migrations/users/0008_a.up.sql", "SELECT 1;")
        .file("migrations/users/0008_a.down.sql", "SELECT 1;")
        .file("migrations/users/0009_b.up.sql", "SELECT 1;")
        .file("migrations/users/0009_b.down.sql", "SELECT 1;")
        .file("migrations/notes/01-a.sql", "SELECT 1;")
        .file("migrations/stock/000001_a.up.pgsql", "SELECT 1;")
        .file("migrations/orders/001_a.sql", "-- migrate:up\n-- migrate:down\n");
    for (name, expected) in [
        ("users", "migrations/users/0010_c.up.sql\nmigrations/users/0010_c.down.sql\n"),
        ("notes", "migrations/notes/02_c.sql\n"),
        ("stock", "migrations/stock/000002_c.up.pgsql\nmigrations/stock/000002_c.down.pgsql\n"),
        ("orders", "migrations/orders/002_c.sql\n"),
    ] {
        let run = revision(&project, ["-n", name, "-m", "c"]).success();
        assert_eq!(run.stdout, expected);
        let first = expected.lines().next().unwrap();
        assert_eq!(last(&project_of(&project, name), name), [first]);
    }
}

#[test]
fn a_database_with_two_tracks_needs_a_choice() {
    let project = empty();
    let run = revision(&project, ["-n", "app", "-m", "x"]).exit(2);
    assert_eq!(
        run.stderr,
        "error: `app` has two directories: use --track shared (migrations/shared) or --track tenant (migrations/tenant)\n"
    );
    let shared = revision(&project, ["-n", "app", "-m", "x", "--track", "shared"]).success();
    assert_eq!(written(&shared), ["migrations/shared/[TIME]_x.sql"]);
    let tenant = revision(&project, ["-n", "app", "-m", "x", "--track", "tenant"]).success();
    assert_eq!(written(&tenant), ["migrations/tenant/[TIME]_x.sql"]);
    let none = revision(&project, ["-n", "users", "-m", "x", "--track", "tenant"]).exit(2);
    assert_eq!(none.stderr, "error: `users` has no tenant migrations\n");
    let which = revision(&project, ["-m", "x"]).exit(2);
    assert!(
        which.stderr.contains("choose a database with -n: users, orders, stock"),
        "{}",
        which.stderr
    );
    let unknown = revision(&project, ["-n", "user", "-m", "x"]).exit(3);
    assert!(unknown.stderr.contains("there is no database `user`"), "{}", unknown.stderr);
    let track = revision(&project, ["-n", "app", "-m", "x", "--track", "both"]).exit(2);
    assert!(track.stderr.contains("possible values: shared, tenant"), "{}", track.stderr);
}

#[test]
fn a_hostile_message_writes_nothing() {
    let project = empty();
    let long = "long ".repeat(200);
    for message in
        ["../../x", "a/b", "a\\b", "a\nb", "a\tb", "🚀", "", "   ", "x.up", "$(x)", &long]
    {
        let run = project.mig_ci(["revision", "-n", "users", "-m"]).arg(message).run().exit(2);
        assert!(run.stderr.starts_with("error: the message \""), "{}", run.stderr);
        assert!(run.stderr.contains("cannot be part of a file name: "), "{}", run.stderr);
        assert!(run.stderr.contains("\n  help: "), "{}", run.stderr);
        assert!(run.stderr.lines().count() == 2 && run.stderr.len() < 300, "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    assert!(!project.path().join("migrations").exists());
    let word = revision(&project, ["-n", "users", "-m", "Größe-2 ändern"]).success();
    assert_eq!(written(&word), ["migrations/users/[TIME]_Größe-2_ändern.sql"]);
}

#[test]
fn without_migrations_the_format_must_be_given() {
    let project = project().file("mig-ci.toml", "[databases.app]\nmigrations = \"m\"\n");
    let run = revision(&project, ["-m", "x"]).exit(3);
    assert_eq!(
        run.stderr,
        "error: database `app`, shared track: m: it has no files, so the format cannot be detected\n  help: set `format` of \
         this directory to \"sqlx\", \"dbmate\", \"golang-migrate\" or \"plain\"\n"
    );
    assert!(!project.path().join("m").exists());
    let file = project.file("m", "");
    assert!(revision(&file, ["-m", "x"]).exit(3).stderr.contains("is a file"));
}

#[test]
fn the_printed_path_is_relative_to_the_current_folder() {
    let project = empty().file("migrations/users/1_a.sql", "SELECT 1;").file("web/x", "");
    let inside = project.mig_ci(["revision", "-n", "users", "-m", "b"]).in_folder("migrations");
    assert_eq!(inside.run().success().stdout, "users/0002_b.sql\n");
    let beside = project.mig_ci(["revision", "-n", "users", "-m", "c"]).in_folder("web");
    let root = project.path().canonicalize_utf8().unwrap();
    let expected = format!("{root}/migrations/users/0003_c.sql\n");
    assert_eq!(beside.run().success().stdout, expected);
}

#[test]
fn nothing_is_written_outside_of_the_project() {
    let elsewhere = project();
    let project = empty();
    std::os::unix::fs::symlink(elsewhere.path(), project.path().join("migrations")).unwrap();
    let run = revision(&project, ["-n", "users", "-m", "x"]).exit(4);
    assert!(run.stderr.contains("it is a symlink to"), "{}", run.stderr);
    assert_eq!(elsewhere.path().read_dir_utf8().unwrap().count(), 0);
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let project = empty().file("migrations/users/1_a.sql", "SELECT 1;");
    std::fs::create_dir(project.path().join("migrations/users/0002_b.sql")).unwrap();
    let run = revision(&project, ["-n", "users", "-m", "b"]).exit(4);
    assert!(run.stderr.contains("0002_b.sql: it already exists"), "{}", run.stderr);
}

/// sqlx-cli in a copy of the same folder uses the same file name and content.
#[test]
fn sqlx_cli_writes_the_same_file() {
    let Some(sqlx) = peer("sqlx") else { return };
    for files in [
        &[][..],
        &["1_a.sql"],
        &["0_a.sql"],
        &["2_a.sql"],
        &["0001_a.sql", "0002_b.sql"],
        &["1_a.sql", "3_b.sql"],
        &["9998_a.sql", "9999_b.sql"],
        &["20240101000000_a.sql"],
        &["20240101000000_a.up.sql", "20240101000000_a.down.sql"],
        &["0001_a.up.sql", "0001_a.down.sql", "0002_b.up.sql", "0002_b.down.sql"],
        &["0001_a.up.sql", "0001_a.down.sql"],
    ] {
        let shop = || {
            let project = empty().file("migrations/users/README.md", "");
            files.iter().fold(project, |project, name| {
                project.file(&format!("migrations/users/{name}"), "SELECT 1;")
            })
        };
        let (ours, theirs) = (shop(), shop());
        revision(&ours, ["-n", "users", "-m", "add Table"]).success();
        let mut add = Process::new(&sqlx);
        add.args(["migrate", "add", "--source", "migrations/users", "add Table"]);
        // This version of it needs a flag.
        if files.last().is_some_and(|name| name.ends_with(".down.sql")) {
            add.arg("-r");
        }
        scrub(&mut add);
        let output = add.current_dir(theirs.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(folder(&ours), folder(&theirs), "{files:?}");
    }
}

/// Names and texts, with the time in the names hidden.
fn folder(project: &Project) -> Vec<(String, String)> {
    let path = project.path().join("migrations/users");
    let time = Regex::new(r"^20(2[5-9]|[3-9]\d)\d{10}_").unwrap();
    let entries = path.read_dir_utf8().unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = time.replace(entry.file_name(), "[TIME]_").into_owned();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn sqlx_runs_the_written_file() {
    let project = empty();
    for message in ["one", "two", "three"] {
        let run = revision(&project, ["-n", "users", "-m", message]).success();
        let path = project.path().join(run.stdout.trim());
        std::fs::write(path, format!("CREATE TABLE {message} ();")).unwrap();
    }
    let database = postgres().database().await;
    let folder = project.path().join("migrations/users");
    let migrator = Migrator::new(Path::new(folder.as_str())).await.unwrap();
    let mut session = PgConnection::connect(&database.url()).await.unwrap();
    migrator.run(&mut session).await.unwrap();
    session.close().await.unwrap();
    let done = "SELECT string_agg(description, ' ' ORDER BY version) FROM _sqlx_migrations";
    assert_eq!(database.sql(done).await, ["one two three"]);
}

#[tokio::test]
async fn dbmate_writes_and_runs_the_same_file() {
    let Some(dbmate) = peer("dbmate") else { return };
    let database = postgres().database().await;
    let project = empty();
    let run = |verb: &[&str]| {
        let mut process = Process::new(&dbmate);
        process
            .args(["--url", &database.go_url(), "--no-dump-schema"])
            .args(["--migrations-dir", "migrations/orders"])
            .args(verb);
        scrub(&mut process);
        let output = process.current_dir(project.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let ours = revision(&project, ["-n", "orders", "-m", "add table"]).success();
    let status = run(&["status"]);
    assert!(status.contains("_add_table.sql\n\nApplied: 0\nPending: 1\n"), "{status}");
    run(&["migrate"]);
    // dbmate does not check whether the second is taken, and two files of one second have the same version.
    let second = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = second();
    until("the next second", || (second() > now).then_some(()));
    let theirs = run(&["new", "another_one"]);
    let theirs = theirs.trim().strip_prefix("Creating migration: ").unwrap();
    assert_eq!(project.read(ours.stdout.trim()), project.read(theirs));
    let next = revision(&project, ["-n", "orders", "-m", "last"]).success();
    let status = run(&["status"]);
    let files: Vec<_> = status.lines().filter_map(|line| line.split_once("] ")).collect();
    assert_eq!(files.len(), 3);
    assert!(next.stdout.trim().ends_with(files[2].1), "{status}{}", next.stdout);
    assert!(status.contains("Applied: 1\nPending: 2"), "{status}");
}
