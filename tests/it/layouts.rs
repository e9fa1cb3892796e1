//! Layouts of public projects, recreated: each verifies with a configuration of a few lines, or with none.

use crate::common::{Project, project};

/// The number of non-empty lines of a configuration.
fn lines(config: &str) -> usize {
    config.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Passes without a base, passes again as the base, and finds the failure of the next pull request.
fn verifies(layout: Project, next: &str, broken: &str, place: &str) {
    let migrations = layout.verify().report(0).json["counts"]["migrations"].as_u64().unwrap();
    assert!(migrations >= 3, "{migrations}");
    let branch = layout.git_commit("main").git_branch("feature");
    assert_eq!(branch.verify().report(0).json["counts"]["pending_migrations"], 0);
    let report = branch.file(next, broken).verify().report(1);
    assert_eq!(report.codes(), ["migration-failed"], "{:#}", report.json["findings"]);
    assert_eq!(crate::common::at(&report.finding("migration-failed")["place"]), place);
    assert_eq!(report.json["counts"]["pending_migrations"], 1);
}

/// sqlx, as in launchbadge/realworld-axum-sqlx: numbered files, an extension, a collation, functions.
#[test]
#[expect(clippy::too_many_lines, reason = "whole files")]
fn an_axum_application_with_sqlx_needs_no_configuration() {
    let realworld = project()
        .file("Cargo.toml", "[package]\nname = \"realworld\"\n\n[dependencies]\naxum = \"0.5\"\nsqlx = { version = \"0.6\", features = [\"postgres\"] }\n")
        .file("src/main.rs", "fn main() {}")
        .file(
            "migrations/1_setup.sql",
            r#"-- If you're not familiar with Postgres extensions, they're basically plugins.
create extension if not exists "uuid-ossp";

create or replace function set_updated_at()
    returns trigger as
$$
begin
    NEW.updated_at = now();
    return NEW;
end;
$$ language plpgsql;

create or replace function trigger_updated_at(tablename regclass)
    returns void as
$$
begin
    execute format('CREATE TRIGGER set_updated_at
        BEFORE UPDATE
        ON %s
        FOR EACH ROW
        WHEN (OLD is distinct from NEW)
    EXECUTE FUNCTION set_updated_at();', tablename);
end;
$$ language plpgsql;

create collation case_insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
"#,
        )
        .file(
            "migrations/2_users.sql",
            r#"-- `user` is a keyword in Postgres, so it has to be quoted.
create table "user"
(
    user_id       uuid primary key                                default uuid_generate_v1mc(),
    username      text collate "case_insensitive" unique not null,
    email         text collate "case_insensitive" unique not null,
    bio           text                                   not null default '',
    image         text,
    password_hash text                                   not null,
    created_at    timestamptz                            not null default now(),
    updated_at    timestamptz
);

SELECT trigger_updated_at('"user"');

create table follow
(
    followed_user_id  uuid        not null references "user" (user_id) on delete cascade,
    following_user_id uuid        not null references "user" (user_id) on delete cascade,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz,
    constraint user_cannot_follow_self check (followed_user_id != following_user_id),
    primary key (following_user_id, followed_user_id)
);

SELECT trigger_updated_at('follow');
"#,
        )
        .file(
            "migrations/3_articles.sql",
            r#"create table article
(
    article_id uuid primary key     default uuid_generate_v1mc(),
    user_id    uuid        not null references "user" (user_id) on delete cascade,
    slug       text unique not null,
    title      text        not null,
    tag_list   text[]      not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz
);

SELECT trigger_updated_at('article');

create index article_tags_gin on article using gin (tag_list);
"#,
        )
        .file("migrations/4_comments.sql", "create table article_comment (comment_id int8 generated always as identity primary key,\n    article_id uuid not null references article (article_id) on delete cascade);\n");
    verifies(
        realworld,
        "migrations/5_favorites.sql",
        "create table article_favorite\n(\n    article_id uuid not null references article (articel_id)\n);\n",
        "migrations/5_favorites.sql:1",
    );
}

/// sqlx, as in "Zero to Production in Rust": timestamps, and a migration with a transaction of its own.
#[test]
fn migrations_with_their_own_transaction_pass_as_in_sqlx() {
    let newsletter = project()
        .file("Cargo.toml", "[package]\nname = \"zero2prod\"\n\n[dependencies.sqlx]\nversion = \"0.6\"\ndefault-features = false\nfeatures = [\"migrate\"]\n")
        .file(
            "migrations/20200823135036_create_subscriptions_table.sql",
            "-- Create Subscriptions Table\nCREATE TABLE subscriptions(\n  id uuid NOT NULL,\n  PRIMARY KEY (id),\n  email TEXT NOT NULL UNIQUE,\n  name TEXT NOT NULL,\n  subscribed_at timestamptz NOT NULL\n);\n",
        )
        .file(
            "migrations/20210307181858_add_status_to_subscriptions.sql",
            "ALTER TABLE subscriptions ADD COLUMN status TEXT NULL;\n",
        )
        .file(
            "migrations/20210307184428_make_status_not_null_in_subscriptions.sql",
            "-- We wrap the whole migration in a transaction to make sure\n-- it succeeds or fails atomically. We will discuss SQL transactions\n-- in more details towards the end of this chapter!\n-- `sqlx` does not do it automatically for us.\nBEGIN;\n    -- Backfill `status` for historical entries\n    UPDATE subscriptions\n        SET status = 'confirmed'\n        WHERE status IS NULL;\n    -- Make `status` mandatory\n    ALTER TABLE subscriptions ALTER COLUMN status SET NOT NULL;\nCOMMIT;\n",
        )
        .file(
            "migrations/20210307184500_create_subscription_tokens_table.sql",
            "-- Create Subscription Tokens Table\nCREATE TABLE subscription_tokens(\n   subscription_token TEXT NOT NULL,\n   subscriber_id uuid NOT NULL\n      REFERENCES subscriptions (id),\n   PRIMARY KEY (subscription_token)\n);\n",
        );
    verifies(
        newsletter,
        "migrations/20210829200701_seed_user.sql",
        "-- Add migration script here\nINSERT INTO users (user_id, username) VALUES ('ddf8994f', 'admin');\n",
        "migrations/20210829200701_seed_user.sql:2:13",
    );
}

/// dbmate, with the layout of `dbmate new` and `dbmate up`: `db/migrations`, and `db/schema.sql` next to it.
#[test]
fn a_project_with_dbmate_needs_no_configuration() {
    let shop = project()
        .file(".env", "DATABASE_URL=\"postgres://postgres@127.0.0.1:5432/shop_development?sslmode=disable\"\n")
        .file("db/schema.sql", "-- made by dbmate\nCREATE TABLE public.users (id integer);\n")
        .file(
            "db/migrations/20151129054053_test_migration.sql",
            "-- migrate:up\ncreate table users (\n  id serial,\n  name text\n);\ninsert into users (id, name) values (1, 'alice');\n\n-- migrate:down\ndrop table users;\n",
        )
        .file(
            "db/migrations/20200227231541_test_posts.sql",
            "-- migrate:up\ncreate table posts (\n  id integer,\n  name varchar(255)\n);\n\n-- migrate:down\ndrop table posts;\n",
        )
        .file(
            "db/migrations/20220607110405_test_category.sql",
            "-- migrate:up transaction:false\ncreate index concurrently posts_name on posts (name);\n\n-- migrate:down\ndrop index posts_name;\n",
        );
    verifies(
        shop,
        "db/migrations/20230101000000_authors.sql",
        "-- migrate:up\nalter table posts add column author int references users (id);\n\n-- migrate:down\nalter table posts drop column author;\n",
        "db/migrations/20230101000000_authors.sql:2",
    );
}

/// golang-migrate, as in techschool/simplebank: six digits, up and down, in a folder with a different name.
#[test]
fn a_golang_migrate_project_needs_two_lines() {
    let config = "[databases.bank]\nmigrations = \"db/migration\"\n";
    assert!(lines(config) < 10);
    let bank = project()
        .file("mig-ci.toml", config)
        .file("go.mod", "module github.com/techschool/simplebank\n\ngo 1.19\n\nrequire (\n\tgithub.com/golang-migrate/migrate/v4 v4.15.2\n\tgithub.com/lib/pq v1.10.6\n)\n")
        .file(
            "db/migration/000001_init_schema.up.sql",
            r#"CREATE TABLE "accounts" (
  "id" bigserial PRIMARY KEY,
  "owner" varchar NOT NULL,
  "balance" bigint NOT NULL,
  "currency" varchar NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT (now())
);

CREATE TABLE "entries" (
  "id" bigserial PRIMARY KEY,
  "account_id" bigint NOT NULL,
  "amount" bigint NOT NULL
);

ALTER TABLE "entries" ADD FOREIGN KEY ("account_id") REFERENCES "accounts" ("id");

CREATE INDEX ON "accounts" ("owner");

COMMENT ON COLUMN "entries"."amount" IS 'can be negative or positive';
"#,
        )
        .file("db/migration/000001_init_schema.down.sql", "DROP TABLE IF EXISTS entries;\nDROP TABLE IF EXISTS accounts;\n")
        .file(
            "db/migration/000002_add_users.up.sql",
            "CREATE TABLE \"users\" (\n  \"username\" varchar PRIMARY KEY,\n  \"email\" varchar UNIQUE NOT NULL\n);\n\nALTER TABLE \"accounts\" ADD FOREIGN KEY (\"owner\") REFERENCES \"users\" (\"username\");\n\n-- CREATE UNIQUE INDEX ON \"accounts\" (\"owner\", \"currency\");\nALTER TABLE \"accounts\" ADD CONSTRAINT \"owner_currency_key\" UNIQUE (\"owner\", \"currency\");\n",
        )
        .file("db/migration/000002_add_users.down.sql", "ALTER TABLE IF EXISTS \"accounts\" DROP CONSTRAINT IF EXISTS \"owner_currency_key\";\nDROP TABLE IF EXISTS \"users\";\n")
        .file("db/migration/000003_add_sessions.up.sql", "CREATE TABLE \"sessions\" (\n  \"id\" uuid PRIMARY KEY,\n  \"username\" varchar NOT NULL REFERENCES \"users\" (\"username\")\n);\n")
        .file("db/migration/000003_add_sessions.down.sql", "DROP TABLE IF EXISTS \"sessions\";\n");
    verifies(
        bank,
        "db/migration/000004_add_verify_emails.up.sql",
        "CREATE TABLE \"verify_emails\" (\"id\" bigserial PRIMARY KEY);\n\nALTER TABLE \"user\" ADD COLUMN \"is_email_verified\" bool NOT NULL DEFAULT false;\n",
        "db/migration/000004_add_verify_emails.up.sql:3",
    );
}

/// Plain SQL on a platform such as Supabase: the platform's roles and its `auth` schema exist before the migrations.
#[test]
fn objects_of_a_platform_come_from_prepare_files() {
    let config = "[prepare]\nserver = \"supabase/ci/roles.sql\"\n\n[databases.app]\n\
                  migrations = \"supabase/migrations\"\nformat = \"plain\"\nprepare = \"supabase/ci/platform.sql\"\n";
    assert!(lines(config) < 10);
    let roles = "DO $$\nDECLARE\n  name text;\nBEGIN\n  FOREACH name IN ARRAY ARRAY['anon', 'authenticated'] LOOP\n    \
                 IF to_regrole(name) IS NULL THEN EXECUTE format('CREATE ROLE %I NOLOGIN', name); END IF;\n  END LOOP;\nEND $$;\n";
    let platform = "CREATE SCHEMA auth;\nCREATE TABLE auth.users (id uuid PRIMARY KEY, email text);\n\
                    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';\n\
                    GRANT USAGE ON SCHEMA auth TO PUBLIC;\nGRANT REFERENCES, SELECT, TRIGGER ON auth.users TO PUBLIC;\n";
    let todo = project()
        .file("mig-ci.toml", config)
        .file("supabase/config.toml", "project_id = \"todo\"\n")
        .file("supabase/ci/roles.sql", roles)
        .file("supabase/ci/platform.sql", platform)
        .file(
            "supabase/migrations/20230712094349_init.sql",
            "create table todos (\n  id bigint generated by default as identity primary key,\n  user_id uuid references auth.users not null,\n  task text check (char_length(task) > 3),\n  is_complete boolean default false\n);\nalter table todos enable row level security;\ncreate policy \"Individuals can create todos.\" on todos for\n    insert with check (auth.uid() = user_id);\ncreate policy \"Individuals can view their own todos. \" on todos for\n    select using (auth.uid() = user_id);\n",
        )
        .file("supabase/migrations/20230712095000_grants.sql", "grant select, insert on todos to authenticated;\nrevoke all on todos from anon;\n")
        .file("supabase/migrations/20230713000000_view.sql", "create view open_todos as select id, task from todos where not is_complete;\n");
    verifies(
        todo,
        "supabase/migrations/20230714000000_rename.sql",
        "alter table todos drop column is_complete;\n",
        "supabase/migrations/20230714000000_rename.sql:1",
    );
}
