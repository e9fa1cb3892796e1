//! Effects of the way in which migrations are sent: each case runs with the real tool and with mig-ci, and must leave the
//! same data. Times and numbers differ between runs, so only their equality is compared.

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

use super::round_trips::queries;
use crate::common::{Database, Project, Wire, peer, postgres, project};

/// Migrations, and the query that shows their effects.
struct Case<'a> {
    name: &'a str,
    files: &'a [&'a str],
    shows: &'a str,
}

/// The observations of one statement: the message, and the times and the ID of its transaction.
const SEEN: &str = "CREATE TABLE seen (step int, message text DEFAULT current_query(), begun timestamptz DEFAULT now(), \
    sent timestamptz DEFAULT statement_timestamp(), xid xid8 DEFAULT pg_current_xact_id());\n\
    CREATE FUNCTION note(step int) RETURNS int LANGUAGE sql AS 'INSERT INTO seen (step) VALUES ($1) RETURNING step';\n\
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN PERFORM note(TG_ARGV[0]::int); RETURN NULL; END $$;\n\
    CREATE TABLE items (id int, at timestamptz DEFAULT now());\n";
const SHOWS: &str = "SELECT step, message, dense_rank() OVER (ORDER BY begun), dense_rank() OVER (ORDER BY sent), \
    dense_rank() OVER (ORDER BY xid), begun < sent FROM seen ORDER BY xid, step, message";

