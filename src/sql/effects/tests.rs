//! Tables of cases, and properties: changes of a text that never change a result.

use proptest::prelude::*;

use super::syntax::cut;
use super::*;
use crate::sql::tokens::tokens;
use crate::sql::words::words;

fn of(text: &str) -> Effects {
    Effects::of(text)
}

const SEES_NOTHING: &[&str] = &[
    "",
    "-- nothing",
    "create table a (id int primary key, at timestamptz default now(), note text default 'x');",
    "CREATE TABLE IF NOT EXISTS s.a (LIKE b INCLUDING ALL); comment on table s.a is 'now';",
    "create type mood as enum ('now', 'later'); create type c as (a int);",
    "create index on a (id); create unique index i on a using gin (b jsonb_path_ops) where c is not null;",
    "create unique index on users (lower(email)) where deleted_at is null;",
    "create index on a ((data ->> 'x'), (b || 'y'));",
    "alter table a add column b text not null default 'x', add column c numeric(10, 2) default -1;",
    "alter table a add column b bigint references s.c (id) on delete cascade, drop column d;",
    "alter table a add constraint a_b check (b > 0 and c in ('x', 'y')), alter c set default now();",
    "alter table a add check (b < now()) not valid, add foreign key (b) references c (d);",
    "create or replace view v as select now(), current_query() from a;",
    "create function f() returns trigger language plpgsql as $$begin insert into l values (now()); end$$;",
    "create function f() returns int language sql return 1;",
    "create trigger t after insert on a for each row execute function f();",
    "alter type mood add value 'tomorrow'; alter table a enable row level security;",
    "create policy p on a using (at > now()); grant select on a to r; drop table b cascade;",
    "select 1; select 'a' || 'b', coalesce(1, 2);",
    "set local lock_timeout = '5s'; set statement_timeout to 0; lock table a;",
    "create sequence s; alter sequence s owned by a.b; create schema if not exists x;",
];

const SEES_ITS_TIME: &[&str] = &[
    "alter table a add column b timestamptz not null default now();",
    "alter table a add column b date default current_date;",
    "alter table a add column b date default 'today';",
    "create table a (b timestamptz default 'now');",
    "create table a (b text default 'not now, later');",
    "create view v as select 'tomorrow'::date;",
    "alter table a add constraint c check (b <= now());",
    "select now(), localtimestamp;",
];

const SEES_ANYTHING: &[&str] = &[
    "insert into t default values;",
    "update t set a = 1;",
    "delete from t;",
    "copy t from '/x';",
    "truncate t;",
    "do $$ begin null; end $$;",
    "call p();",
    "execute q;",
    "select f();",
    "select s.lower('x');",
    "select * from t;",
    "select statement_timestamp();",
    "select clock_timestamp();",
    "select txid_current();",
    "select pg_backend_pid();",
    "select age('2020-01-01');",
    "create table b as select 1;",
    "create table b as table c;",
    "create table p1 partition of p for values from (1) to (2);",
    "create materialized view v as select 1;",
    "select 1 into b;",
    "create index on a (f(b));",
    "create index on a (key(b));",
    "alter table a add check (set(b) and include(b));",
    "create index on a ((b @@@ 'x'));",
    "create index on a (((b).c));",
    "alter table a add column b uuid default gen_random_uuid();",
    "alter table a add column b serial;",
    "alter table a add column b int generated always as (a + 1) stored;",
    "alter table a add column b my_domain;",
    "alter table a add check (f(b));",
    "alter table a add check (b::my_domain is not null);",
    "alter table a alter b type bigint;",
    "alter table a alter b set not null, alter c type text using c::text;",
    "alter table a validate constraint c;",
    "alter table a attach partition b default;",
    "create extension x;",
    "create event trigger e on ddl_command_end execute function f();",
    "create function f() returns int language plperl as $$ 1 $$;",
    "create cast (a as b) with function f(a);",
    "create type r as range (subtype = a, subtype_diff = f);",
    "create schema x create table y (a int);",
    "refresh materialized view v;",
    "set session_replication_role = replica;",
    "set search_path = x;",
    "create table a (b date default U&'\\006eow');",
    "create table a (b date default E'\\x6eow');",
    "create table a (b date default 'no'\n'w');",
    "select \"Now\"();",
    "select U&\"now\"();",
    "begin; select 1; commit;",
    "savepoint a; something new;",
    "something new;",
    "select 'a",
    "select 'a\\'; update t set b = ';",
];

