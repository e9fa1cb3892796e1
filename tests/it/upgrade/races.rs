//! Tenants that change the same objects concurrently: migrations that pass serially pass concurrently, and migrations that
//! fail serially fail.

use super::{counts, numbered, report, shop, upgrade, with_tenants};
use crate::common::Database;
use crate::common::upgrade_report::UpgradeReport;

const TENANTS: usize = 60;

/// Waits until another worker is in the middle of its script as well: waiting here, or for a lock. A new session waits for a
/// second, so that the first tenants overlap on a slow machine, too; later the pause is short. With one worker there is
/// none.
const MEET: &str = "CREATE FUNCTION public.meet() RETURNS void LANGUAGE plpgsql AS $$
DECLARE born CONSTANT timestamptz := (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid());
BEGIN
    FOR i IN 1..200 LOOP
        EXIT WHEN i > 4 AND clock_timestamp() - born > interval '1 s';
        PERFORM pg_stat_clear_snapshot();
        EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'mig-ci upgrade at work' AND pid <> pg_backend_pid());
        EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'mig-ci upgrade at work' AND pid <> pg_backend_pid()
            AND (wait_event = 'PgSleep' OR wait_event_type = 'Lock'));
        PERFORM pg_sleep(0.005);
    END LOOP;
END $$";

/// Migrations in whose middle many tenants overlap.
const SHARED: [(&str, &str); 14] = [
    ("extension", "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;"),
    ("schema", "CREATE SCHEMA IF NOT EXISTS common; SELECT public.meet();"),
    (
        "type that exists for others",
        "DO $$ BEGIN CREATE TYPE public.mood AS ENUM ('a'); PERFORM public.meet(); \
         EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
    ),
    (
        "type that was looked for",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type WHERE typname = 'mood') THEN \
         PERFORM public.meet(); CREATE TYPE public.mood AS ENUM ('a'); END IF; END $$;",
    ),
    (
        "constraint that was looked for",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'positive') THEN \
         PERFORM public.meet(); ALTER TABLE shared.plans ADD CONSTRAINT positive CHECK (id > 0); END IF; END $$;",
    ),
    (
        "type that is dropped",
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_type WHERE typname = 'old') THEN \
         PERFORM public.meet(); DROP TYPE shared.old; END IF; END $$;",
    ),
    (
        "function",
        "CREATE OR REPLACE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT public.meet();",
    ),
    ("grant", "GRANT SELECT ON shared.plans TO PUBLIC; SELECT public.meet();"),
    (
        "role",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET work_mem = %L', current_database(), '5MB'); \
         PERFORM public.meet(); END $$;",
    ),
    (
        "words in comments and strings",
        "-- nextval('s'), dblink(...) RETURNING id\n\
         DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type WHERE typname = 'mood') THEN PERFORM public.meet();\n\
         /* setval('s', 1) */ CREATE TYPE public.mood AS ENUM ('nextval'); END IF; END $$;\n\
         COMMENT ON TYPE public.mood IS 'currval(''s'')';",
    ),
    (
        "grant on all tables",
        "GRANT SELECT ON ALL TABLES IN SCHEMA shared TO PUBLIC; SELECT public.meet();",
    ),
    (
        "default privileges",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA shared GRANT SELECT ON TABLES TO PUBLIC; SELECT public.meet();",
    ),
    (
        "search path",
        "SET LOCAL search_path = public; CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\n\
         RESET search_path; SELECT public.meet();",
    ),
    (
        "function that is made again",
        "DROP FUNCTION IF EXISTS shared.g(); CREATE FUNCTION shared.g() RETURNS int LANGUAGE sql AS 'SELECT 1';\n\
         COMMENT ON FUNCTION shared.g() IS 'x'; SELECT public.meet();",
    ),
];

async fn run(script: &str, jobs: &str) -> (UpgradeReport, Database) {
    let shop = shop(0)
        .file("shared/2_old.sql", "CREATE TYPE shared.old AS ENUM ('a');")
        .file("tenant/1_x.sql", script);
    let database = with_tenants(&numbered(TENANTS)).await;
    database.sql(MEET).await;
    let run = upgrade(&shop, &database, ["--all-tenants", jobs, "--format=json"]).run();
    (report(&run), database)
}