const CASES: [Case<'static>; 13] = [
    Case {
        name: "a default of the time is a key",
        files: &[
            "create table t(v timestamptz default now() primary key); insert into t default values;",
            "insert into t default values;",
        ],
        shows: "SELECT count(*) FROM t",
    },
    Case {
        name: "a default is made first and used later",
        files: &[
            "create table t(id int, v timestamptz default now(), w timestamptz default statement_timestamp());",
            "alter table t add x int;",
            "insert into t values (1);",
            "comment on table t is 'x';",
            "insert into t values (2);",
        ],
        shows: "SELECT count(DISTINCT v), count(DISTINCT w), bool_and(v < w) FROM t",
    },
    Case {
        name: "rows, functions, blocks and triggers see their message",
        files: &[
            SEEN,
            "INSERT INTO seen (step) VALUES (2);",
            "SELECT note(3);",
            "DO $$ BEGIN PERFORM note(4); END $$;",
            "CREATE TRIGGER i AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION noted('5');",
            "INSERT INTO items VALUES (1);\nINSERT INTO items VALUES (2);",
            "CREATE TABLE other AS SELECT note(7);",
        ],
        shows: SHOWS,
    },
    Case {
        name: "what is deferred sees the message of the commit",
        files: &[
            SEEN,
            "CREATE CONSTRAINT TRIGGER i AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION noted('2');",
            "INSERT INTO items VALUES (1);",
            "INSERT INTO items VALUES (2);",
        ],
        shows: SHOWS,
    },
    Case {
        name: "the constant 'now' is a time",
        files: &[
            "create table t(v timestamptz primary key);",
            "insert into t values ('now');",
            "insert into t values ('now'::timestamptz);",
            "alter table t add w timestamptz not null default 'now';",
            "alter table t add x timestamptz not null default now();",
            "alter table t add y timestamptz not null default current_timestamp;",
        ],
        shows: "SELECT count(*), count(DISTINCT v), bool_and(w < x), bool_and(x < y) FROM t",
    },
    Case {
        name: "a check is evaluated over the rows",
        files: &[
            SEEN,
            "INSERT INTO items VALUES (1);",
            "CREATE FUNCTION fine(bigint) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM note($1::int); RETURN true; END $$;",
            "ALTER TABLE items ADD CHECK (fine(id));",
            "ALTER TABLE items ALTER id TYPE bigint;",
            "CREATE FUNCTION key(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql \
             AS $$ BEGIN PERFORM note(6); RETURN $1; END $$;",
            "CREATE INDEX ON items (key(id));",
        ],
        shows: SHOWS,
    },
    Case {
        name: "an event trigger sees definitions",
        files: &[SEEN, "CREATE TABLE a ();", "CREATE TABLE b ();"],
        // Creating a ledger that exists is specific to the tool.
        shows: "SELECT step, message, dense_rank() OVER (ORDER BY begun), dense_rank() OVER (ORDER BY sent) FROM seen \
                WHERE message NOT LIKE '%CREATE TABLE IF NOT EXISTS%' ORDER BY xid, step, message",
    },
    Case {
        name: "a trigger of the ledger sees its rows",
        files: &[
            SEEN,
            "CREATE TRIGGER watch AFTER INSERT ON _sqlx_migrations FOR EACH ROW EXECUTE FUNCTION noted('2');",
            "CREATE TABLE a ();",
            "CREATE TABLE b ();",
        ],
        // The tools write a row with parameters, mig-ci with literals.
        shows: "SELECT step, substr(btrim(message, E' \\n'), 1, 11), dense_rank() OVER (ORDER BY begun), \
                dense_rank() OVER (ORDER BY sent) FROM seen ORDER BY xid",
    },
    Case {
        name: "a value of an enumeration is used by a later one",
        files: &[
            "create type mood as enum ('a'); create table t (m mood);",
            "alter type mood add value 'b';",
            "alter table t alter m set default 'b'; insert into t default values;",
        ],
        shows: "SELECT m FROM t",
    },
    Case {
        name: "a namesake of PostgreSQL's function is called in an index",
        files: &[
            SEEN,
            "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE m (v mood); INSERT INTO m VALUES ('a');",
            "CREATE FUNCTION lower(mood) RETURNS text IMMUTABLE LANGUAGE plpgsql \
             AS $$ BEGIN PERFORM note(3); RETURN 'x'; END $$;",
            "CREATE INDEX ON m (lower(v));",
            "COMMENT ON TABLE m IS 'x';",
        ],
        shows: SHOWS,
    },
    Case {
        name: "an operator of the project's is called in a check",
        files: &[
            SEEN,
            "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE m (v mood); INSERT INTO m VALUES ('a');",
            "CREATE FUNCTION plus(mood, mood) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM note(3); RETURN true; END $$;\n\
             CREATE OPERATOR + (LEFTARG = mood, RIGHTARG = mood, FUNCTION = plus);",
            "COMMENT ON TABLE m IS 'x';",
            "ALTER TABLE m ADD CHECK (v + v);",
            "COMMENT ON TABLE m IS 'y';",
        ],
        shows: SHOWS,
    },
    Case {
        name: "a cast of the project's is called in an index",
        files: &[
            SEEN,
            "CREATE TYPE pair AS (a int); CREATE TABLE m (v pair); INSERT INTO m VALUES (row(1));",
            "CREATE FUNCTION as_number(pair) RETURNS int IMMUTABLE LANGUAGE plpgsql \
             AS $$ BEGIN PERFORM note(3); RETURN 1; END $$;\nCREATE CAST (pair AS int) WITH FUNCTION as_number(pair);",
            "COMMENT ON TABLE m IS 'x';",
            "CREATE INDEX ON m ((v::int));",
            "COMMENT ON TABLE m IS 'y';",
        ],
        shows: SHOWS,
    },
    Case {
        name: "the ledger has a column and a key of its own",
        files: &[
            SEEN,
            "ALTER TABLE _sqlx_migrations ADD COLUMN sent timestamptz DEFAULT now(), ADD UNIQUE (installed_on);",
            "CREATE TABLE a ();",
            "CREATE TABLE b ();",
        ],
        shows: "SELECT count(*), count(DISTINCT installed_on) FROM _sqlx_migrations",
    },
];

/// Only a superuser can create an event trigger.
const EVENT_TRIGGER: &str = "CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS \
    $$ BEGIN IF to_regproc('public.note') IS NOT NULL THEN PERFORM public.note(2); END IF; END $$; \
    CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.watch();";

