//! Compares downgrades with the real tools on a real server: each tool upgrades and downgrades one database, mig-ci downgrades
//! another. They have to leave the same tables, the same rows, and the same ledger.

use std::path::{Path, PathBuf};
use std::process::Command;

use ::sqlx::migrate::Migrator;
use ::sqlx::postgres::PgConnectOptions;
use ::sqlx::{ConnectOptions as _, Connection as _};
use camino::{Utf8Path, Utf8PathBuf};
use pretty_assertions::assert_eq;
use tokio::sync::mpsc;

use super::{DownDecision, DownRefusal, DownTo};
use crate::formats::dbmate::Dbmate;
use crate::formats::sqlx::Sqlx;
use crate::formats::testing::directory;
use crate::formats::{Format, Ledger};
use crate::model::{PostgresSettings, ProviderChoice};
use crate::postgres::Session;
use crate::server::{RunId, Server, ServerRequest};
use crate::skipped::have;
use crate::source::Worktree;

/// Tables with their columns, indexes with their validity, and the rows that the scripts have inserted.
const STATE: &str = "SELECT line FROM (
    SELECT 1 AS part, format('%s %s %s', relname, attname, format_type(atttypid, atttypmod)) AS line
    FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
    UNION ALL
    SELECT 2, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index
    WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL
    SELECT 3, format('%s %s', lpad(id::text, 3), text) FROM log
) AS lines ORDER BY part, line COLLATE \"C\"";

const LOG: &str = "CREATE TABLE log (id serial, text text);";

/// One directory, and a downgrade target.
struct DownCase {
    name: &'static str,
    files: Vec<(&'static str, String)>,
    /// SQL to run after everything has been applied.
    then: &'static str,
    /// Files that are deleted after that, or rewritten.
    gone: &'static [&'static str],
    edited: &'static [&'static str],
    to: DownTo,
    expected: ExpectedOutcome,
}

enum ExpectedOutcome {
    /// Both succeed.
    Goes,
    /// Both stop with this message.
    Stops(&'static str),
}

fn case(name: &'static str, to: DownTo, files: &[(&'static str, &str)]) -> DownCase {
    let files = files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    DownCase { name, files, then: "", gone: &[], edited: &[], to, expected: ExpectedOutcome::Goes }
}

impl DownCase {
    fn stops(self, words: &'static str) -> Self {
        Self { expected: ExpectedOutcome::Stops(words), ..self }
    }

    fn then(self, sql: &'static str) -> Self {
        Self { then: sql, ..self }
    }

    fn gone(self, files: &'static [&'static str]) -> Self {
        Self { gone: files, ..self }
    }

    fn edited(self, files: &'static [&'static str]) -> Self {
        Self { edited: files, ..self }
    }
}

/// A tool: upgrade to the head, and downgrade.
trait Tool {
    const FORMAT: &'static dyn Format;
    const LEDGER: &'static str;
    /// The ledger's rows without their times.
    const ROWS: &'static str;

    async fn up(&self, at: &PgConnectOptions, directory: &Utf8Path);
    async fn down(
        &self,
        at: &PgConnectOptions,
        directory: &Utf8Path,
        to: &DownTo,
    ) -> Result<(), String>;
}

/// The sqlx crate in this process. It only has targets.
struct InProcess;
/// sqlx-cli.
struct Cli(PathBuf);
/// dbmate, which only has steps; it is run once per step.
struct OfDbmate(PathBuf);

impl Tool for InProcess {
    const FORMAT: &'static dyn Format = &Sqlx;
    const LEDGER: &'static str = "_sqlx_migrations";
    const ROWS: &'static str = "SELECT concat_ws(' ', version, description, success, checksum) FROM _sqlx_migrations ORDER BY version";

    async fn up(&self, at: &PgConnectOptions, directory: &Utf8Path) {
        let migrator = Migrator::new(directory.as_std_path().to_owned()).await.unwrap();
        let mut session = at.connect().await.unwrap();
        migrator.run_direct(None, &mut session, false).await.unwrap();
        session.close().await.unwrap();
    }

    async fn down(
        &self,
        at: &PgConnectOptions,
        directory: &Utf8Path,
        to: &DownTo,
    ) -> Result<(), String> {
        let target = match to {
            DownTo::Base => i64::MIN,
            DownTo::Version(version) => version.parse().unwrap(),
            DownTo::Steps(_) => unreachable!(),
        };
        let migrator = Migrator::new(directory.as_std_path().to_owned()).await.unwrap();
        let mut session = at.connect().await.unwrap();
        let outcome = migrator.undo(&mut session, target).await;
        let _ = session.close().await;
        outcome.map_err(|error| error.to_string())
    }
}

