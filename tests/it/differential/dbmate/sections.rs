//! Content of a section.

use super::super::case::{Case, case};
use super::{outside, up};

const IDLE: &str = "unexpected transaction status idle";

pub(super) fn all() -> Vec<Case> {
    let a = up("create table a(x int);");
    vec![
        case("two files").file("1_a.sql", &a).file(
            "2_b.sql",
            "-- migrate:up\ncreate table b(x int);\ncreate index on b(x);\n\n\
                -- migrate:down\ndrop table b;\n",
        ),
        case("no semicolon at the end")
            .file("1_a.sql", up("create table a(x int)"))
            .file("2_b.sql", up("create table b(x int) -- b")),
        case("empty sections")
            .file("1_a.sql", up(""))
            .file("2_b.sql", up("-- x\n/* y */"))
            .file("3_c.sql", up(";;")),
        case("a statement in the middle fails")
            .file("1_a.sql", &a)
            .file("2_b.sql", up("create table b(x int);\nselect 'é', nope from a;"))
            .file("3_c.sql", up("select 1;"))
            .fails("42703"),
        case("a syntax error in the second statement")
            .file("1_a.sql", up("create table a(x int);\ncreate tabel b(x int);"))
            .fails("42601"),
        case("a statement that breaks off")
            .file("1_a.sql", up("create table a(x int); create table"))
            .fails("42601"),
        case("a quote is left open").file("1_a.sql", up("select 'abc")).fails("42601"),
        case("a comment is left open")
            .file("1_a.sql", up("create table a(x int);\n/* abc"))
            .fails("42601"),
        case("its own begin and commit")
            .file("1_a.sql", up("begin;\ncreate table a(x int);\ncommit;"))
            .file("2_b.sql", up("select 1;"))
            .stops(IDLE),
        case("its own begin")
            .file("1_a.sql", up("begin;\ncreate table a(x int);"))
            .file("2_b.sql", up("create table b(x int);")),
        case("its own commit")
            .file("1_a.sql", up("create table a(x int);\ncommit;\ncreate table b(x int);"))
            .file("2_b.sql", up("select 1;"))
            .stops(IDLE),
        case("its own rollback")
            .file("1_a.sql", up("create table a(x int);\nrollback;"))
            .stops(IDLE),
        case("commit and begin")
            .file("1_a.sql", up("create table a(x int);\ncommit; begin;\ncreate table b(x int);"))
            .file("2_b.sql", up("create table c(x int);")),
        case("its own commit, and a failure behind it")
            .file("1_a.sql", up("create table a(x int); commit; select 1/0;"))
            // dbmate rolls back after the error, and reports the failure of that instead.
            .in_other_words("division by zero", IDLE),
        case("a syntax error behind its own rollback")
            .file("1_a.sql", up("create table a(x int); rollback; selec;"))
            .fails("42601"),
        case("a savepoint, and back to it").file(
            "1_a.sql",
            up("create table a(x int); savepoint s; create table b(x int); \
                rollback to s;"),
        ),
        case("prepare transaction")
            .file("1_a.sql", up("create table a(x int); prepare transaction 'p';"))
            .in_other_words("prepared transactions are disabled", IDLE),
        case("a deferred constraint fails at the commit")
            .file(
                "1_a.sql",
                up("create table a(x int primary key deferrable initially deferred); \
                insert into a values (1), (1);"),
            )
            .fails("23505"),
        case("an index concurrently, in a transaction")
            .file("1_a.sql", &a)
            .file("2_b.sql", up("create index concurrently on a(x);"))
            .fails("25001"),
        case("vacuum in a transaction").file("1_a.sql", up("vacuum;")).fails("25001"),
        case("a new enum value is used at once")
            .file("1_a.sql", up("create type e as enum ('a');"))
            .file(
                "2_b.sql",
                up("alter type e add value 'b'; create table t(e e default 'b'); \
                insert into t values (default);"),
            )
            .fails("55P04"),
        case("a lock, temporary tables")
            .file(
                "1_a.sql",
                up("create table a(x int); lock table a; \
                create temp table k as select 1 as x;"),
            )
            .file("2_b.sql", up("insert into a select x from k;")),
        case("a notice that something is there").file(
            "1_a.sql",
            up("create table a(x int); create table if not exists a(y int); \
                do $$ begin raise warning 'é'; end $$;"),
        ),
        case("a do block fails")
            .file("1_a.sql", up("do $$\nbegin\n  perform nope();\nend $$;"))
            .fails("42883"),
        case("functions of several kinds").file(
            "1_a.sql",
            up("create function f(a int) returns int begin atomic select a; \
                select a + 1; end;\ncreate function g() returns int language plpgsql \
                as $$ begin return 1; end; $$;\n\
                create procedure p() language sql as 'select 1; select 2;';\n\
                call p();"),
        ),
        case("a marker in a function's body")
            .file(
                "1_a.sql",
                up("create function f() returns int language sql as $$\n-- migrate:down\n\
                select 1 $$;"),
            )
            .refused_at_load(
                "to be preceded by a '-- migrate:up'",
                "to be preceded by a '-- migrate:up'",
            ),
        case("copy from stdin")
            .file("1_a.sql", up("create table a(x int);\ncopy a from stdin;\n1\n\\.\n"))
            .fails("42601"),
        case("copy from stdin without data")
            .file("1_a.sql", up("create table a(x int);\ncopy a from stdin;"))
            .in_other_words("the driver cannot decode", "driver: bad connection"),
        case("copy to stdout")
            .file("1_a.sql", up("copy (select 1) to stdout;"))
            .in_other_words("the driver cannot decode", "driver: bad connection"),
        case("windows line ends")
            .file("1_a.sql", "-- migrate:up\r\ncreate table a(x int);\r\n-- migrate:down\r\n")
            .file(
                "2_b.sql",
                "-- migrate:up transaction:false\r\n\
                create index concurrently on a(x);\r\n-- migrate:down\r\n",
            ),
        case("a byte that is no text")
            .file("1_a.sql", b"-- migrate:up\nselect '\xff';\n-- migrate:down\n".as_slice())
            .refused_at_load("0xff) is not UTF-8", "22021"),
        case("a null character")
            .file("1_a.sql", up("create table b(x int);\0 create table c(x int);"))
            .fails("08P01"),
        case("an empty search path, as pg_dump leaves it")
            .file(
                "1_a.sql",
                up("select pg_catalog.set_config('search_path', '', false);\n\
                create table shared.a(x int);"),
            )
            .found(&["search-path-moved"]),
        case("an empty search path, in public")
            .file(
                "1_a.sql",
                up("select pg_catalog.set_config('search_path', '', false);\n\
                create table public.a(x int);"),
            )
            .file("2_b.sql", up("create table b(x int);"))
            .fails("3F000")
            .public(),
        case("another search path")
            .file("1_a.sql", up("set search_path = shared, public; create table a(x int);"))
            .file("2_b.sql", up("create table b(x int);"))
            .found(&["search-path-moved"]),
        case("another search path, in public")
            .file("1_a.sql", up("create schema o; set search_path = o; create table a(x int);"))
            .fails("42P01")
            .public(),
        case("a search path for the transaction alone")
            .file("1_a.sql", up("set local search_path = shared; create table a(x int);"))
            .file("2_b.sql", up("create table b(x int);")),
        case("a search path for the transaction alone, in public")
            .file(
                "1_a.sql",
                up("create schema o; set local search_path = o; create table a(x int);"),
            )
            .fails("42P01")
            .public(),
        case("a role that may not").file("1_a.sql", up("create role r;")).fails("42501"),
        case("a schema, and things in it")
            .file("1_a.sql", up("create schema other; create table other.a(x int);"))
            .file("2_b.sql", up("drop schema other cascade;")),
        case("two tenants")
            .file(
                "1_a.sql",
                up("create table a(x int); create table if not exists shared.s(x int); \
                insert into shared.s values (1);"),
            )
            .two_tenants(),
        case("a schema for the second tenant too")
            .file("1_a.sql", up("create schema other; create table a(x int);"))
            .two_tenants()
            .fails("42P06"),
        case("it drops its ledger")
            .file("1_a.sql", up("drop table schema_migrations;"))
            .file("2_b.sql", &a)
            .fails("42P01"),
        case("it makes its ledger anew").file("1_a.sql", &a).file(
            "2_b.sql",
            up("create table l as table schema_migrations; \
                drop table schema_migrations; \
                alter table l rename to schema_migrations;"),
        ),
        case("it writes its own row")
            .file("1_a.sql", up("insert into schema_migrations values ('1');"))
            .fails("23505"),
        case("settings of the session stay")
            .file(
                "1_a.sql",
                up("set standard_conforming_strings = off; \
                create table a(x text default 'a\\nb');"),
            )
            .file("2_b.sql", up("create table b(x text default 'a\\nb');")),
        case("a read only session")
            .file("1_a.sql", up("set default_transaction_read_only = on;"))
            .file("2_b.sql", up("create table b(x int);")),
        case("it ends its own session")
            .file("1_a.sql", &a)
            .file("2_b.sql", up("select pg_terminate_backend(pg_backend_pid());"))
            .in_other_words("terminating connection", "driver: bad connection"),
        case("outside: one statement").file("1_a.sql", outside("create table a(x int);")),
        case("outside: two statements, and the second fails")
            .file("1_a.sql", outside("create table a(x int); select 1/0;"))
            .fails("22012"),
        case("outside: an index concurrently")
            .file("1_a.sql", &a)
            .file("2_b.sql", outside("create index concurrently i on a(x);")),
        case("outside: an index concurrently, and another statement")
            .file("1_a.sql", &a)
            .file("2_b.sql", outside("create index concurrently i on a(x); select 1;"))
            .fails("25001"),
        case("outside: an index concurrently after another statement")
            .file("1_a.sql", &a)
            .file("2_b.sql", outside("select 1; create index concurrently i on a(x);"))
            .fails("25001"),
        case("outside: an index that stays invalid")
            .file("1_a.sql", up("create table a(x int); insert into a values (1), (1);"))
            .file("2_b.sql", outside("create unique index concurrently i on a(x);"))
            .fails("23505"),
        case("outside: begin without commit")
            .file("1_a.sql", outside("begin; create table a(x int);"))
            .file("2_b.sql", &a)
            .stops("unexpected transaction status idle in transaction"),
        case("outside: begin without commit, at the end")
            .file("1_a.sql", outside("begin; create table a(x int);"))
            .found(&["ledger-not-written"]),
        case("outside: begin without commit, twice")
            .file("1_a.sql", outside("begin; create table a(x int);"))
            .file("2_b.sql", outside("create table b(x int);"))
            .found(&["ledger-not-written"]),
        case("outside: a do block commits")
            .file(
                "1_a.sql",
                outside(
                    "do $$ begin create table a(x int); commit; raise exception 'x'; \
                end $$;",
                ),
            )
            .fails("P0001"),
        case("outside: an empty section").file("1_a.sql", outside("")),
        case("outside: vacuum").file("1_a.sql", &a).file("2_b.sql", outside("vacuum a;")),
    ]
}