/// The content of the database without times of application.
async fn shape(database: &Database) -> Vec<String> {
    let mut all = Vec::new();
    for query in [
        "SELECT extname FROM pg_extension ORDER BY 1",
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
        "SELECT typname FROM pg_type WHERE typtype = 'e' ORDER BY 1",
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 'shared.plans'::regclass",
        "SELECT relacl::text FROM pg_class WHERE oid = 'shared.plans'::regclass",
        "SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = \
         (SELECT oid FROM pg_database WHERE datname = current_database())",
    ] {
        all.extend(database.sql(query).await);
        all.push("--".to_owned());
    }
    all
}

#[tokio::test]
async fn migrations_that_pass_serially_pass_concurrently() {
    let mut all = 0;
    for (name, script) in SHARED {
        let (one, alone) = run(script, "--jobs=1").await;
        assert_eq!((counts(&one), one.retries()), ([61, 0, 0, 0], 0), "{name}: {one}");
        let (many, beside) = run(script, "--jobs=8").await;
        assert_eq!(counts(&many), [61, 0, 0, 0], "{name}: {many}");
        assert_eq!(shape(&beside).await, shape(&alone).await, "{name}");
        all += many.retries();
    }
    assert!(all >= 5, "{all} retries: the tenants did not meet");
}

/// These fail by themselves: the first tenant takes what the others need.
#[tokio::test]
async fn migrations_that_fail_serially_fail_concurrently() {
    for (script, is_retried) in [
        ("CREATE TYPE public.mood AS ENUM ('a');", true),
        ("INSERT INTO shared.plans VALUES (1); SELECT pg_sleep(0.01);", false),
    ] {
        let (one, _database) = run(script, "--jobs=1").await;
        let (many, _database) = run(script, "--jobs=8").await;
        assert_eq!(counts(&one), [2, 0, 59, 0], "{script}: {one}");
        assert_eq!(counts(&many), counts(&one), "{script}: {many}");
        if !is_retried {
            assert_eq!(many.retries(), 0, "a duplicate in a table is no race: {many}");
        }
    }
}

/// A sequence advances although its transaction is rolled back: a retry of this would pass.
#[tokio::test]
async fn steps_that_depend_on_a_sequence_are_not_retried() {
    for pending in [
        "INSERT INTO p (name) VALUES ('pro'); SELECT pg_sleep(0.01);",
        "DO $$ BEGIN EXECUTE 'CREATE TYPE public.mood' || nextval('p_id_seq') || ' AS ENUM ()'; END $$;",
        // The codes of races, raised by the script itself.
        "DO $$ BEGIN IF nextval('p_id_seq') = 1 THEN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END IF; END $$;",
        "DO $$ BEGIN IF nextval('p_id_seq') = 1 THEN RAISE EXCEPTION 'no' USING ERRCODE = '55P03'; END IF; END $$;",
        "DO $$ BEGIN IF nextval('p_id_seq') = 1 THEN
         RAISE EXCEPTION 'tuple concurrently updated' USING ERRCODE = 'XX000'; END IF; END $$;",
    ] {
        let shop = shop(0).file(
            "tenant/1_p.sql",
            "CREATE TABLE p (id serial PRIMARY KEY, name text); INSERT INTO p VALUES (1, 'free');",
        );
        let database = with_tenants(&numbered(16)).await;
        upgrade(&shop, &database, ["--all-tenants"]).run().success();
        database.sql("CREATE TYPE public.mood1 AS ENUM ()").await;
        let shop = shop.file("tenant/2_p.sql", pending);
        let run = upgrade(&shop, &database, ["--all-tenants", "--jobs=8", "--format=json"]);
        let run = report(&run.run().exit(1));
        assert_eq!((counts(&run), run.retries()), ([0, 1, 16, 0], 0), "{pending}: {run}");
    }
}