#[test]
fn observations_of_a_script() {
    use Observation::{Anything, Nothing, TransactionTime};
    let expected = SEES_NOTHING.iter().map(|text| (text, Nothing));
    let expected = expected.chain(SEES_ITS_TIME.iter().map(|text| (text, TransactionTime)));
    let expected = expected.chain(SEES_ANYTHING.iter().map(|text| (text, Anything)));
    let wrong: Vec<_> = expected.filter(|(text, sees)| of(text).observes() != *sees).collect();
    assert!(wrong.is_empty(), "expected: {wrong:#?}");
}

/// A statement, and whether it changes the session, the search path, the role, the lock timeout.
const SESSION: &[(&str, [Certainty; 4])] = {
    use Certainty::{No, Unknown, Yes};
    &[
        ("create table a (set_config text);", [No, No, No, No]),
        ("set search_path = a, b", [Yes, Yes, No, No]),
        ("SET SESSION search_path TO a", [Yes, Yes, No, No]),
        ("set schema 'a'", [Yes, Yes, No, No]),
        ("reset all", [Yes, Yes, Yes, Yes]),
        ("discard all", [Yes, Yes, Yes, Yes]),
        ("discard temp", [Yes, No, No, No]),
        ("set role r", [Yes, No, Yes, No]),
        ("set session authorization r", [Yes, No, Yes, No]),
        ("set local role r", [No, No, No, No]),
        ("set local lock_timeout = 1", [No, No, No, Yes]),
        ("set lock_timeout to '1s'", [Yes, No, No, Yes]),
        ("set \"lock_timeout\" to 1", [Yes, No, No, Yes]),
        ("set transaction read only", [No, No, No, No]),
        ("select pg_catalog.set_config('search_path', '', false)", [Yes, Yes, No, No]),
        ("select set_config('search_path', '', true)", [No, No, No, No]),
        ("select set_config(name, '', false) from t", [Yes, Yes, Yes, Yes]),
        ("select set_config('lock_timeout', '1', false)", [Yes, No, No, Yes]),
        ("do $$ begin set search_path to a; end $$", [Yes, Yes, Unknown, Unknown]),
        ("do $$ begin execute 'set role r'; end $$", [Yes, Unknown, Yes, Unknown]),
        ("do $$ begin -- set search_path to a;\n null; end $$", [Unknown; 4]),
        ("create function f() returns int set search_path = a return 1", [No, No, No, No]),
        ("create function f() returns void language plpgsql as 'begin set role r; end'", [No; 4]),
        ("alter role a set search_path = b", [Unknown; 4]),
        ("select f()", [Unknown; 4]),
        ("insert into t values (1)", [Unknown; 4]),
        ("select nextval('s')", [Yes, Unknown, Unknown, Unknown]),
        ("create temp table a ()", [Yes, Unknown, Unknown, Unknown]),
        ("create table pg_temp.a ()", [Yes, No, No, No]),
        ("select 1 into temp a", [Yes, Unknown, Unknown, Unknown]),
        ("prepare p as select 1", [Yes, Unknown, Unknown, Unknown]),
        ("listen a", [Yes, Unknown, Unknown, Unknown]),
        ("load 'x'", [Yes, Unknown, Unknown, Unknown]),
        ("declare c cursor with hold for select 1", [Yes, Unknown, Unknown, Unknown]),
        ("select pg_advisory_lock(1)", [Yes, Unknown, Unknown, Unknown]),
        ("comment on table a is 'set search_path = b; select pg_advisory_lock(1)'", [No; 4]),
    ]
};