async fn databases(case: &Case<'_>) -> [Database; 2] {
    let both = [postgres().database().await, postgres().database().await];
    if case.name.contains("event trigger") {
        for database in &both {
            postgres().sql_in(&database.name, EVENT_TRIGGER).await;
        }
    }
    both
}

fn shop(case: &Case<'_>) -> Project {
    let config =
        "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    let files = case.files.iter().enumerate();
    files.fold(project().file("mig-ci.toml", config), |shop, (index, sql)| {
        shop.file(&format!("m/{}_x.sql", index + 1), sql)
    })
}

fn upgrade(shop: &Project, database: &Database) {
    shop.mig_ci(["upgrade"]).env("SHOP_URL", database.url()).run().success();
}

#[tokio::test]
async fn upgrade_leaves_the_data_that_sqlx_leaves() {
    for case in &CASES {
        let shop = shop(case);
        let [theirs, ours] = databases(case).await;
        let migrator = Migrator::new(shop.path().join("m").into_std_path_buf()).await.unwrap();
        let mut session = PgConnection::connect(&theirs.url()).await.unwrap();
        migrator.run(&mut session).await.unwrap();
        session.close().await.unwrap();
        upgrade(&shop, &ours);
        let expected = theirs.sql(case.shows).await;
        assert_eq!(ours.sql(case.shows).await, expected, "{}", case.name);
        // In the second run the triggers already exist.
        let more = ["CREATE TABLE m1 ();", "CREATE TABLE m2 ();", "COMMENT ON TABLE m1 IS 'x';"];
        let next = case.files.len() + 1;
        let shop = more
            .iter()
            .enumerate()
            .fold(shop, |shop, (index, sql)| shop.file(&format!("m/{}_x.sql", next + index), sql));
        let migrator = Migrator::new(shop.path().join("m").into_std_path_buf()).await.unwrap();
        let mut session = PgConnection::connect(&theirs.url()).await.unwrap();
        migrator.run(&mut session).await.unwrap();
        session.close().await.unwrap();
        upgrade(&shop, &ours);
        let expected = theirs.sql(case.shows).await;
        assert_eq!(ours.sql(case.shows).await, expected, "{}, then more", case.name);
    }
}

