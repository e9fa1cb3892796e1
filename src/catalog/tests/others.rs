//! Concurrent changes, omitted relations, and whole databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{CatalogTest, schema};
use crate::catalog::CatalogReader;
use crate::model::{FailureKind, LeaveOut};
use crate::postgres::Session;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_fails_only_its_schema() {
    let mut test = CatalogTest::new().await;
    let all = names(&["a", "b", "c", "d", "e", "f", "absent", "g"]);
    for schema in all.iter().filter(|name| *name != "absent") {
        test.tenant(schema).await;
    }
    test.sql("BEGIN; LOCK TABLE c.users IN ACCESS EXCLUSIVE MODE").await;
    let started = Instant::now();
    let read = test.reader.fingerprints(&all, &LeaveOut::nothing()).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let expected = read[0].1.as_ref().unwrap();
    for (name, read) in &read {
        match name.as_str() {
            "c" => {
                let kind = FailureKind::Sql { sqlstate: "55P03".to_owned() };
                assert_eq!(read.as_ref().unwrap_err().kind, kind);
            }
            "absent" => {
                assert!(
                    read.as_ref()
                        .unwrap_err()
                        .message
                        .contains("the schema `absent` does not exist")
                );
            }
            _ => assert_eq!(read.as_ref().unwrap(), expected),
        }
    }
    test.sql("ROLLBACK").await;
    assert_eq!(test.fingerprint("c").await, *expected);
    test.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_reader_holds_no_locks() {
    let mut test = CatalogTest::new().await;
    test.tenant("acme").await;
    test.fingerprint("acme").await;
    test.sql("SET lock_timeout = '100ms'; DROP SCHEMA acme CASCADE").await;
    test.end().await;
}

/// Another session creates and drops objects continuously; the other schemas have their fingerprints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_drops_affect_no_other_schema() {
    let mut test = CatalogTest::new().await;
    for schema in ["a", "b", "busy"] {
        test.tenant(schema).await;
    }
    let expected = test.fingerprint("a").await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut session = Session::open_plain(test.options()).await.unwrap();
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
        let read = test.reader.fingerprints(&all, &LeaveOut::nothing()).await;
        assert_eq!(read[0].1.as_ref().unwrap(), &expected);
        assert_eq!(read[2].1.as_ref().unwrap(), &expected);
        failed += usize::from(read[1].1.is_err());
    }
    ended.store(true, Ordering::Relaxed);
    assert!(busy.await.unwrap() > 0);
    assert!(failed < 30, "{failed} of 60");
    test.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_fails_all_schemas() {
    let mut test = CatalogTest::new().await;
    test.tenant("acme").await;
    test.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND datname = current_database()").await;
    let read = test.reader.fingerprints(&names(&["acme", "beta"]), &LeaveOut::nothing()).await;
    assert!(read.iter().all(|(_, read)| {
        read.as_ref().is_err_and(|failure| failure.kind == FailureKind::ConnectionLost)
    }));
    test.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledgers_are_omitted_with_their_dependent_objects() {
    let mut test = CatalogTest::new().await;
    for schema in ["acme", "beta"] {
        test.tenant(schema).await;
    }
    test.sql_in(
        "beta",
        "CREATE TABLE \"Led'ger\" (id bigserial PRIMARY KEY, v text CHECK (v <> '') UNIQUE); \
         CREATE TRIGGER t BEFORE UPDATE ON \"Led'ger\" FOR EACH ROW EXECUTE FUNCTION shared.touch(); \
         CREATE STATISTICS led ON id, v FROM \"Led'ger\"; COMMENT ON COLUMN \"Led'ger\".v IS 'x'",
    )
    .await;
    let schemas = names(&["acme", "beta"]);
    let without = LeaveOut::tables([("acme", "Led'ger"), ("beta", "Led'ger")]);
    let read = test.reader.fingerprints(&schemas, &without).await;
    assert_eq!(read[0].1.as_ref().unwrap(), read[1].1.as_ref().unwrap());
    let (acme, beta) = (
        test.reader.catalog("acme", &without).await.unwrap(),
        test.reader.catalog("beta", &without).await.unwrap(),
    );
    assert_eq!(beta.differences(&acme), []);
    let results = test.differences("beta", "acme").await;
    assert_eq!(
        results,
        [
            "sequence \"Led'ger_id_seq\" exists, and is not expected",
            "table \"Led'ger\" exists, and is not expected",
            "index \"Led'ger_pkey\" exists, and is not expected",
            "index \"Led'ger_v_key\" exists, and is not expected",
            "statistics led exists, and is not expected",
        ]
    );
    test.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_fingerprint_covers_all_schemas_with_their_names() {
    let mut test = CatalogTest::new().await;
    let script = schema::of(test.reader.major);
    let other = test.server.create_database().await.unwrap();
    let options = test.server.admin_in(&other);
    let mut session = Session::open_plain(options.clone()).await.unwrap();
    let mut reader = CatalogReader::open(&options).await.unwrap();
    let shared = schema::SHARED.replace("CREATE ROLE app; CREATE ROLE other;", "");
    session.execute(shared).await.unwrap();
    let nothing = LeaveOut::nothing();
    for schema in ["acme", "select"] {
        test.tenant(schema).await;
        assert_ne!(
            test.reader.database_fingerprint(&nothing).await.unwrap(),
            reader.database_fingerprint(&nothing).await.unwrap()
        );
        let sql = format!("CREATE SCHEMA \"{schema}\"; SET search_path = \"{schema}\"; {script}");
        session.execute(sql).await.unwrap();
        let (one, two) = (
            test.reader.database_catalog(&nothing).await.unwrap(),
            reader.database_catalog(&nothing).await.unwrap(),
        );
        assert_eq!(one.differences(&two), []);
        let made = test.reader.database_fingerprint(&nothing).await.unwrap();
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
            test.reader.database_catalog(&nothing).await.unwrap(),
            reader.database_catalog(&nothing).await.unwrap(),
        );
        let results: Vec<String> = one.differences(&two).iter().map(ToString::to_string).collect();
        assert!(results.iter().any(|line| line.starts_with(words)), "{sql}: {results:?}");
    }
    session.close().await;
    reader.close().await;
    test.end().await;
}