#[test]
fn effects_on_the_session() {
    let seen = |text| {
        let of = of(text);
        [of.leaves_in_session(), of.moves_search_path(), of.moves_role(), of.sets_lock_timeout()]
    };
    let wrong: Vec<_> = SESSION
        .iter()
        .map(|(text, expected)| (text, seen(text), expected))
        .filter(|(_, seen, expected)| seen != *expected)
        .collect();
    assert!(wrong.is_empty(), "found, expected: {wrong:#?}");
}

#[test]
fn session_level_advisory_locks_are_found() {
    for text in [
        "select pg_advisory_lock(1)",
        "select pg_catalog.\"pg_try_advisory_lock_shared\"(1, 2)",
        "create function f() returns void language sql as 'select pg_advisory_lock(1)'",
        "do $$ begin execute 'select pg_advisory_lock(1)'; end $$",
    ] {
        assert!(of(text).names_session_lock(), "{text}");
    }
    for text in [
        "select pg_advisory_xact_lock(1)",
        "comment on table a is 'pg_advisory_lock'",
        "insert into t values ('pg_advisory_lock') -- pg_advisory_lock",
        "create table advisory_lock (a int)",
    ] {
        assert!(!of(text).names_session_lock(), "{text}");
    }
}

#[test]
fn effects_outside_of_the_schema() {
    use Certainty::{No, Unknown, Yes};
    let cases = [
        ("create table a (); grant select on a to r;", No, No),
        ("create role r", Yes, Unknown),
        ("create user u", Yes, Unknown),
        ("create user mapping for u server s", Unknown, Yes),
        ("drop group g", Yes, Unknown),
        ("grant a to b", Yes, No),
        ("revoke admin option for a from b", Yes, No),
        ("grant connect on database d to r", Yes, No),
        ("grant usage on schema s to r", No, Yes),
        ("alter database d set search_path = a", Yes, Unknown),
        ("alter system set a = 1", Yes, Unknown),
        ("comment on role r is 'x'", Yes, No),
        ("comment on extension e is 'x'", No, Yes),
        ("comment on column a.b is 'create role'", No, Unknown),
        ("reassign owned by a to b", Yes, Yes),
        ("drop owned by a", Yes, Yes),
        ("create subscription s connection '' publication p", Yes, Unknown),
        ("create extension if not exists e", Unknown, Yes),
        ("create schema s", No, Yes),
        ("create publication p", Unknown, Yes),
        ("create or replace trusted language l", Unknown, Yes),
        ("create foreign table t (a int) server s", Unknown, Unknown),
        ("create or replace function public.f() returns int return 1", No, Unknown),
        ("alter default privileges grant select on tables to r", No, Yes),
        ("alter default privileges in schema s grant select on tables to r", No, No),
        ("do $$ begin create role r; end $$", Yes, Unknown),
        ("do $$ begin execute 'create schema s'; end $$", Unknown, Yes),
        ("do $$ begin /* create role r */ null; end $$", Unknown, Unknown),
        ("insert into t values ('create role r')", Unknown, Unknown),
    ];
    let found =
        cases.map(|(text, ..)| (text, of(text).changes_cluster(), of(text).changes_database()));
    let wrong: Vec<_> = found.iter().zip(cases).filter(|(found, case)| *found != case).collect();
    assert!(wrong.is_empty(), "found, expected: {wrong:#?}");
}