impl Tool for Cli {
    const FORMAT: &'static dyn Format = InProcess::FORMAT;
    const LEDGER: &'static str = InProcess::LEDGER;
    const ROWS: &'static str = InProcess::ROWS;

    async fn up(&self, at: &PgConnectOptions, directory: &Utf8Path) {
        InProcess.up(at, directory).await;
    }

    async fn down(
        &self,
        at: &PgConnectOptions,
        directory: &Utf8Path,
        to: &DownTo,
    ) -> Result<(), String> {
        let revert = |target: &[&str]| {
            let url = at.to_url_lossy();
            let options = ["--database-url", url.as_str(), "--source", directory.as_str()];
            run(Command::new(&self.0).args(["migrate", "revert"]).args(options).args(target))
        };
        match to {
            DownTo::Steps(steps) => (0..*steps).try_for_each(|_| revert(&[]).map(drop)),
            DownTo::Version(version) => revert(&["--target-version", version]).map(drop),
            DownTo::Base => revert(&["--target-version", "0"]).map(drop),
        }
    }
}

impl OfDbmate {
    fn run(
        &self,
        at: &PgConnectOptions,
        directory: &Utf8Path,
        verb: &str,
    ) -> Result<String, String> {
        let (socket, port) = (at.get_socket().unwrap().display(), at.get_port());
        let (role, name) = (at.get_username(), at.get_database().unwrap());
        let url = format!("postgres://{role}@/{name}?socket={socket}&port={port}&sslmode=disable");
        let options = ["--url", &url, "--migrations-dir", directory.as_str(), "--no-dump-schema"];
        run(Command::new(&self.0).args(options).arg(verb))
    }
}

impl Tool for OfDbmate {
    const FORMAT: &'static dyn Format = &Dbmate;
    const LEDGER: &'static str = "schema_migrations";
    const ROWS: &'static str = "SELECT version FROM schema_migrations ORDER BY version";

    async fn up(&self, at: &PgConnectOptions, directory: &Utf8Path) {
        self.run(at, directory, "migrate").unwrap();
    }

    async fn down(
        &self,
        at: &PgConnectOptions,
        directory: &Utf8Path,
        to: &DownTo,
    ) -> Result<(), String> {
        let mut left = if let DownTo::Steps(steps) = to { *steps } else { usize::MAX };
        while left > 0 {
            let status = self.run(at, directory, "status")?;
            let latest = status.lines().rev().find_map(|line| line.strip_prefix("[X] "));
            let arrived = match (to, latest) {
                (DownTo::Version(version), Some(file)) => file.starts_with(&format!("{version}_")),
                (DownTo::Base, None) => true,
                _ => false,
            };
            if arrived {
                break;
            }
            self.run(at, directory, "rollback")?;
            left -= 1;
        }
        Ok(())
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.env_remove("DATABASE_URL").output().unwrap();
    let output_text =
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(output_text) } else { Err(output_text) }
}

/// As in `tests/it`.
fn peer(name: &str, in_peers: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os(format!("MIG_CI_PEER_{}", name.to_uppercase()));
    let found = named.map_or_else(|| root.join("target/peers").join(in_peers), PathBuf::from);
    let found = if found.is_file() { Ok(found) } else { Err(format!("not {}", found.display())) };
    have("MIG_CI_REQUIRE_PEERS", name, found)
}

/// npm's command is a script that finds and starts the program, which takes longer than the program itself.
fn behind_npm(command: PathBuf) -> PathBuf {
    let modules = command.parent().and_then(Path::parent);
    let packages = modules.and_then(|modules| modules.join("@dbmate").read_dir().ok());
    let programs = packages.into_iter().flatten().filter_map(|package| {
        Some(package.ok()?.path().join("bin/dbmate")).filter(|program| program.is_file())
    });
    programs.last().unwrap_or(command)
}

async fn server() -> Server {
    let settings =
        PostgresSettings { provider: ProviderChoice::Local, ..PostgresSettings::default() };
    let (events, _events) = mpsc::unbounded_channel();
    let request = ServerRequest {
        settings,
        run: RunId::new(),
        jobs: 1,
        programs: false,
        program_image: None,
    };
    Server::start(&request, &events).await.unwrap()
}

