//! One PostgreSQL for all tests of the process: started at its first use, stopped with the process.
//!
//! The server is a child of a small shell that reads from a pipe of this process. However the process ends, SIGKILL
//! included, the pipe closes, and the shell stops the server and removes its folder.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, ValueRef as _};

use super::{fingerprint, until};
use crate::skipped::have;

/// `$1` is the binaries, `$2` the folder, the rest options of the server. Also creates the cluster, so that nothing remains
/// if the process ends meanwhile. SIGINT is a fast shutdown of the server; SIGTERM to the group is for initdb.
const KEEPER: &str = r#"
binaries=$1; folder=$2; shift 2
{
    "$binaries/initdb" --no-sync --no-locale --encoding=UTF8 --username=admin --auth-local=trust \
        --auth-host=scram-sha-256 --pwfile="$folder/password" --pgdata="$folder/data" &&
    exec "$binaries/postgres" -D "$folder/data" "$@"
    touch "$folder/failed"
} >"$folder/log" 2>&1 </dev/null &
child=$!
cat >/dev/null
trap '' TERM
kill -INT "$child"
kill -TERM 0
wait "$child"
rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
"#;

/// The administrator's password, over TCP.
pub(crate) const PASSWORD: &str = "only-for-tests";

static SERVER: LazyLock<Postgres> = LazyLock::new(Postgres::start);
static SECOND: LazyLock<Postgres> = LazyLock::new(Postgres::start);
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: PathBuf,
    port: u16,
    /// Its standard input is the pipe. Never dropped, since it is in a static.
    _postmaster: Child,
}

/// A database of one test, owned by a role without other privileges.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: String,
    server: &'static Postgres,
}

/// The server that all tests of this process share.
///
/// # Panics
/// If this machine has no PostgreSQL, or it does not start.
pub(crate) fn postgres() -> &'static Postgres {
    &SERVER
}

/// Another server, for tests whose leftovers other runs would find and report.
pub(crate) fn second_postgres() -> &'static Postgres {
    &SECOND
}

impl Drop for Postgres {
    /// Waits until it has stopped. The shared one is never dropped.
    fn drop(&mut self) {
        drop(self._postmaster.stdin.take());
        let _ = self._postmaster.wait();
    }
}