/// Statements on objects of other schemas, by a tenant with the schema `own` that has created `mine` there.
const OUTSIDE: &[&str] = &[
    "create or replace function shared.f() returns int language sql as 'select 1'",
    "create table public.a ()",
    "create table \"Shared\".a ()",
    "create unlogged table if not exists public.a ()",
    "create type public.mood as enum ('a')",
    "create unique index concurrently if not exists i on only shared.t (a)",
    "create or replace trigger w after insert on shared.t for each row execute function f()",
    "create constraint trigger w after insert on shared.t for each row execute function f()",
    "create policy p on shared.t using (true)",
    "create rule r as on insert to shared.t do nothing",
    "create statistics shared.s on a, b from mine",
    "create materialized view public.v as select 1",
    "create foreign table public.t () server s",
    "create operator public.=== (leftarg = int, rightarg = int, function = f)",
    "create operator class public.o for type int using btree as storage int",
    "create text search configuration public.c (parser = default)",
    "create table mine partition of shared.p for values in (1)",
    "create table db.shared.t ()",
    "create table U&\"d\\0061ta\" ()",
    "alter table if exists only shared.t add a int",
    "alter table mine attach partition shared.p default",
    "alter table mine set schema shared",
    "alter table mine inherit shared.t",
    "alter function shared.f() owner to r",
    "alter index all in tablespace a set tablespace b",
    "alter default privileges for role r in schema own, shared grant select on tables to r",
    "alter trigger w on shared.t rename to x",
    "drop function if exists mine(), shared.f(int, text) cascade",
    "drop policy p on shared.t",
    "comment on table shared.t is 'x'",
    "comment on column shared.t.a is 'x'",
    "comment on column plans.a is 'x'",
    "comment on constraint c on shared.t is 'x'",
    "security label for p on table shared.t is 'x'",
    "grant select, insert (a) on mine, shared.t to r",
    "grant select on plans to r",
    "grant select on all tables in schema shared to r",
    "revoke execute on function shared.f(int) from public",
    "refresh materialized view concurrently shared.v",
    "reindex (verbose) table concurrently shared.t",
    "reindex schema shared",
    "truncate only mine, shared.t",
    "select 1 as a into shared.t",
    "set search_path = public; create table a ()",
    "set local search_path to public; create or replace function f() returns int return 1",
    "set schema 'public'; create table a ()",
    "select pg_catalog.set_config('search_path', 'public', true); create table a ()",
    "do $$ begin set local search_path to public; create table a (); end $$",
    "do $$ begin if not exists (select) then create type public.mood as enum (); end if; end $$",
    "do $$ begin execute 'create table public.a ()'; end $$",
    "do $$ begin execute format('create table %I ()', 'a'); end $$",
    "do $$ begin execute 'grant select on ' || quote_ident('a') || ' to r'; end $$",
    "do $a$ begin execute $b$ do $c$ begin alter table shared.t add a int; end $c$ $b$; end $a$",
    "do E'begin create table public.a (); end'",
];

const INSIDE: &[&str] = &[
    "create table a (b int references shared.t, c shared.mood default shared.f())",
    "create table own.a (); alter table own.a add b int; drop table \"own\".a",
    "create view v as select * from shared.t join public.u using (a)",
    "create trigger w after insert on mine for each row execute function shared.f()",
    "create function f() returns shared.t set search_path = public language sql as 'create table public.a ()'",
    "create index on mine (a); create index i on mine (b); comment on index i is 'shared.i'",
    "create temp table a (); create table pg_temp.b ()",
    "alter table mine add foreign key (a) references shared.t (a); grant select on mine to r",
    "alter table mine rename to other; alter table other add a int",
    "comment on column mine.a is 'drop table shared.t'",
    "insert into shared.t select * from public.u; update shared.t set a = 1",
    "select * from shared.t; select shared.f()",
    "do $$ begin create table a (); comment on table a is 'x'; -- drop table shared.t\n end $$",
    "do $$ begin perform shared.f(); insert into shared.t values (1); end $$",
    "set search_path = public; insert into a values (1)",
    "select set_config('search_path', '', false); create table own.a ()",
    "drop table if exists mine cascade; truncate mine; refresh materialized view mine",
];

#[test]
fn statements_about_objects_of_other_schemas() {
    let made = ["mine".to_owned()].into();
    let outside = |text: &str| of(text).places().may_be_outside("own", &made);
    let expected = OUTSIDE.iter().map(|text| (text, true));
    let expected = expected.chain(INSIDE.iter().map(|text| (text, false)));
    let wrong: Vec<_> = expected.filter(|(text, is)| outside(text) != *is).collect();
    assert!(wrong.is_empty(), "expected: {wrong:#?}");
}