async fn compare<T: Tool>(tool: &T, server: &Server, case: &DownCase) {
    let folder = tempfile::tempdir().unwrap();
    let root: &Utf8Path = folder.path().try_into().unwrap();
    let m = root.join("m");
    std::fs::create_dir(&m).unwrap();
    let write = |name: &str, text: &str| std::fs::write(m.join(name), text).unwrap();
    case.files.iter().for_each(|(name, text)| write(name, text));
    let mut databases = Vec::new();
    for _ in ["theirs", "ours"] {
        let database = server.owner(&server.create_database().await.unwrap());
        tool.up(&database, &m).await;
        let mut session = Session::open_plain(database.clone()).await.unwrap();
        session.execute(case.then).await.unwrap();
        session.close().await;
        databases.push(database);
    }
    case.gone.iter().for_each(|name| std::fs::remove_file(m.join(name)).unwrap());
    case.edited.iter().for_each(|name| write(name, "SELECT 'edited';\n"));
    let theirs = tool.down(&databases[0], &m, &case.to).await;
    let ours = ours::<T>(&databases[1], root, &case.to).await;
    match (&case.expected, &theirs, &ours) {
        (ExpectedOutcome::Goes, Ok(()), Ok(())) => {}
        (ExpectedOutcome::Stops(words), Err(theirs), Err(ours))
            if theirs.contains(words) && ours.contains(words) => {}
        _ => panic!("{}: {theirs:?}, and ours {ours:?}", case.name),
    }
    let (theirs, ours) = (state::<T>(&databases[0]).await, state::<T>(&databases[1]).await);
    assert_eq!(theirs, ours, "{}", case.name);
}

/// A downgrade by the rules of the format.
async fn ours<T: Tool>(
    database: &PgConnectOptions,
    root: &Utf8Path,
    to: &DownTo,
) -> Result<(), String> {
    let files = Worktree::new(Utf8PathBuf::from(root));
    let directory = directory(&files, "m");
    let migrations = T::FORMAT.load(&directory).unwrap();
    let ledger: Ledger = T::FORMAT.ledger(&directory, "public").unwrap();
    let mut session = Session::open_plain(database.clone()).await.unwrap();
    let rows = session.ledger(&ledger, &T::FORMAT.ledger_rows(&ledger)).await.unwrap();
    let decided = T::FORMAT.decide_down(&rows.unwrap(), &migrations, to);
    let decision: DownDecision = decided.map_err(|refusal: DownRefusal| refusal.reason)?;
    for index in decision.undo {
        let below = index.checked_sub(1).map(|below| &migrations[below]);
        let messages = T::FORMAT.revert(&migrations[index], below, &ledger);
        let is_applied_expr = T::FORMAT.is_applied_expr(&migrations[index], &ledger);
        let postcondition = session.step(&messages, &is_applied_expr).await;
        let postcondition = postcondition.map_err(|failed| failed.failure.message)?;
        assert!(!postcondition.is_applied, "{index} is still recorded");
    }
    session.close().await;
    Ok(())
}

async fn state<T: Tool>(database: &PgConnectOptions) -> Vec<String> {
    let mut session = Session::open_plain(database.clone()).await.unwrap();
    let mut lines = session.column(STATE).await.unwrap();
    lines.extend(session.column(T::ROWS).await.unwrap());
    session.close().await;
    assert!(lines.iter().any(|line| line.starts_with(T::LEDGER)), "{lines:?}");
    lines
}

fn log(text: &str) -> String {
    format!("INSERT INTO log (text) VALUES ('{text}');\n")
}

fn to(version: &str) -> DownTo {
    DownTo::Version(version.to_owned())
}

/// Two reversible migrations, an irreversible one, and one whose index is created and dropped outside of a transaction.
fn shop() -> Vec<(&'static str, String)> {
    vec![
        ("1_a.up.sql", LOG.to_owned()),
        ("1_a.down.sql", "-- the log stays, to be read\n".to_owned()),
        ("2_b.up.sql", "CREATE TABLE b (id int);\n".to_owned()),
        ("2_b.down.sql", log("down 2") + "DROP TABLE b"),
        ("3_c.sql", log("up 3")),
        ("4_d.up.sql", "CREATE TABLE d (id int); CREATE INDEX d_id ON d (id);\n".to_owned()),
        ("4_d.down.sql", "-- no-transaction\nDROP INDEX CONCURRENTLY d_id;".to_owned()),
        ("10_e.up.sql", log("up 10")),
        ("10_e.down.sql", log("down 10")),
    ]
}

fn in_shop(name: &'static str, to: DownTo) -> DownCase {
    DownCase { files: shop(), ..case(name, to, &[]) }
}