impl Postgres {
    /// A server of one test, stopped when the value is dropped.
    pub(crate) fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// A server of another major version, if `.ci/run` has installed it. It runs until the process ends.
    ///
    /// # Panics
    /// If it is not installed and `MIG_CI_REQUIRE_PEERS=1`.
    pub(crate) fn of_version(major: u32) -> Option<&'static Self> {
        let binaries = PathBuf::from(format!("/opt/mig-ci-peers/postgres-{major}/bin"));
        let found =
            if binaries.join("postgres").is_file() { Ok(()) } else { Err(binaries.display()) };
        have("MIG_CI_REQUIRE_PEERS", &format!("PostgreSQL {major}"), found)?;
        Some(Box::leak(Box::new(Self::start_in(&binaries, &[], &[]))))
    }

    /// A server with TLS, with this certificate and its key, both as PEM.
    pub(crate) fn start_with_tls(certificate: &str, key: &str) -> Self {
        let files = [("server.crt", certificate), ("server.key", key)];
        Self::start_with(&files, &["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"])
    }

    /// A server with a low connection limit.
    pub(crate) fn start_with_connection_limit(sessions: u32) -> Self {
        let room = format!("max_connections={sessions}");
        Self::start_with(&[], &[&room, "superuser_reserved_connections=0", "max_wal_senders=0"])
    }

    /// With files next to its data, and options that refer to them.
    fn start_with(files: &[(&str, &str)], more: &[&str]) -> Self {
        Self::start_in(&find_binaries(), files, more)
    }

    fn start_in(binaries: &Path, files: &[(&str, &str)], more: &[&str]) -> Self {
        // In memory if possible. The name is short, because a socket's path may have 107 bytes.
        let base = Path::new("/dev/shm");
        let base = if base.is_dir() { base.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("mct").tempdir_in(base).unwrap().keep();
        let password = folder.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let user = unprivileged();
        let mut all = vec![folder.clone(), password];
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            // PostgreSQL rejects a key that other users can read.
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            all.push(path);
        }
        for path in all {
            if let Some(user) = &user {
                chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            }
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = [
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            // The database's name, for [`Database::logged`].
            "log_line_prefix=%m [%p] %d ",
            "max_connections=200",
            "listen_addresses=127.0.0.1",
            &format!("port={port}"),
            &format!("unix_socket_directories={}", folder.display()),
        ];
        let mut postmaster = Command::new("/bin/sh");
        postmaster
            .args(["-c", KEEPER, "sh"])
            .args([binaries, &*folder])
            .args(options.iter().flat_map(|option| ["-c", option]))
            .args(more.iter().flat_map(|option| ["-c".to_owned(), placed(option, &folder)]))
            .current_dir(&folder)
            .env("LC_ALL", "C")
            // A process group of its own, so that Ctrl-C reaches only the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(user) = &user {
            postmaster.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let postmaster = postmaster.spawn().unwrap();
        wait_until_ready(&folder);
        Self { folder, port, _postmaster: postmaster }
    }

    /// The URL of one of its databases, as the administrator, through the socket.
    pub(crate) fn url(&self, database: &str) -> String {
        self.socket_url("admin", database)
    }

    /// The URL as the administrator, over TCP and with a password.
    pub(crate) fn tcp_url(&self, database: &str) -> String {
        self.tcp_url_through(self.port, database)
    }

    /// One of the programs of its installation.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        find_binaries().join(name)
    }

    /// The same with another port, whose listener forwards everything to this server's.
    pub(crate) fn tcp_url_through(&self, port: u16, database: &str) -> String {
        format!("postgres://admin:{PASSWORD}@127.0.0.1:{port}/{database}")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL through the socket, as a role that needs no password.
    pub(crate) fn url_as(&self, role: &str, database: &str) -> String {
        self.socket_url(role, database)
    }

    /// Runs SQL as the administrator, in one message.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<String> {
        self.sql_in("postgres", sql).await
    }

    /// The PID of the checkpointer, which every crash recovery restarts. `None` if the server does not respond.
    pub(crate) async fn checkpointer(&self) -> Option<i32> {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.ok()?;
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
        sqlx::query_scalar(sql).fetch_optional(&mut connection).await.ok()?
    }

    /// Waits until the server has recovered from a crash, given its previous checkpointer.
    pub(crate) async fn until_recovered(&self, before: i32) {
        let begun = Instant::now();
        while self.checkpointer().await.is_none_or(|now| now == before) {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for the recovery");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Signals the postmaster.
    pub(crate) fn signal(&self, signal: Signal) {
        let lock = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = lock.lines().next().unwrap().parse().unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn socket_url(&self, role: &str, database: &str) -> String {
        let folder = self.folder.to_str().unwrap();
        format!("postgres://{role}@localhost:{}/{database}?host={folder}", self.port)
    }

    /// Runs SQL as the administrator, in one message. Each row is a line, as in [`Database::sql`].
    pub(crate) async fn sql_in(&self, database: &str, sql: &str) -> Vec<String> {
        lines(&self.url(database), sql).await
    }

    /// The content of a database's schemas, rows included, as text for comparisons of two databases.
    pub(crate) async fn state(&self, database: &str) -> String {
        let mut connection = PgConnection::connect(&self.url(database)).await.unwrap();
        let text = fingerprint::read_all(&mut connection).await;
        connection.close().await.unwrap();
        text
    }

    /// A new, empty database.
    pub(crate) async fn database(&'static self) -> Database {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        // Tests run concurrently: two may find that the role does not exist.
        let role = "DO $$ BEGIN CREATE ROLE plain LOGIN; \
                    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
        lines(&self.url("postgres"), role).await;
        lines(&self.url("postgres"), &format!("CREATE DATABASE {name} OWNER plain")).await;
        Database { name, server: self }
    }
}

/// An option whose value is the path of a file next to the data.
fn placed(option: &str, folder: &Path) -> String {
    match option.split_once("_file=") {
        Some((name, file)) => format!("{name}_file={}", folder.join(file).display()),
        None => option.to_owned(),
    }
}

impl Database {
    /// The URL as its owner.
    pub(crate) fn url(&self) -> String {
        self.server.socket_url("plain", &self.name)
    }

    /// How often the server has logged this text for the database.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let of_database = format!("] {} ", self.name);
        let log = fs::read_to_string(self.server.folder.join("log")).unwrap();
        log.lines().filter(|line| line.contains(&of_database) && line.contains(text)).count()
    }

    /// Waits until the server has logged this text for the database more than this number of times.
    pub(crate) fn until_logged(&self, text: &str, before: usize) {
        until(text, || (self.logged(text) > before).then_some(()));
    }

    /// The server's socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.server.folder.join(format!(".s.PGSQL.{}", self.server.port))
    }

    /// The URL as its owner, with a socket of the same name in another folder.
    pub(super) fn url_in(&self, folder: &Path) -> String {
        let Self { name, server } = self;
        format!("postgres://plain@localhost:{}/{name}?host={}", server.port, folder.display())
    }

    /// The same for Go's `lib/pq`, where the socket's folder and the port are parameters.
    pub(crate) fn go_url(&self) -> String {
        let Postgres { folder, port, .. } = self.server;
        let folder = folder.display();
        format!("postgres://plain@/{}?socket={folder}&port={port}&sslmode=disable", self.name)
    }

    /// Runs SQL as its owner, in one message. Each row is a line: values separated by `|`, NULL as empty text.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<String> {
        lines(&self.url(), sql).await
    }

    /// The output of `pg_dump`, run by its owner.
    pub(crate) fn pg_dump(&self, args: &[&str]) -> Vec<u8> {
        let binary = self.server.program("pg_dump");
        let output = Command::new(binary).args(args).arg(self.url()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pg_dump {args:?}: {stderr}");
        output.stdout
    }

    /// The content of a schema as text for comparisons of two schemas. `without`: tables that are omitted.
    pub(crate) async fn fingerprint(&self, schema: &str, without: &[&str]) -> String {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        let text = fingerprint::read(&mut connection, schema, without).await;
        connection.close().await.unwrap();
        text
    }
}