#[test]
fn removed_objects_and_privileges_are_found() {
    use Certainty::{No, Unknown, Yes};
    for (text, expected) in [
        ("drop table a", Yes),
        ("alter table a rename b to c", Yes),
        ("alter table a set schema b", Yes),
        ("revoke select on a from r", Yes),
        ("create function f() returns void language sql as 'drop table a'", Yes),
        ("do $$ begin execute 'alter type a rename value ''b'' to ''c'''; end $$", Yes),
        ("select f()", Unknown),
        ("call p()", Unknown),
        ("do $$ begin null; end $$", Unknown),
        ("select 'open", Unknown),
        ("create table a (\"drop\" int); comment on table a is 'drop table b' -- rename", No),
        ("insert into a values ('drop table b') /* revoke */", No),
        ("create table dropped (renamed int); set search_path = a", No),
        ("alter table a alter b type text", No),
    ] {
        assert_eq!(of(text).takes_away(), expected, "{text}");
    }
}

#[test]
fn code_that_runs_without_being_named_is_found() {
    for text in [
        "create trigger w after insert on l for each row execute function f()",
        "create index on only s.l (a)",
        "alter table s.l add column a text default current_query()",
        "do $$ begin execute 'alter table l add unique (a)'; end $$",
        "create function public.lower(mood) returns text language sql return 'x'",
        "create or replace function \"now\"(int) returns text language sql return 'x'",
        "create operator + (leftarg = mood, rightarg = mood, function = f)",
        "create cast (mood as text) with function f(mood)",
        "alter function f(mood) rename to lower",
        "create extension e",
        "create event trigger e on ddl_command_end execute function f()",
    ] {
        assert!(of(text).may_watch("l"), "{text}");
    }
    for text in [
        "create trigger w after insert on a for each row execute function f()",
        "create unique index on a (l); alter table a add l int",
        "create function lowered(mood) returns text language sql return lower('x')",
        "comment on table a is 'create event trigger'; -- alter table l",
    ] {
        assert!(!of(text).may_watch("l"), "{text}");
    }
}

#[test]
fn concurrent_commands_are_found_with_their_names() {
    let commands = |text| of(text).concurrent_commands().cloned().collect::<Vec<_>>();
    let name = |schema: Option<&str>, name: &str| {
        Some(ObjectName { schema: schema.map(Into::into), name: name.into() })
    };
    let create = |index, table| ConcurrentCommand::CreateIndex { index, table };
    let reindex = |kind, name| ConcurrentCommand::Reindex { kind, name };
    use super::concurrent::ReindexKind;
    for (text, command) in [
        (
            "create unique index concurrently if not exists I on only s.t (a)",
            create(name(Some("s"), "i"), name(Some("s"), "t")),
        ),
        ("create index concurrently on \"T\" (a)", create(None, name(None, "T"))),
        (
            "drop index concurrently if exists s.i cascade",
            ConcurrentCommand::DropIndex { index: name(Some("s"), "i") },
        ),
        ("reindex index concurrently i", reindex(ReindexKind::Index, name(None, "i"))),
        (
            "reindex (verbose, concurrently) table s.t",
            reindex(ReindexKind::Table, name(Some("s"), "t")),
        ),
        ("reindex (concurrently on) schema s", reindex(ReindexKind::Schema, name(None, "s"))),
        ("reindex database concurrently", reindex(ReindexKind::Database, None)),
        (
            "alter table if exists only p detach partition c concurrently",
            ConcurrentCommand::DetachPartition { table: name(None, "p") },
        ),
    ] {
        assert_eq!(commands(text), [command], "{text}");
    }
    for text in [
        "create index \"concurrently\" on t (a)",
        "reindex (concurrently false) table t",
        "refresh materialized view concurrently v",
        "comment on table t is 'create index concurrently i on t (a)'",
        "alter table p detach partition \"concurrently\"",
        "-- create index concurrently i on t (a)",
    ] {
        assert_eq!(commands(text), [], "{text}");
    }
    assert_eq!(cut(&"é".repeat(40)), "é".repeat(31), "63 bytes, whole characters");
}

