//! A real PgBouncer in front of the server: it is detected, and nothing is done through it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};

use tempfile::{TempDir, tempdir};

use super::{numbered, shop, with_tenants};
use crate::common::{Database, peer, postgres, until};

/// Pools by transaction, and ends with the test.
struct PgBouncer {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl PgBouncer {
    fn start(program: &PathBuf, more: &str) -> Self {
        let folder = tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The user that it runs as must be able to read it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let server = postgres().tcp_url("postgres");
        let (user, rest) = server["postgres://".len()..].split_once(':').unwrap();
        let (password, _) = rest.split_once('@').unwrap();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user={user} password={password}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = transaction\nunix_socket_dir =\n{more}\n",
            postgres().port(),
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        // It does not run as root.
        let mut process = Process::new("setpriv");
        process.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).arg(&file);
        let process = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("PgBouncer", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Self { process, port, _folder: folder }
    }

    fn url(&self, database: &Database) -> String {
        format!("postgres://admin@127.0.0.1:{}/{}", self.port, database.name)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn pgbouncer_is_detected_and_refused() {
    let Some(program) = peer("pgbouncer") else { return };
    let database = with_tenants(&numbered(2)).await;
    let shop = shop(1);
    // With its default configuration, and as in the documentation of many drivers.
    for more in ["", "ignore_startup_parameters = extra_float_digits,options"] {
        let pooler = PgBouncer::start(&program, more);
        let run = shop.mig_ci(["upgrade", "--all-tenants"]).env("SHOP_URL", pooler.url(&database));
        let run = run.run().exit(4);
        assert!(run.stderr.contains("PgBouncer"), "{more}: {}", run.stderr);
        assert!(run.stderr.contains("onnect to PostgreSQL directly"), "{more}: {}", run.stderr);
    }
    let ledgers = "SELECT count(*) FROM pg_class WHERE relname = '_sqlx_migrations'";
    assert_eq!(database.sql(ledgers).await, ["0"]);
}