fn of_sqlx() -> Vec<DownCase> {
    let log_up = ("1_a.up.sql", LOG);
    let log_down = ("1_a.down.sql", "");
    vec![
        in_shop("to a version", to("4")),
        in_shop("to a version that is not reversible", to("3")),
        in_shop("past one that is not reversible", to("1")),
        in_shop("to the current version", to("10")),
        in_shop("to nothing", DownTo::Base),
        in_shop("past one that was never applied", to("1"))
            .then("DELETE FROM _sqlx_migrations WHERE version = 4"),
        in_shop("an edited file", to("2")).edited(&["10_e.up.sql", "3_c.sql"]),
        in_shop("a file that is gone", to("1"))
            .gone(&["3_c.sql"])
            .stops("migration 3 was previously applied but is missing"),
        in_shop("a dirty row", to("1"))
            .then("UPDATE _sqlx_migrations SET success = false WHERE version = 2")
            .stops("migration 2 is partially applied"),
        case(
            "a script that fails",
            to("1"),
            &[
                log_up,
                log_down,
                ("2_b.up.sql", ""),
                ("2_b.down.sql", &(log("never") + "SELECT 1/0;")),
                ("3_c.up.sql", ""),
                ("3_c.down.sql", &log("down 3")),
            ],
        )
        .stops("division by zero"),
        case(
            "a script with its own commit",
            to("1"),
            &[log_up, log_down, ("2_b.up.sql", ""), ("2_b.down.sql", &(log("x") + "COMMIT;"))],
        ),
        case(
            "one that fails outside of a transaction",
            to("1"),
            &[
                log_up,
                log_down,
                ("2_b.up.sql", ""),
                ("2_b.down.sql", &format!("-- no-transaction\n{}SELECT 1/0;", log("never"))),
            ],
        )
        .stops("division by zero"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlx_reverts_the_same() {
    let server = server().await;
    let cases = of_sqlx();
    for case in &cases {
        compare(&InProcess, &server, case).await;
    }
    if let Some(program) = peer("sqlx", "python/bin/sqlx") {
        let mut cases: Vec<DownCase> = cases;
        cases.extend([
            in_shop("one step", DownTo::Steps(1)),
            in_shop("steps past one that is not reversible", DownTo::Steps(3)),
            in_shop("more steps than there are", DownTo::Steps(9)),
            in_shop("a version that no file has", to("5"))
                .stops("migration 5 is not present in the migration source"),
            in_shop("a version that is not reached", to("10"))
                .then("DELETE FROM _sqlx_migrations WHERE version = 10")
                .stops("migration 10 is newer than the latest applied migration 4"),
            in_shop("all", to("0")),
        ]);
        let tool = Cli(program);
        for case in &cases {
            compare(&tool, &server, case).await;
        }
    }
    server.stop().await;
}

fn of_dbmate() -> Vec<DownCase> {
    let section = |up: &str, down: &str| format!("-- migrate:up\n{up}-- migrate:down\n{down}");
    let files = || {
        vec![
            ("00_a.sql", section(&format!("{LOG}\n"), "")),
            ("10_b.sql", section("CREATE TABLE b (id int);\n", &(log("down 10") + "DROP TABLE b"))),
            (
                "2_c.sql",
                "-- migrate:up\nCREATE TABLE c (id int); CREATE INDEX c_id ON c (id);\n\
                 -- migrate:down transaction:false\nDROP INDEX CONCURRENTLY c_id;\n"
                    .to_owned(),
            ),
            ("3_d.sql", section(&log("up 3"), &log("down 3"))),
        ]
    };
    let in_shop = |name, to| DownCase { files: files(), ..case(name, to, &[]) };
    let ending = |name, down: String| {
        let mut files = files();
        files.push(("4_e.sql", section("", &down)));
        DownCase { files, ..case(name, DownTo::Steps(2), &[]) }
    };
    vec![
        in_shop("one step", DownTo::Steps(1)),
        in_shop("three steps", DownTo::Steps(3)),
        in_shop("to nothing", DownTo::Base),
        in_shop("to a version", to("10")),
        in_shop("to the current version", to("3")),
        in_shop("a row without a file", DownTo::Steps(1))
            .then("INSERT INTO schema_migrations VALUES ('99')"),
        in_shop("one in the middle that was not applied", DownTo::Steps(2))
            .then("DELETE FROM schema_migrations WHERE version = '2'"),
        in_shop("nothing applied", DownTo::Steps(1))
            .then("DELETE FROM schema_migrations")
            .stops("can't rollback: no migrations have been applied"),
        in_shop("a file that is gone", DownTo::Steps(1)).gone(&["3_d.sql"]),
        ending("a script that fails", log("never") + "SELECT 1/0;").stops("division by zero"),
        ending("its own commit", log("x") + "COMMIT;\n")
            .stops("unexpected transaction status idle"),
        ending("a moved search path", "SET search_path = pg_catalog;\n".to_owned())
            .stops("relation \"pg_catalog.schema_migrations\" does not exist"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dbmate_reverts_the_same() {
    let Some(program) = peer("dbmate", "node_modules/.bin/dbmate") else { return };
    let program = behind_npm(program);
    let server = server().await;
    for case in of_dbmate() {
        compare(&OfDbmate(program.clone()), &server, &case).await;
    }
    server.stop().await;
}
