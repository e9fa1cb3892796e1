//! Tables of cases, and what never changes an answer.

use super::*;

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
fn what_a_script_can_see() {
    use Observation::{Anything, Nothing, TransactionTime};
    let expected = SEES_NOTHING.iter().map(|text| (text, Nothing));
    let expected = expected.chain(SEES_ITS_TIME.iter().map(|text| (text, TransactionTime)));
    let expected = expected.chain(SEES_ANYTHING.iter().map(|text| (text, Anything)));
    let wrong: Vec<_> = expected.filter(|(text, sees)| of(text).observes() != *sees).collect();
    assert!(wrong.is_empty(), "expected: {wrong:#?}");
}