pub(super) async fn lines(url: &str, sql: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
    connection.close().await.unwrap();
    let line = |row: &sqlx::postgres::PgRow| {
        let values: Vec<String> =
            (0..row.len())
                .map(|column| row.try_get_raw(column).unwrap())
                .map(|value| {
                    if value.is_null() { String::new() } else { value.as_str().unwrap().to_owned() }
                })
                .collect();
        values.join("|")
    };
    rows.iter().map(line).collect()
}

/// The newest installed major version: in PATH, or in the folders of Debian and Homebrew.
fn find_binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let major = |folder: &PathBuf| -> u32 {
        let name = folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        name.trim_start_matches("postgresql@").parse().unwrap_or(0)
    };
    installed
        .chain(std::env::split_paths(&path))
        .filter(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .max_by_key(major)
        .expect(
            "these tests need the server binaries of PostgreSQL 15 or later (Debian: postgresql)",
        )
}

/// The server refuses to run as root.
fn unprivileged() -> Option<User> {
    if !Uid::effective().is_root() {
        return None;
    }
    let user = |name| User::from_name(name).unwrap();
    Some(user("postgres").or_else(|| user("nobody")).expect("a user postgres or nobody"))
}

fn wait_until_ready(folder: &Path) {
    let started = Instant::now();
    // Its last line is the server's state.
    let state = || fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    while state().lines().last().map(str::trim) != Some("ready") {
        if folder.join("failed").exists() || started.elapsed() > Duration::from_secs(60) {
            panic!("no server:\n{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
        }
        sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tcp_connections_need_the_password() {
        let url = postgres().tcp_url("postgres");
        assert_eq!(lines(&url, "SELECT current_user").await, ["admin"]);
        assert!(PgConnection::connect(&url.replace(PASSWORD, "wrong")).await.is_err());
    }

    /// With another server, because other tests need the shared one.
    #[test]
    fn the_server_ends_with_the_pipe() {
        let mut server = Postgres::start();
        assert!(server.folder.join("data").is_dir());
        drop(server._postmaster.stdin.take());
        server._postmaster.wait().unwrap();
        assert!(!server.folder.exists());
    }
}
