//! Content of a file.

#![expect(clippy::too_many_lines, reason = "a list")]

use super::super::case::{Case, case};
use super::ledger;

pub(super) fn in_a_transaction() -> Vec<Case> {
    vec![
        case("two files, and one of several statements")
            .file("1_a.sql", "create table a(x int primary key, y text default 'é');")
            .file(
                "2_b_c.sql",
                "create table b(x int references a);\ncreate index on b(x);\n\
                insert into a values (1);",
            ),
        case("no semicolon at the end")
            .file("1_a.sql", "create table a(x int)")
            .file("2_b.sql", "create table b(x int) -- b"),
        case("an empty file, and one of comments")
            .file("1_a.sql", "")
            .file("2_b.sql", "-- x\n/* y */")
            .file("3_c.sql", ";;\n;"),
        case("a statement in the middle fails")
            .file("1_a.sql", "create table a(x int);")
            .file(
                "2_b.sql",
                "create table b(x int);\nselect 'é', nope from a;\n\
                create table c(x int);",
            )
            .file("3_c.sql", "create table d(x int);")
            .fails("42703"),
        case("a syntax error in the second statement")
            .file("1_a.sql", "create table a(x int);\ncreate tabel b(x int);")
            .fails("42601"),
        case("a statement that breaks off")
            .file("1_a.sql", "create table a(x int); create table")
            .fails("42601"),
        case("a quote is left open")
            .file("1_a.sql", "create table a(x int);\nselect 'abc")
            .fails("42601"),
        case("a comment is left open")
            .file("1_a.sql", "create table a(x int);\n/* abc")
            .fails("42601"),
        case("a dollar quote is left open")
            .file("1_a.sql", "do $x$ begin null; end $$;")
            .fails("42601"),
        case("a parenthesis is left open").file("1_a.sql", "create table a(x int;").fails("42601"),
        case("its own commit, and a failure behind it")
            .file("1_a.sql", "create table a(x int); commit; create table b(x int); select 1/0;")
            .file("2_b.sql", "create table c(x int);")
            .fails("22012"),
        case("its own commit")
            .file("1_a.sql", "create table a(x int); commit; create table b(x int);")
            .file("2_b.sql", "create table c(x int);"),
        case("its own rollback")
            .file("1_a.sql", "create table a(x int); rollback;")
            .file("2_b.sql", "create table c(x int);"),
        case("its own begin and commit")
            .file("1_a.sql", "begin;\ncreate table a(x int);\ncommit;\n")
            .file("2_b.sql", "create table c(x int);"),
        case("its own begin, left open")
            .file("1_a.sql", "begin; create table a(x int);")
            .file("2_b.sql", "create table b(x int);"),
        case("commit and begin")
            .file("1_a.sql", "create table a(x int); commit; begin; create table b(x int);"),
        case("a savepoint, and back to it").file(
            "1_a.sql",
            "create table a(x int); savepoint s; create table b(x int); \
                rollback to s;",
        ),
        case("a failure behind its own rollback")
            .file("1_a.sql", "create table a(x int); rollback; selec;")
            .fails("42601"),
        case("a commit that is a rollback")
            .file("1_a.sql", "create table a(x int); commit and chain; select 1/0;")
            .fails("22012"),
        case("prepare transaction")
            .file("1_a.sql", "create table a(x int); prepare transaction 'p';")
            .fails("55000"),
        case("an isolation level comes too late")
            .file("1_a.sql", "create table a(x int); set transaction isolation level serializable;")
            .fails("25001"),
        case("a deferred constraint fails at the commit")
            .file(
                "1_a.sql",
                "create table a(x int primary key deferrable initially deferred); \
                insert into a values (1), (1);",
            )
            .fails("23505"),
        case("an index concurrently, in a transaction")
            .file("1_a.sql", "create table a(x int); create index concurrently on a(x);")
            .fails("25001"),
        case("vacuum in a transaction").file("1_a.sql", "vacuum;").fails("25001"),
        case("a new enum value is used at once")
            .file("1_a.sql", "create type e as enum ('a'); create table t(e e);")
            .file("2_b.sql", "alter type e add value 'b'; insert into t values ('b');")
            .fails("55P04"),
        case("a new enum value is used in the next file")
            .file("1_a.sql", "create type e as enum ('a'); create table t(e e);")
            .file("2_b.sql", "alter type e add value 'b';")
            .file("3_c.sql", "insert into t values ('b'); alter table t alter e set default 'b';"),
        case("rows, and a table of more than one of them").file(
            "1_a.sql",
            "create table a as select g as x from generate_series(1, 100) g; \
                update a set x = x + 1; delete from a where x > 50;",
        ),
        case("a lock, temporary tables, a cursor")
            .file(
                "1_a.sql",
                "create table a(x int); lock table a in access exclusive mode; \
                create temp table t on commit drop as select 1 as x;",
            )
            .file(
                "2_b.sql",
                "create temp table k(x int); declare c cursor for select 1; \
                insert into k values (1);",
            )
            .file("3_c.sql", "insert into a select x from k;"),
        case("a temporary table hides the ledger")
            .file(
                "1_a.sql",
                "create temp table _sqlx_migrations (like _sqlx_migrations including \
                all);",
            )
            .file("2_b.sql", "create table b(x int);")
            .found(&["ledger-not-written"]),
        case("a notice that something is there").file(
            "1_a.sql",
            "create table a(x int); create table if not exists a(y int); \
                drop table if exists zz; do $$ begin raise warning 'é'; end $$;",
        ),
        case("a do block fails")
            .file(
                "1_a.sql",
                "create table a(x int);\ndo $$\nbegin\n  perform 1;\n  perform nope();\nend $$;",
            )
            .fails("42883"),
        case("a do block raises")
            .file(
                "1_a.sql",
                "do $$ begin raise exception 'no %', 'é' using errcode = 'P0099'; \
                end $$;",
            )
            .fails("P0099"),
        case("a do block commits, in a transaction")
            .file("1_a.sql", "do $$ begin create table a(x int); commit; end $$;")
            .fails("2D000"),
        case("functions of several kinds").file(
            "1_a.sql",
            "create function f(a int) returns int begin atomic select a; \
                select a + 1; end;\ncreate function g() returns trigger language \
                plpgsql as $$ begin new.x := 1; return new; end; $$;\n\
                create procedure p() language sql as 'select 1; select 2;';\n\
                create table a(x int);\n\
                create trigger t before insert on a for each row execute function \
                g();\ninsert into a values (7);\ncall p();",
        ),
        case("copy from stdin")
            .file("1_a.sql", "create table a(x int);\ncopy a from stdin;\n1\n\\.\n")
            .fails("42601"),
        case("copy from stdin without data")
            .file("1_a.sql", "create table a(x int);\ncopy a from stdin;")
            .in_other_words("the driver cannot decode", "while executing migration 1"),
        case("copy to stdout")
            .file("1_a.sql", "copy (select 1) to stdout;")
            .in_other_words("the driver cannot decode", "while executing migration 1"),
        case("windows line ends").file(
            "1_a.sql",
            "create table a(\r\n  x int -- c\r\n);\r\ninsert into a values (1);\r\n",
        ),
        case("a byte order mark").file("1_a.sql", "\u{feff}create table a(x int);").fails("42601"),
        case("a byte that is no text")
            .file("1_a.sql", "create table a(x int);")
            .file("2_b.sql", b"select '\xff';".as_slice())
            .refused_at_load("0xff) is not UTF-8", "UTF-8"),
        case("a null character")
            .file("1_a.sql", "create table a(x int);")
            .file("2_b.sql", "create table b(x int);\0 create table c(x int);")
            .fails("08P01"),
        case("an empty search path, as pg_dump leaves it")
            .file(
                "1_a.sql",
                "select pg_catalog.set_config('search_path', '', false);\n\
                create table shared.a(x int);",
            )
            .fails("42P01"),
        case("an empty search path, as pg_dump leaves it, in public")
            .file(
                "1_a.sql",
                "select pg_catalog.set_config('search_path', '', false);\n\
                create table public.a(x int);",
            )
            .fails("42P01")
            .public(),
        case("a search path for the transaction alone")
            .file("1_a.sql", "set local search_path = shared; create table a(x int);")
            .fails("42P01"),
        case("another search path, with a ledger in it")
            .prepare(
                ledger("public", "select where false")
                    + "grant all on public._sqlx_migrations to public",
            )
            .file("1_a.sql", "set search_path = shared, public; create table a(x int);")
            .file("2_b.sql", "create table b(x int);")
            .found(&["ledger-not-written", "search-path-moved"]),
        case("another search path, and back")
            .file("1_a.sql", "set search_path = shared; create table a(x int); reset search_path;")
            .file("2_b.sql", "create table b(x int);"),
        case("a search path that leads nowhere")
            .file("1_a.sql", "set search_path = nope; create table a(x int);")
            .fails("3F000"),
        case("a role that is not there").file("1_a.sql", "set role nobody_here;").fails("22023"),
        case("a role that may not")
            .fails("42501")
            .file("1_a.sql", "set role pg_write_server_files;"),
        case("a right of the superuser's")
            .file("1_a.sql", "alter system set work_mem = '1MB';")
            .fails("25001"),
        case("an extension that only a superuser may make")
            .file("1_a.sql", "create function f() returns int language c as 'x', 'y';")
            .fails("42501"),
        case("a schema, and things in it")
            .file(
                "1_a.sql",
                "create schema other; create table other.a(x int); \
                create view v as select * from other.a;",
            )
            .file("2_b.sql", "drop schema other cascade;")
            .file("3_c.sql", "create schema other;"),
        case("a schema for the second tenant too")
            .file("1_a.sql", "create schema other; create table a(x int);")
            .two_tenants()
            .fails("42P06"),
        case("two tenants")
            .file(
                "1_a.sql",
                "create table a(x int); create table if not exists shared.s(x int); \
                insert into shared.s values (1);",
            )
            .two_tenants(),
        case("two tenants, in public by mistake")
            .file("1_a.sql", "create table public.a(x int);")
            .two_tenants()
            .fails("42P07"),
        case("it drops its ledger")
            .file("1_a.sql", "drop table _sqlx_migrations;")
            .file("2_b.sql", "create table a(x int);")
            .fails("42P01"),
        case("it makes its ledger anew")
            .file("1_a.sql", "create table a(x int);")
            .file(
                "2_b.sql",
                "create table l as table _sqlx_migrations; \
                drop table _sqlx_migrations; \
                alter table l rename to _sqlx_migrations;",
            )
            .file("3_c.sql", "create table c(x int);"),
        case("it empties its ledger")
            .file("1_a.sql", "create table a(x int);")
            .file("2_b.sql", "truncate _sqlx_migrations;")
            .file("3_c.sql", "create table c(x int);"),
        case("it writes its own row")
            .file("1_a.sql", "insert into _sqlx_migrations values (1, 'me', now(), true, '', 0);")
            .fails("23505"),
        case("settings of the session stay")
            .file(
                "1_a.sql",
                "set standard_conforming_strings = off; \
                create table a(x text default 'a\\nb');",
            )
            .file(
                "2_it's_\\_b.sql",
                "set check_function_bodies = off; \
                create function f() returns int language sql as 'select nope';",
            )
            .file("3_c.sql", "create function g() returns int language sql as 'select nope';"),
        case("a read only session")
            .file("1_a.sql", "set default_transaction_read_only = on;")
            .file("2_b.sql", "create table b(x int);")
            // sqlx updates the row's time after its commit, and mig-ci does not: it stops one file later.
            .in_other_words(
                "cannot execute CREATE TABLE in a read-only transaction",
                "cannot execute UPDATE",
            ),
        case("a statement timeout of its own")
            .file("1_a.sql", "set statement_timeout = '50ms'; select pg_sleep(5);")
            .fails("57014"),
        case("it ends its own session")
            .file("1_a.sql", "create table a(x int);")
            .file("2_b.sql", "select pg_terminate_backend(pg_backend_pid());")
            .in_other_words("terminating connection", "terminating connection"),
    ]
}

