//! What others do to the database meanwhile, what is left out, and whole databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Room, schema};
use crate::catalog::CatalogReader;
use crate::model::{FailureKind, LeaveOut};
use crate::postgres::Session;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_costs_its_schema_alone() {
    let mut room = Room::new().await;
    let all = names(&["a", "b", "c", "d", "e", "f", "absent", "g"]);
    for schema in all.iter().filter(|name| *name != "absent") {
        room.tenant(schema).await;
    }
    room.sql("BEGIN; LOCK TABLE c.users IN ACCESS EXCLUSIVE MODE").await;
    let begun = Instant::now();
    let read = room.reader.fingerprints(&all, &LeaveOut::nothing()).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let expected = read[0].1.as_ref().unwrap();
    for (name, read) in &read {
        match name.as_str() {
            "c" => {
                let kind = FailureKind::Sql { sqlstate: "55P03".to_owned() };
                assert_eq!(read.as_ref().unwrap_err().kind, kind);
            }
            "absent" => {
                assert!(read.as_ref().unwrap_err().message.contains("no schema `absent`"));
            }
            _ => assert_eq!(read.as_ref().unwrap(), expected),
        }
    }
    room.sql("ROLLBACK").await;
    assert_eq!(room.fingerprint("c").await, *expected);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_reader_that_is_done() {
    let mut room = Room::new().await;
    room.tenant("acme").await;
    room.fingerprint("acme").await;
    room.sql("SET lock_timeout = '100ms'; DROP SCHEMA acme CASCADE").await;
    room.end().await;
}

/// Somebody makes and drops things all the time; whoever is left alone has his fingerprint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drops_meanwhile_harm_nobody_else() {
    let mut room = Room::new().await;
    for schema in ["a", "b", "busy"] {
        room.tenant(schema).await;
    }
    let expected = room.fingerprint("a").await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut session = Session::open_plain(room.options()).await.unwrap();
    let busy = tokio::spawn({
        let ended = Arc::clone(&ended);
        async move {
            let mut rounds = 0;
            while !ended.load(Ordering::Relaxed) {
                for sql in [
                    "CREATE TABLE busy.more (a int DEFAULT 1 CHECK (a > 0), b int GENERATED ALWAYS AS (a) STORED); \
                     CREATE INDEX ON busy.more ((a + 1)); CREATE VIEW busy.more_view AS SELECT a FROM busy.more",
                    "DROP TABLE busy.more CASCADE",
                    "DROP TRIGGER audit_users ON busy.users",
                    "CREATE TRIGGER audit_users AFTER INSERT ON busy.users FOR EACH ROW EXECUTE FUNCTION busy.audit()",
                ] {
                    session.execute(sql).await.unwrap();
                }
                rounds += 1;
            }
            session.close().await;
            rounds
        }
    });
    let all = names(&["a", "busy", "b"]);
    let mut failed = 0;
    for _ in 0..60 {
        let read = room.reader.fingerprints(&all, &LeaveOut::nothing()).await;
        assert_eq!(read[0].1.as_ref().unwrap(), &expected);
        assert_eq!(read[2].1.as_ref().unwrap(), &expected);
        failed += usize::from(read[1].1.is_err());
    }
    ended.store(true, Ordering::Relaxed);
    assert!(busy.await.unwrap() > 0);
    assert!(failed < 30, "{failed} of 60");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_is_everybodys_failure() {
    let mut room = Room::new().await;
    room.tenant("acme").await;
    room.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND datname = current_database()").await;
    let read = room.reader.fingerprints(&names(&["acme", "beta"]), &LeaveOut::nothing()).await;
    assert!(read.iter().all(|(_, read)| {
        read.as_ref().is_err_and(|failure| failure.kind == FailureKind::ConnectionLost)
    }));
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledgers_are_left_out_with_all_that_is_theirs() {
    let mut room = Room::new().await;
    for schema in ["acme", "beta"] {
        room.tenant(schema).await;
    }
    room.sql_in(
        "beta",
        "CREATE TABLE \"Led'ger\" (id bigserial PRIMARY KEY, v text CHECK (v <> '') UNIQUE); \
         CREATE TRIGGER t BEFORE UPDATE ON \"Led'ger\" FOR EACH ROW EXECUTE FUNCTION shared.touch(); \
         CREATE STATISTICS led ON id, v FROM \"Led'ger\"; COMMENT ON COLUMN \"Led'ger\".v IS 'x'",
    )
    .await;
    let schemas = names(&["acme", "beta"]);
    let without = LeaveOut::tables([("acme", "Led'ger"), ("beta", "Led'ger")]);
    let read = room.reader.fingerprints(&schemas, &without).await;
    assert_eq!(read[0].1.as_ref().unwrap(), read[1].1.as_ref().unwrap());
    let (acme, beta) = (
        room.reader.catalog("acme", &without).await.unwrap(),
        room.reader.catalog("beta", &without).await.unwrap(),
    );
    assert_eq!(beta.differences(&acme), []);
    let told = room.differences("beta", "acme").await;
    assert_eq!(
        told,
        [
            "sequence \"Led'ger_id_seq\" exists, and is not expected",
            "table \"Led'ger\" exists, and is not expected",
            "index \"Led'ger_pkey\" exists, and is not expected",
            "index \"Led'ger_v_key\" exists, and is not expected",
            "statistics led exists, and is not expected",
        ]
    );
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_all_its_schemas_by_their_names() {
    let mut room = Room::new().await;
    let script = schema::of(room.reader.major);
    let other = room.server.create_database().await.unwrap();
    let options = room.server.admin_in(&other);
    let mut session = Session::open_plain(options.clone()).await.unwrap();
    let mut reader = CatalogReader::open(&options).await.unwrap();
    let shared = schema::SHARED.replace("CREATE ROLE app; CREATE ROLE other;", "");
    session.execute(shared).await.unwrap();
    let nothing = LeaveOut::nothing();
    for schema in ["acme", "select"] {
        room.tenant(schema).await;
        assert_ne!(
            room.reader.database_fingerprint(&nothing).await.unwrap(),
            reader.database_fingerprint(&nothing).await.unwrap()
        );
        let sql = format!("CREATE SCHEMA \"{schema}\"; SET search_path = \"{schema}\"; {script}");
        session.execute(sql).await.unwrap();
        let (one, two) = (
            room.reader.database_catalog(&nothing).await.unwrap(),
            reader.database_catalog(&nothing).await.unwrap(),
        );
        assert_eq!(one.differences(&two), []);
        let made = room.reader.database_fingerprint(&nothing).await.unwrap();
        assert_eq!(made, one.fingerprint());
        assert_eq!(made, reader.database_fingerprint(&nothing).await.unwrap());
    }
    for (sql, words) in [
        ("ALTER TABLE acme.base ADD x int", "column acme.base.x is missing"),
        ("CREATE PUBLICATION p FOR TABLE acme.users", "publication p is missing"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app", "default privileges "),
        (
            "CREATE FUNCTION shared.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION shared.e()",
            "event trigger e is missing",
        ),
        ("CREATE SCHEMA more", "schema more is missing"),
    ] {
        let before = reader.database_fingerprint(&nothing).await.unwrap();
        session.execute(sql).await.unwrap();
        assert_ne!(reader.database_fingerprint(&nothing).await.unwrap(), before, "{sql}");
        let (one, two) = (
            room.reader.database_catalog(&nothing).await.unwrap(),
            reader.database_catalog(&nothing).await.unwrap(),
        );
        let told: Vec<String> = one.differences(&two).iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.starts_with(words)), "{sql}: {told:?}");
    }
    session.close().await;
    reader.close().await;
    room.end().await;
}
