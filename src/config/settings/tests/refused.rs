//! Invalid files, and their error messages.

use insta::assert_snapshot;

use crate::config::Overrides;
use crate::config::testing::{
    ConfigFiles, load_at, load_with, refused, refused_beside, usual_files,
};

/// A database with a tenant track, and additional keys of its table.
fn with_tenants(more: &str) -> String {
    format!("[databases.app.tenants]\nmigrations = \"migrations/tenant\"\n{more}\n")
}

#[test]
fn text_that_is_not_toml() {
    assert_snapshot!(refused("[databases.users]\nmigrations = migrations/users\n"), @r#"
    error: not valid TOML: string values must be quoted, expected literal string
     --> mig-ci.toml:2:14
      |
    2 | migrations = migrations/users
      |              ^^^^^^^^^^^^^^^^
      |
      = help: put the value in quotes
    "#);
    assert_snapshot!(refused("[databases.users]\nmigrations = \"a\"\nmigrations = \"b\"\n"), @r#"
    error: not valid TOML: duplicate key
     --> mig-ci.toml:3:1
      |
    3 | migrations = "b"
      | ^^^^^^^^^^
      |
      = help: a key or a table header may occur only once in a table: merge the two, or remove one
    "#);
    assert_snapshot!(refused("[databases.users]\n[databases.users]\n"), @r#"
    error: not valid TOML: duplicate key
     --> mig-ci.toml:2:12
      |
    2 | [databases.users]
      |            ^^^^^
      |
      = help: a key or a table header may occur only once in a table: merge the two, or remove one
    "#);
}

#[test]
fn all_unknown_keys_are_reported_with_the_nearest_known_one() {
    assert_snapshot!(refused("
[databases.users]
migration = \"migrations/users\"
searchpath = [\"public\"]
target = \"x\"

[postgress]
"), @r#"
    error: unknown key `migration` in [databases.users]
     --> mig-ci.toml:3:1
      |
    3 | migration = "migrations/users"
      | ^^^^^^^^^
      |
      = help: did you mean `migrations`? The keys of [databases.users] are `alembic`, `args`, `cwd`, `deploy`, `env`, `format`, `forward-only`, `image`, `isolation`, `ledger`, `migrations`, `options`, `order`, `other-ledgers`, `prepare`, `python`, `python-path`, `revision`, `sample`, `schema`, `search_path`, `setup`, `shared`, `tenants`, `url`

    error: unknown key `searchpath` in [databases.users]
     --> mig-ci.toml:4:1
      |
    4 | searchpath = ["public"]
      | ^^^^^^^^^^
      |
      = help: did you mean `search_path`? The keys of [databases.users] are `alembic`, `args`, `cwd`, `deploy`, `env`, `format`, `forward-only`, `image`, `isolation`, `ledger`, `migrations`, `options`, `order`, `other-ledgers`, `prepare`, `python`, `python-path`, `revision`, `sample`, `schema`, `search_path`, `setup`, `shared`, `tenants`, `url`

    error: unknown key `target` in [databases.users]
     --> mig-ci.toml:5:1
      |
    5 | target = "x"
      | ^^^^^^
      |
      = help: `target` is a key of [databases.NAME.tenants]

    error: unknown key `postgress` in the file's top level
     --> mig-ci.toml:7:2
      |
    7 | [postgress]
      |  ^^^^^^^^^
      |
      = help: did you mean `postgres`? The keys of the file's top level are `checks`, `coverage`, `databases`, `postgres`, `prepare`
    "#);
}

#[test]
fn unknown_checks() {
    assert_snapshot!(refused("[checks]\nlock = { severity = \"off\" }\nlocks = { severty = \"off\" }\nfail_on = \"info\"\n"), @r#"
    error: there is no check `lock`
     --> mig-ci.toml:2:1
      |
    2 | lock = { severity = "off" }
      | ^^^^
      |
      = help: did you mean `locks`? The checks are `ledger-missing`, `locks`, `migration-failed`

    error: unknown key `severty` in [checks.locks]
     --> mig-ci.toml:3:11
      |
    3 | locks = { severty = "off" }
      |           ^^^^^^^
      |
      = help: did you mean `severity`? The keys of [checks.locks] are `severity`

    error: unknown key `fail_on` in [checks]
     --> mig-ci.toml:4:1
      |
    4 | fail_on = "info"
      | ^^^^^^^
      |
      = help: did you mean `fail-on`? The keys of [checks] are `fail-on`, `ledger-missing`, `locks`, `migration-failed`
    "#);
}

#[test]
fn wrong_types_and_missing_keys() {
    assert_snapshot!(refused("
[postgres]
version = 17.2
extensions = \"vector\"
[databases]
users = \"migrations/users\"
[databases.app]
shared = { schema = \"shared\" }
tenants = { migrations = \"migrations/tenant\", samples = [\"a\", 1] }
"), @r#"
    error: `postgres.version` must be an integer or a string, and is a number
     --> mig-ci.toml:3:11
      |
    3 | version = 17.2
      |           ^^^^
      |
      = help: The major version that production runs: `"17"`.

    error: `postgres.extensions` must be a list, and is a string
     --> mig-ci.toml:4:14
      |
    4 | extensions = "vector"
      |              ^^^^^^^^
      |
      = help: Extensions that the administrator creates in each database before the first migration.

    error: `databases.users` must be a table, and is a string
     --> mig-ci.toml:6:9
      |
    6 | users = "migrations/users"
      |         ^^^^^^^^^^^^^^^^^^
      |
      = help: A named database: only `migrations` or `alembic`, or `shared`, `tenants`, or both.

    error: `databases.app.tenants.samples[1]` must be a string, and is an integer
     --> mig-ci.toml:9:63
      |
    9 | tenants = { migrations = "migrations/tenant", samples = ["a", 1] }
      |                                                               ^
    "#);
}

#[test]
fn values_that_are_not_in_a_list_of_choices() {
    assert_snapshot!(refused("
[postgres]
provider = \"dokcer\"
role = \"root\"
[databases.users]
migrations = \"migrations/users\"
order = \"numeric\"
[checks]
fail-on = \"errors\"
locks = { severity = \"none\" }
"), @r#"
    error: `postgres.provider` cannot be `dokcer`
     --> mig-ci.toml:3:12
      |
    3 | provider = "dokcer"
      |            ^^^^^^^^
      |
      = help: did you mean `docker`? It can be `auto`, `docker`, `local`, `url`

    error: `postgres.role` cannot be `root`
     --> mig-ci.toml:4:8
      |
    4 | role = "root"
      |        ^^^^^^
      |
      = help: it can be `owner`, `superuser`

    error: `databases.users.order` cannot be `numeric`
     --> mig-ci.toml:7:9
      |
    7 | order = "numeric"
      |         ^^^^^^^^^
      |
      = help: it can be `lexical`, `natural`

    error: `checks.fail-on` cannot be `errors`
     --> mig-ci.toml:9:11
      |
    9 | fail-on = "errors"
      |           ^^^^^^^^
      |
      = help: did you mean `error`? It can be `info`, `warning`, `error`

    error: `checks.locks.severity` cannot be `none`
      --> mig-ci.toml:10:22
       |
    10 | locks = { severity = "none" }
       |                      ^^^^^^
       |
       = help: it can be `info`, `warning`, `error`, `off`
    "#);
}

#[test]
fn invalid_versions() {
    assert_snapshot!(refused("postgres.version = \"17.2\"\n[databases.users]\nmigrations = \"migrations/users\"\n"), @r#"
    error: `17.2` is not a major version of PostgreSQL that mig-ci supports
     --> mig-ci.toml:1:20
      |
    1 | postgres.version = "17.2"
      |                    ^^^^^^
      |
      = help: use only the major version, 14 or later: `version = "17"`
    "#);
    for version in ["13", "-1", "\"\\u00e9\"", "170000"] {
        let text = format!(
            "postgres.version = {version}\ndatabases.users.migrations = 'migrations/users'"
        );
        assert!(refused(&text).contains("is not a major version"), "{version}");
    }
}

#[test]
fn variables_that_are_not_set() {
    assert_snapshot!(refused("[databases.users]\nmigrations = \"${FOLDER}/users\"\nformat = \"${FORMAT\"\n"), @r#"
    error: `databases.users.migrations`: the environment variable `FOLDER` is not set
     --> mig-ci.toml:2:14
      |
    2 | migrations = "${FOLDER}/users"
      |              ^^^^^^^^^^^^^^^^^
      |
      = help: set it, or write a default: `${FOLDER:-default}`

    error: `databases.users.format`: a `${` without a `}`
     --> mig-ci.toml:3:10
      |
    3 | format = "${FORMAT"
      |          ^^^^^^^^^^
      |
      = help: write a variable as `${NAME}` or `${NAME:-default}`; `$${` is a literal `${`
    "#);
}

#[test]
fn a_provider_without_its_url() {
    assert_snapshot!(refused("[postgres]\nprovider = \"url\"\n[databases.users]\nmigrations = \"migrations/users\"\n"), @r#"
    error: the provider is `url`, but the server's URL is not set
     --> mig-ci.toml:2:12
      |
    2 | provider = "url"
      |            ^^^^^
      |
      = help: set MIG_CI_POSTGRES_URL or `--postgres-url`, or add `url = "${VARIABLE}"` to [postgres]; or choose another `provider`
    "#);
}

#[test]
fn invalid_and_reserved_settings() {
    assert_snapshot!(refused("
[postgres.settings]
\"app region\" = \"eu\"
search_path = \"x\"
[databases.users]
migrations = \"migrations/users\"
"), @r#"
    error: `app region` is not the name of a setting
     --> mig-ci.toml:3:1
      |
    3 | "app region" = "**"
      | ^^^^^^^^^^^^
      |
      = help: a custom setting has a dot in its name: `"app.region" = "eu"`

    error: the setting `search_path` would override what mig-ci sets for each session
     --> mig-ci.toml:4:1
      |
    4 | search_path = "*"
      | ^^^^^^^^^^^
      |
      = help: use the `search_path` of the track
    "#);
}

/// They would start another option of the server.
#[test]
fn values_of_settings_with_control_characters() {
    for value in ["a\\t-crole=postgres", "a\\n-csearch_path=x", "a\\rb", "a\\u000bb", "a\\u0000"] {
        let message = refused(&format!(
            "[postgres.settings]\n\"app.x\" = \"{value}\"\n[databases.users]\nmigrations = \"migrations/users\"\n"
        ));
        assert!(
            message.contains("the value of the setting `app.x` has a control character"),
            "{value}: {message}"
        );
    }
}

#[test]
fn missing_folders_and_files() {
    assert_snapshot!(refused("
[prepare]
server = [\"sql/role.sql\"]
[databases.users]
migrations = \"migrations/user\"
sample = \"../users.sql\"
[databases.other]
migrations = \"nowhere\"
"), @r#"
    error: `prepare.server[0]`: there is no file `sql/role.sql`
     --> mig-ci.toml:3:11
      |
    3 | server = ["sql/role.sql"]
      |           ^^^^^^^^^^^^^^
      |
      = help: did you mean `sql/roles.sql`?

    error: `databases.users.migrations`: the folder `migrations/user` does not exist, or contains no files
     --> mig-ci.toml:5:14
      |
    5 | migrations = "migrations/user"
      |              ^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `migrations/users`?

    error: `databases.users.sample`: `../users.sql` leads out of the project
     --> mig-ci.toml:6:10
      |
    6 | sample = "../users.sql"
      |          ^^^^^^^^^^^^^^
      |
      = help: paths are relative to the folder of `mig-ci.toml` and have to stay inside it: move `mig-ci.toml` to a parent folder

    error: `databases.other.migrations`: the folder `nowhere` does not exist, or contains no files
     --> mig-ci.toml:8:14
      |
    8 | migrations = "nowhere"
      |              ^^^^^^^^^
      |
      = help: paths are relative to the folder of `mig-ci.toml`
    "#);
}

#[test]
fn databases_without_migrations_or_with_too_many() {
    assert_snapshot!(refused("
[databases.empty]
url = \"postgres://localhost/x\"
[databases.\"\"]
migrations = \"migrations/users\"
[databases.loose]
format = \"plain\"
tenants = { migrations = \"migrations/tenant\" }
[databases.twice]
migrations = \"migrations/users\"
shared = { migrations = \"migrations/shared\" }
"), @r#"
    error: the database `empty` has no migrations
     --> mig-ci.toml:2:12
      |
    2 | [databases.empty]
      |            ^^^^^
      |
      = help: add `migrations = "…"` or `alembic = { … }` to [databases.empty], or a `shared` or `tenants` table with one of them

    error: a database has an empty name
     --> mig-ci.toml:4:12
      |
    4 | [databases.""]
      |            ^^
      |
      = help: give it a name for `-n`

    error: `databases.loose.format` is in a table without `migrations` or `alembic`
     --> mig-ci.toml:7:1
      |
    7 | format = "plain"
      | ^^^^^^
      |
      = help: move `format` into the table with its `migrations` or `alembic`

    error: the database `twice` has two keys for its migrations: `migrations` and `shared`
      --> mig-ci.toml:10:1
       |
    10 | migrations = "migrations/users"
       | ^^^^^^^^^^
       |
       = help: remove one of the two: `migrations` is the short form of `shared`
    "#);
    assert_snapshot!(refused("[postgres]\n"), @r#"
    error: the file contains no database
    --> mig-ci.toml
     = help: add one: `[databases.app]` with `migrations = "migrations"`
    "#);
}

#[test]
fn search_paths_with_another_first_schema() {
    assert_snapshot!(refused("
[databases.app.shared]
migrations = \"migrations/shared\"
schema = \"shared\"
search_path = [\"public\", \"{target}\"]
[databases.app.tenants]
migrations = \"migrations/tenant\"
search_path = [\"public\", \"{tenant}\"]
[databases.users]
migrations = \"migrations/users\"
schema = \"pg_users\"
search_path = []
[databases.customers.tenants]
migrations = \"migrations/tenant\"
tenancy = \"database\"
search_path = [\"{target}\"]
"), @r#"
    error: `databases.app.shared.search_path` begins with `public`, not with `shared`
     --> mig-ci.toml:5:16
      |
    5 | search_path = ["public", "{target}"]
      |                ^^^^^^^^
      |
      = help: put `shared` first: migrations create their tables there, and it contains the ledger

    error: `databases.app.shared.search_path[1]` contains `{target}`, but shared migrations do not belong to a tenant
     --> mig-ci.toml:5:26
      |
    5 | search_path = ["public", "{target}"]
      |                          ^^^^^^^^^^
      |
      = help: list schema names; `{target}` is a tenant's schema, and is valid only in the `search_path` of tenants with a schema each

    error: `databases.app.tenants.search_path[1]` contains `{tenant}`, which has no meaning there
     --> mig-ci.toml:8:26
      |
    8 | search_path = ["public", "{tenant}"]
      |                          ^^^^^^^^^^
      |
      = help: write `{target}`: the tenant's schema, as defined by the key `target`

    error: `databases.users.schema`: `pg_users` begins with `pg_`, which PostgreSQL reserves for itself
      --> mig-ci.toml:11:10
       |
    11 | schema = "pg_users"
       |          ^^^^^^^^^^
       |
       = help: choose a name that does not begin with `pg_`

    error: `databases.users.search_path` is empty
      --> mig-ci.toml:12:15
       |
    12 | search_path = []
       |               ^^
       |
       = help: list its schemas, or remove the key

    error: `databases.customers.tenants.search_path[0]` contains `{target}`, but each tenant has its own database
      --> mig-ci.toml:16:16
       |
    16 | search_path = ["{target}"]
       |                ^^^^^^^^^^
       |
       = help: list schema names; `{target}` is a tenant's schema, and is valid only in the `search_path` of tenants with a schema each
    "#);
}

#[test]
fn invalid_target_templates() {
    assert_snapshot!(refused(&with_tenants("target = \"tenant\"")), @r#"
    error: `databases.app.tenants.target`: the template `tenant` has no `{tenant}`, so every tenant would get the same target
     --> mig-ci.toml:3:10
      |
    3 | target = "tenant"
      |          ^^^^^^^^
      |
      = help: insert `{tenant}` for the tenant's name: `tenant_{tenant}`
    "#);
    let long = format!("target = \"{}_{{tenant}}\"", "long".repeat(15));
    assert_snapshot!(refused(&with_tenants(&long)), @r#"
    error: `databases.app.tenants.target`: `longlonglonglonglonglonglonglonglonglonglonglonglonglonglong_base` has 65 bytes, and PostgreSQL truncates names to 63
     --> mig-ci.toml:3:10
      |
    3 | target = "longlonglonglonglonglonglonglonglonglonglonglonglonglonglong_{tenant}"
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: shorten it by 2 bytes: two names that PostgreSQL truncates to the same name would share one schema
    "#);
}

#[test]
fn samples_that_match_nothing() {
    assert_snapshot!(refused(&with_tenants("samples = [\"samples/*.sql\", \"sampels/*.sql\", \"samples/{\"]")), @r#"
    error: `databases.app.tenants.samples[0]`: no file matches `samples/*.sql`
     --> mig-ci.toml:3:12
      |
    3 | samples = ["samples/*.sql", "sampels/*.sql", "samples/{"]
      |            ^^^^^^^^^^^^^^^
      |
      = help: none of the 2 files below `samples` matches; `*` does not match folders, `**` does

    error: `databases.app.tenants.samples[1]`: no file matches `sampels/*.sql`
     --> mig-ci.toml:3:29
      |
    3 | samples = ["samples/*.sql", "sampels/*.sql", "samples/{"]
      |                             ^^^^^^^^^^^^^^^
      |
      = help: the folder `sampels` does not exist, or contains no files

    error: `databases.app.tenants.samples[2]`: `samples/{` is not a pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
     --> mig-ci.toml:3:46
      |
    3 | samples = ["samples/*.sql", "sampels/*.sql", "samples/{"]
      |                                              ^^^^^^^^^^^
      |
      = help: `*` matches a part of a name, `**` matches folders, `{a,b}` alternatives; `\` escapes the next character
    "#);
}

#[test]
fn samples_with_invalid_names() {
    let files = ConfigFiles::of(&[
        "migrations/shared/1.sql",
        "migrations/tenant/1.sql",
        "samples/README.md",
        "samples/base.sql",
        "samples/fresh_2.sql.gz",
        "samples/shared.sql",
        "samples/public.sql",
        &format!("samples/{}.sql", "x".repeat(70)),
    ]);
    let text = with_tenants(
        "samples = \"samples/*\"\n[databases.app.shared]\nmigrations = \"migrations/shared\"\nschema = \"shared\"",
    );
    assert_snapshot!(refused_beside(&text, files), @r#"
    error: `databases.app.tenants.samples`: samples/README.md is not an `.sql` or `.sql.gz` file
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/*"
      |           ^^^^^^^^^^^
      |
      = help: restrict the pattern (`*.sql`), or create the sample with `pg_dump --format=plain`

    error: the name `base` of the sample samples/base.sql is reserved by mig-ci
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/*"
      |           ^^^^^^^^^^^
      |
      = help: rename the file: `base`, `fresh`, `fresh_1` and `fresh_2` are the starting states that mig-ci creates itself

    error: the name `fresh_2` of the sample samples/fresh_2.sql.gz is reserved by mig-ci
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/*"
      |           ^^^^^^^^^^^
      |
      = help: rename the file: `base`, `fresh`, `fresh_1` and `fresh_2` are the starting states that mig-ci creates itself

    error: the tenant `public` (samples/public.sql) would have the target `public`, which is in the search path of the shared track
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/*"
      |           ^^^^^^^^^^^
      |
      = help: set a `target` that cannot produce this name, such as `tenant_{tenant}`

    error: the tenant `shared` (samples/shared.sql) would have the target `shared`, which is the shared track's schema
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/*"
      |           ^^^^^^^^^^^
      |
      = help: set a `target` that cannot produce this name, such as `tenant_{tenant}`

    error: the target of the tenant `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` (samples/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.sql) is invalid: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` has 70 bytes, and PostgreSQL truncates names to 63
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/*"
      |           ^^^^^^^^^^^
      |
      = help: shorten it by 7 bytes: two names that PostgreSQL truncates to the same name would share one schema
    "#);
}

#[test]
fn two_samples_of_one_tenant() {
    let files = ConfigFiles::of(&[
        "migrations/tenant/1.sql",
        "samples/eu/acme.sql",
        "samples/us/acme.sql.gz",
        "samples/us/globex.sql",
    ]);
    let text = with_tenants(
        "samples = \"samples/**/*.sql*\"\nsample.acme = { file = \"samples/us/globex.sql\" }",
    );
    assert_snapshot!(refused_beside(&text, files), @r#"
    error: two samples have the target `acme`: samples/us/globex.sql and samples/eu/acme.sql
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/**/*.sql*"
      |           ^^^^^^^^^^^^^^^^^^^
      |
      = help: rename one of the files, or set another tenant's name for it: `sample.NAME = { file = "…" }` next to `samples`

    error: two samples have the target `acme`: samples/us/globex.sql and samples/us/acme.sql.gz
     --> mig-ci.toml:3:11
      |
    3 | samples = "samples/**/*.sql*"
      |           ^^^^^^^^^^^^^^^^^^^
      |
      = help: rename one of the files, or set another tenant's name for it: `sample.NAME = { file = "…" }` next to `samples`
    "#);
}

#[test]
fn samples_without_a_tenant() {
    assert_snapshot!(refused(&with_tenants("samples = \"samples/app/*.sql\"\n[databases.app.tenants.sample.amce]\nversion = 3")), @r"
    error: no sample file belongs to the tenant `amce`
     --> mig-ci.toml:4:31
      |
    4 | [databases.app.tenants.sample.amce]
      |                               ^^^^
      |
      = help: did you mean `acme`? Set its `file`; the samples found are `acme`
    ");
}

#[test]
fn tenants_from_two_sources_or_none() {
    assert_snapshot!(refused(&with_tenants("from = { query = \"select 1\", list = [\"acme\"] }")), @r#"
    error: [databases.app.tenants.from] has 2 sources of names: query, list
     --> mig-ci.toml:3:1
      |
    3 | from = { query = "select 1", list = ["acme"] }
      | ^^^^
      |
      = help: set exactly one of `query`, `list`, `pattern`, `file` and `command`
    "#);
    assert_snapshot!(refused(&with_tenants("from = {}")), @r#"
    error: [databases.app.tenants.from] has no source of names
     --> mig-ci.toml:3:1
      |
    3 | from = {}
      | ^^^^
      |
      = help: set exactly one of `query`, `list`, `pattern`, `file` and `command`
    "#);
}

/// The tenants that mig-ci creates itself have targets, too.
#[test]
fn a_tenant_created_by_mig_ci_has_no_schema_of_a_track() {
    let text = with_tenants("search_path = [\"{target}\", \"base\"]");
    let refused = refused(&text);
    let words = "the tenant `base` (created by mig-ci) would have the target `base`, which is in the search path of all tenants";
    assert!(refused.contains(words), "{refused}");
}

#[test]
fn a_sample_for_a_database_of_postgresql() {
    let files = usual_files().with("samples/template1.sql", "").with("samples/acme.sql", "");
    let text = with_tenants("tenancy = \"database\"\nsamples = \"samples/*.sql\"");
    let refused = refused_beside(&text, files);
    assert!(refused.contains("`template1`, which is PostgreSQL's own database"), "{refused}");
}

#[test]
fn the_file_itself() {
    let missing = load_at("ci/mig-ci.toml", &ConfigFiles::default());
    assert_snapshot!(missing.unwrap_err().render(false), @r#"
    error: there is no configuration file ci/mig-ci.toml
     |
     = help: correct `--config`, or omit it: mig-ci then searches for `mig-ci.toml` in this folder and its parents
    "#);
    let latin1 = ConfigFiles::default().with_bytes("mig-ci.toml", b"# \xe9\n");
    assert_snapshot!(load_at("mig-ci.toml", &latin1).unwrap_err().render(false), @r#"
    error: mig-ci.toml is not UTF-8 text
     |
     = help: save the file as UTF-8
    "#);
}

#[test]
fn one_line_for_logs_and_colours_for_terminals() {
    let text = "[databases.users]
migrations = \"migrations/users\"
formt = \"y\"
[postgres]
settings = { \"é\" = \"x\", y = 1 }
";
    let errors = load_with(text, usual_files(), Overrides::default()).unwrap_err();
    assert_snapshot!(errors, @r#"
    mig-ci.toml:3:1: unknown key `formt` in [databases.users]
    mig-ci.toml:5:29: `postgres.settings.y` must be a string, and is an integer
    "#);
    assert!(errors.render(true).contains("\u{1b}["));
    assert!(!errors.render(false).contains('\u{1b}'));
}

#[test]
fn the_number_of_shown_problems_is_limited() {
    let names: Vec<String> =
        (0..10_000).map(|at| format!("samples/{at}{}.sql", "x".repeat(60))).collect();
    let mut paths: Vec<&str> = names.iter().map(String::as_str).collect();
    paths.push("migrations/tenant/1.sql");
    let text = with_tenants("samples = \"samples/*.sql\"");
    let errors = load_with(&text, ConfigFiles::of(&paths), Overrides::default()).unwrap_err();
    let shown = errors.render(false);
    assert_eq!(shown.matches("error: ").count(), 20);
    assert!(shown.ends_with("… and 8980 more problems\n"), "{}", &shown[shown.len() - 100..]);
}

#[test]
fn values_of_the_wrong_kind_or_with_a_wrong_name() {
    let text = "
[databases.users]
migrations = \"migrations/users/1_users.sql\"
format = \"sqxl\"
sample = \"samples/app\"
schema = \"information_schema\"
[databases.app.tenants]
migrations = \"migrations/tenant\"
target = \"{tenant}_{foo}\"
search_path = [\"{target}\", \"{bar}\"]
";
    assert_snapshot!(refused(text), @r#"
    error: `databases.users.migrations`: `migrations/users/1_users.sql` is a file, not a folder
     --> mig-ci.toml:3:14
      |
    3 | migrations = "migrations/users/1_users.sql"
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: name its folder

    error: `databases.users.format` cannot be `sqxl`
     --> mig-ci.toml:4:10
      |
    4 | format = "sqxl"
      |          ^^^^^^
      |
      = help: did you mean `sqlx`? It can be `sqlx`, `dbmate`, `golang-migrate`, `plain`

    error: `databases.users.sample`: `samples/app` is a folder, not a file
     --> mig-ci.toml:5:10
      |
    5 | sample = "samples/app"
      |          ^^^^^^^^^^^^^
      |
      = help: name one file in it

    error: `databases.users.schema`: `information_schema` is a schema of PostgreSQL's own
     --> mig-ci.toml:6:10
      |
    6 | schema = "information_schema"
      |          ^^^^^^^^^^^^^^^^^^^^
      |
      = help: use one of your own schemas

    error: `databases.app.tenants.target`: the template `{tenant}_{foo}` contains `{foo}`, which has no meaning there
     --> mig-ci.toml:9:10
      |
    9 | target = "{tenant}_{foo}"
      |          ^^^^^^^^^^^^^^^^
      |
      = help: `{tenant}` is the only placeholder

    error: `databases.app.tenants.search_path[1]` contains `{bar}`, which has no meaning there
      --> mig-ci.toml:10:28
       |
    10 | search_path = ["{target}", "{bar}"]
       |                            ^^^^^^^
       |
       = help: in a tenant's `search_path`, `{target}` is the tenant's schema; there is no other placeholder
    "#);
}

#[test]
fn a_severity_instead_of_its_table() {
    assert_snapshot!(refused("[checks]\nlocks = \"warning\"\n"), @r#"
    error: `checks.locks` must be a table, and is a string
     --> mig-ci.toml:2:9
      |
    2 | locks = "warning"
      |         ^^^^^^^^^
      |
      = help: write `locks = { severity = "warning" }`
    "#);
}