pub(super) fn outside_of_one() -> Vec<Case> {
    let table = "create table a(x int);";
    vec![
        case("one statement")
            .file("1_a.sql", table)
            .file("2_b.sql", "-- no-transaction\ninsert into a values (1);"),
        case("two statements")
            .file("1_a.sql", "-- no-transaction\ncreate table a(x int); create table b(x int);"),
        case("two statements, and the second fails")
            .file("1_a.sql", "-- no-transaction\ncreate table a(x int); select 1/0;")
            .fails("22012"),
        case("an index concurrently")
            .file("1_a.sql", table)
            .file("2_b.sql", "-- no-transaction\ncreate index concurrently i on a(x);"),
        case("an index concurrently without a semicolon")
            .file("1_a.sql", table)
            .file("2_b.sql", "-- no-transaction\ncreate index concurrently i on a(x)\n-- end"),
        case("an index concurrently, and another statement")
            .file("1_a.sql", table)
            .file("2_b.sql", "-- no-transaction\ncreate index concurrently i on a(x); select 1;")
            .fails("25001"),
        case("an index concurrently after another statement")
            .file("1_a.sql", table)
            .file(
                "2_b.sql",
                "-- no-transaction\nset lock_timeout = '1s'; \
                create index concurrently i on a(x);",
            )
            .fails("25001"),
        case("an index concurrently that stays invalid")
            .file("1_a.sql", "create table a(x int); insert into a values (1), (1);")
            .file("2_b.sql", "-- no-transaction\ncreate unique index concurrently i on a(x);")
            .file("3_c.sql", table)
            .fails("23505"),
        case("not at the first byte")
            .file("1_a.sql", table)
            .file("2_b.sql", "\n-- no-transaction\ncreate index concurrently i on a(x);")
            .fails("25001"),
        case("behind a byte order mark")
            .file("1_a.sql", "\u{feff}-- no-transaction\nselect 1;")
            .fails("42601"),
        case("with windows line ends")
            .file("1_a.sql", table)
            .file("2_b.sql", "-- no-transaction\r\ncreate index concurrently i on a(x);\r\n"),
        case("with more behind it")
            .file("1_a.sql", table)
            .file("2_b.sql", "-- no-transaction, please\ncreate index concurrently i on a(x);"),
        case("vacuum").file("1_a.sql", table).file("2_b.sql", "-- no-transaction\nvacuum a;"),
        case("begin without commit")
            .file("1_a.sql", "-- no-transaction\nbegin; create table a(x int);")
            .file("2_b.sql", "create table b(x int);")
            .found(&["ledger-not-written"]),
        case("begin without commit, at the end")
            .file("1_a.sql", "-- no-transaction\nbegin; create table a(x int);")
            .found(&["ledger-not-written"]),
        case("begin and commit, then a failure")
            .file("1_a.sql", "-- no-transaction\nbegin; create table a(x int); commit; select 1/0;")
            .fails("22012"),
        case("commit in the middle")
            .file("1_a.sql", "-- no-transaction\ncreate table a(x int); commit; select 1/0;")
            .fails("22012"),
        case("a do block commits")
            .file(
                "1_a.sql",
                "-- no-transaction\ndo $$ begin create table a(x int); commit; \
                raise exception 'x'; end $$;",
            )
            .fails("P0001"),
        case("a procedure commits")
            .file(
                "1_a.sql",
                "create table a(x int); \
                create procedure p() language plpgsql as $$ begin for i in 1..3 loop \
                insert into a values (i); commit; end loop; end $$;",
            )
            .file("2_b.sql", "-- no-transaction\ncall p();"),
        case("a new enum value, and its use")
            .file("1_a.sql", "create type e as enum ('a');")
            .file("2_b.sql", "-- no-transaction\nalter type e add value 'b';")
            .file("3_c.sql", "create table t(x e default 'b');"),
        case("an empty file but for the mark").file("1_a.sql", "-- no-transaction"),
        case("create database")
            .file("1_a.sql", "-- no-transaction\ncreate database nope_nope;")
            .fails("42501"),
        case("an empty search path")
            .file(
                "1_a.sql",
                "-- no-transaction\nselect pg_catalog.set_config('search_path', '', \
                false);",
            )
            .fails("42P01"),
    ]
}