/// The same scripts with dbmate, whose driver sends them differently.
#[tokio::test]
async fn upgrade_leaves_the_data_that_dbmate_leaves() {
    let Some(dbmate) = peer("dbmate") else { return };
    let config =
        "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"dbmate\"\n";
    for case in CASES.iter().filter(|case| !case.name.contains("ledger")) {
        let files = case.files.iter().enumerate();
        let shop = files.fold(project().file("mig-ci.toml", config), |shop, (index, sql)| {
            shop.file(
                &format!("m/2025010100000{}_x.sql", index + 1),
                format!("-- migrate:up\n{sql}\n-- migrate:down\n"),
            )
        });
        let [theirs, ours] = databases(case).await;
        let mut command = std::process::Command::new(&dbmate);
        command
            .args([
                "--url",
                &theirs.go_url(),
                "--migrations-dir",
                "m",
                "--no-dump-schema",
                "migrate",
            ])
            .current_dir(shop.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", case.name);
        upgrade(&shop, &ours);
        let expected = theirs.sql(case.shows).await;
        assert_eq!(ours.sql(case.shows).await, expected, "{}", case.name);
    }
}

/// The server parses a message as a whole: a syntax error must not prevent earlier migrations from being applied.
#[tokio::test]
async fn a_migration_that_cannot_be_parsed_is_the_only_one_that_fails() {
    for (name, wrong) in [
        ("syntax", "CREATE TABLE c (id int,);"),
        ("a statement that is none yet", "CREATE ASSERTION c CHECK (true);"),
        ("a character that is none", "COMMENT ON TABLE a IS E'\\uD800';"),
        ("what fails when it is executed", "ALTER TABLE nowhere ADD c int;"),
    ] {
        let files = ["CREATE TABLE a ();", "CREATE TABLE b ();", wrong, "CREATE TABLE d ();"];
        let case = Case { name, files: &files, shows: "" };
        let shop = shop(&case);
        let [theirs, ours] = databases(&case).await;
        let migrator = Migrator::new(shop.path().join("m").into_std_path_buf()).await.unwrap();
        let mut session = PgConnection::connect(&theirs.url()).await.unwrap();
        migrator.run(&mut session).await.unwrap_err();
        session.close().await.unwrap();
        let run = shop.mig_ci(["upgrade"]).env("SHOP_URL", ours.url()).run().exit(1);
        for query in [
            "SELECT version FROM _sqlx_migrations ORDER BY 1",
            "SELECT relname FROM pg_class WHERE relname IN ('a', 'b', 'c', 'd') ORDER BY 1",
        ] {
            assert_eq!(ours.sql(query).await, theirs.sql(query).await, "{name}: {run:?}");
        }
        assert!(run.stdout.contains("m/3_x.sql"), "{name}: {run:?}");
    }
}

/// `verify` sends the same messages: a script that would fail in a larger message passes.
#[tokio::test]
async fn verify_sends_observing_scripts_as_their_tool_does() {
    let refuses = "DO $$ BEGIN IF EXISTS (SELECT FROM seen WHERE message LIKE '%COMMIT%' OR message LIKE '%sqlx_migrations%' \
        OR begun = sent) THEN RAISE EXCEPTION 'seen: %', (SELECT string_agg(message, ',') FROM seen); END IF; END $$;";
    let config = "[databases.users]\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    let shop = project()
        .file("mig-ci.toml", config)
        .file("m/1_x.sql", SEEN)
        .file("m/2_x.sql", "INSERT INTO seen (step) VALUES (2);")
        .file("m/3_x.sql", "SELECT note(3);")
        .file("m/4_x.sql", refuses);
    shop.verify().args(["--no-base"]).run().success();
}

/// The number of messages: definitions are batched, and each other migration is sent as by its tool.
#[tokio::test]
async fn only_definitions_share_a_message() {
    let database = postgres().database().await;
    let config =
        "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    let shop = project()
        .file("mig-ci.toml", config)
        .file("m/1_x.sql", "CREATE TABLE a (id int, at timestamptz DEFAULT now());")
        .file("m/2_x.sql", "CREATE INDEX ON a (id);")
        .file("m/3_x.sql", "INSERT INTO a VALUES (1);")
        .file("m/4_x.sql", "ALTER TABLE a ADD b timestamptz DEFAULT now();")
        .file("m/5_x.sql", "CREATE TABLE c ();")
        .file("m/6_x.sql", "CREATE TABLE d ();");
    let wire = Wire::to(postgres().port());
    let url = postgres().tcp_url_through(wire.port(), &database.name);
    shop.mig_ci(["upgrade"]).env("SHOP_URL", url).run().success();
    let all = queries(&wire);
    let of = |text: &str| {
        let with: Vec<_> = all.iter().filter(|sent| sent.contains(text)).collect();
        assert_eq!(with.len(), 1, "{text}: {all:#?}");
        with[0].clone()
    };
    assert!(of("CREATE TABLE a").contains("CREATE INDEX ON a"), "{all:#?}");
    assert_eq!(of("INSERT INTO a"), "INSERT INTO a VALUES (1);");
    let alone = of("ALTER TABLE a ADD b");
    assert!(alone.contains("COMMIT") && !alone.contains("CREATE TABLE"), "{alone}");
    assert!(of("CREATE TABLE c").contains("CREATE TABLE d"), "{all:#?}");
    assert_eq!(all.iter().filter(|sent| *sent == "BEGIN").count(), 1);
    assert_eq!(all.iter().filter(|sent| *sent == "COMMIT").count(), 1);
}
