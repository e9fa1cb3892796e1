//! Connections to a real server: passwords outside of the URL, and TLS.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{outcome, report};
use crate::common::{PASSWORD, Postgres, Project, peer, postgres, project};

fn users() -> Project {
    let config =
        "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    project().file("mig-ci.toml", config).file(
        "m/1_seen.sql",
        "CREATE TABLE seen AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();",
    )
}

/// A file that no other user may read, as libpq requires.
fn private(shop: &Project, name: &str) -> String {
    let path = shop.path().join(name);
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.into_string()
}

#[tokio::test]
async fn a_password_comes_from_the_environment_or_the_pgpass_file() {
    let port = postgres().port();
    let main = postgres().database().await;
    let url = format!("postgres://admin@127.0.0.1:{port}/{}", main.name);
    let shop = users().file("home/.pgpass", format!("127.0.0.1:{port}:*:admin:{PASSWORD}\n"));
    let shop = shop.file("other", format!("*:*:{}:*:wrong\n*:*:*:*:{PASSWORD}\n", main.name));
    private(&shop, "home/.pgpass");
    let other = private(&shop, "other");
    let home = shop.path().join("home");
    let run = || shop.mig_ci(["upgrade"]).env("SHOP_URL", &url).env("HOME", "/nonexistent");
    let none = run().run().exit(4);
    assert!(none.stderr.contains("cannot connect to 127.0.0.1"), "{none:?}");
    let wrong = run().env("PGPASSWORD", "hunter2").run().exit(4);
    assert!(wrong.stderr.contains("password authentication failed"), "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("hunter2"));
    run().env("PGPASSWORD", PASSWORD).run().success();
    run().env("HOME", &home).run().success();
    let wrong = run().env("PGPASSFILE", &other).run().exit(4);
    assert!(!format!("{wrong:?}").contains("wrong\\n"), "{wrong:?}");

    // A tenant's database has its own line.
    let tenant = postgres().database().await;
    let config = format!(
        "[databases.customer]\nurl = \"{url}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
         format = \"sqlx\"\ntenancy = \"database\"\n"
    );
    let shop = shop.file("mig-ci.toml", config);
    let args = ["upgrade", "--tenant", &tenant.name, "--format=json"];
    let run = shop.mig_ci(args).env("HOME", "/nonexistent").env("PGPASSFILE", other).run();
    assert_eq!(outcome(&report(&run.success()), &tenant.name), "upgraded");
}

/// A server certificate for 127.0.0.1 with its key, and the certificate of the CA that signed it.
fn certified() -> (String, String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    (server.pem(), key.serialize_pem(), ca.pem())
}

#[tokio::test]
async fn tls_follows_the_sslmode_of_the_url() {
    let (certificate, key, ca) = certified();
    let (_, _, stranger) = certified();
    let server = Postgres::start_with_tls(&certificate, &key);
    let shop = users().file("ca.pem", ca).file("stranger.pem", stranger);
    let run = |host: &str, parameters: &str| {
        let url = server.tcp_url("postgres").replace("127.0.0.1", host);
        let root = shop.path();
        let url = format!("{url}?{}", parameters.replace("{}", root.as_str()));
        shop.mig_ci(["upgrade"]).env("SHOP_URL", url).run()
    };
    let here = "127.0.0.1";
    for parameters in [
        "sslmode=require",
        "sslmode=verify-full&sslrootcert={}/ca.pem",
        "sslmode=verify-ca&sslrootcert={}/ca.pem",
    ] {
        run(here, parameters).success();
        let seen = "SELECT ssl FROM seen; DROP TABLE seen, _sqlx_migrations";
        assert_eq!(server.sql(seen).await[0], "t", "{parameters}");
    }
    // Another host's certificate, and another CA's.
    run("localhost", "sslmode=verify-ca&sslrootcert={}/ca.pem").success();
    for (host, parameters) in [
        ("localhost", "sslmode=verify-full&sslrootcert={}/ca.pem"),
        (here, "sslmode=verify-full&sslrootcert={}/stranger.pem"),
        (here, "sslmode=verify-full&sslrootcert={}/nowhere.pem"),
        (here, "sslmode=verify-full"),
    ] {
        let refused = run(host, parameters).exit(4);
        assert!(refused.stderr.contains("cannot connect to"), "{parameters}: {refused:?}");
        assert!(!refused.stderr.contains(PASSWORD), "{refused:?}");
    }
    let unknown = run(here, "sslmode=sometimes").exit(3);
    assert!(unknown.stderr.contains("parameters are invalid"), "{unknown:?}");
    // A server without TLS gets no password in clear text if TLS is required.
    let plain = postgres().tcp_url("postgres") + "?sslmode=require";
    let plain = shop.mig_ci(["upgrade"]).env("SHOP_URL", plain).run().exit(4);
    assert!(plain.stderr.contains("server does not support TLS"), "{plain:?}");
}

/// On a terminal, changes on a server of another machine need a confirmation. (The server does not respond: a confirmed run
/// reports that.)
#[test]
fn a_remote_server_needs_a_confirmation_on_a_terminal() {
    // It creates a terminal for a command.
    let Some(script) = peer("script") else { return };
    let url = "postgres://app@nowhere.invalid:5999/users";
    let shop = users();
    let on_a_terminal = |args: &str, answer: &str| {
        let command = format!("exec {} -qec \"$0 upgrade {args}\" /dev/null", script.display());
        let none: [&str; 0] = [];
        let run = shop.mig_ci(none).through("sh", &["-c", &command]);
        run.env("SHOP_URL", url).stdin(answer).run()
    };
    let question = "upgrade `users` at nowhere.invalid:5999/users? [y/N]";
    for answer in ["n\n", "\n", "maybe\n"] {
        let no = on_a_terminal("", answer).exit(2);
        assert!(no.stdout.contains(question), "{no:?}");
        assert!(no.stdout.contains("nothing was done: not confirmed"), "{no:?}");
    }
    let yes = on_a_terminal("", "y\n").exit(4);
    assert!(yes.stdout.contains(question) && yes.stdout.contains("cannot connect"), "{yes:?}");
    let told = on_a_terminal("--yes", "").exit(4);
    assert!(!told.stdout.contains("[y/N]"), "{told:?}");
    // A dry run changes nothing, and a job has no terminal for a confirmation.
    let plan = on_a_terminal("--dry-run", "").exit(4);
    assert!(!plan.stdout.contains("[y/N]"), "{plan:?}");
    let job = shop.mig_ci(["upgrade"]).env("SHOP_URL", url).run().exit(4);
    assert!(!job.stderr.contains("[y/N]"), "{job:?}");
}