/// All results.
fn answers(text: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    let of = of(text);
    let owned = |of: &Effects| {
        let commands: Vec<_> = of.concurrent_commands().cloned().collect();
        (commands, of.index_changes().cloned().collect::<Vec<_>>())
    };
    (
        (of.observes(), of.may_run_code(), of.controls_transactions(), of.is_closed()),
        (of.leaves_in_session(), of.moves_search_path(), of.moves_role(), of.sets_lock_timeout()),
        (of.changes_cluster(), of.changes_database(), of.names_session_lock(), of.may_watch("l")),
        (
            of.places().may_be_outside("own", &["mine".to_owned()].into()),
            of.takes_away(),
            of.is_repeatable(),
        ),
        of.statements()
            .iter()
            .map(|one| (one.control, one.refuses_transaction, one.commits_by_itself))
            .collect::<Vec<_>>(),
        owned(&of),
    )
}

fn any_case() -> impl Strategy<Value = &'static str> {
    let all: Vec<&str> =
        SEES_NOTHING.iter().chain(SEES_ITS_TIME).chain(SEES_ANYTHING).copied().collect();
    let all = all.into_iter().chain(SESSION.iter().map(|(text, _)| *text));
    let all = all.chain(OUTSIDE.iter().chain(INSIDE).copied());
    // A text that ends inside a quote has no position after it.
    prop::sample::select(all.filter(|text| of(text).is_closed).collect::<Vec<_>>())
}

/// Words that would have a meaning outside of a string, a comment or a name.
fn any_words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "statement_timestamp()",
        "reindex",
        "drop index i",
        "concurrently",
        "begin;",
        "commit",
        "set search_path = x",
        "create role r",
        "pg_advisory_lock(1)",
        "set_config",
        "do",
        "insert into t",
        "lock_timeout",
        "current_query()",
        "create extension",
        "--x",
    ]);
    prop::collection::vec(word, 1..4).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn comments_and_whitespace_change_nothing(text in any_case(), inside in any_words(), seed: u64) {
        let mut changed = String::new();
        for (index, token) in tokens(text, 0).enumerate() {
            let own = &text[token.range.clone()];
            changed.push_str(own);
            if own.trim().is_empty() && seed >> (index % 64) & 1 == 1 {
                changed.push_str(&format!("/* {inside} */\n-- {inside}\n"));
            }
        }
        prop_assert_eq!(answers(&changed), answers(text), "{}", changed);
    }

    #[test]
    fn letter_case_changes_nothing(text in any_case(), upper: bool) {
        let mut changed = text.to_owned();
        for word in words(text).filter(|word| word.identifier().is_some() && !word.text().starts_with('"')) {
            let own = if upper { word.text().to_ascii_uppercase() } else { word.text().to_ascii_lowercase() };
            changed.replace_range(word.range(), &own);
        }
        prop_assert_eq!(answers(&changed), answers(text), "{}", changed);
    }

    #[test]
    fn words_in_strings_comments_and_names_change_nothing(inside in any_words(), text in any_case()) {
        let with = |inside: &str| {
            let quoted = inside.replace('"', "");
            format!(
                "{text}\n;\ncomment on table a is '{inside}'; comment on table a is $x${inside}$x$;\
                 create table \"{quoted}\" (a text default '{inside}', b text default $${inside}$$);"
            )
        };
        prop_assert_eq!(format!("{:?}", answers(&with(&inside))), format!("{:?}", answers(&with("x"))));
    }

    #[test]
    fn any_text_can_be_analysed(text in "(?s)[a-zA-Z'\"$();:.,=<>\\\\/*\\- \n]{0,60}") {
        let _ = answers(&text);
    }
}
