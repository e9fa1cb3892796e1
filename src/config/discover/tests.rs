//! Each supported layout, and the project that is discovered.

use crate::config::testing::{ConfigFiles, discover};
use crate::model::{Database, Project, Tenancy};

fn project(files: &ConfigFiles) -> Project {
    discover(files).unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

/// `app: migrations/shared (shared, public) + migrations/tenant ({target}, public), samples acme`.
fn summary(project: &Project) -> String {
    project.databases.iter().map(|database| one(database) + "\n").collect()
}

fn one(database: &Database) -> String {
    let shared = database.shared.as_ref().map(|track| {
        format!("{} in {} ({})", track.migrations, track.schema, track.search_path.join(", "))
    });
    let tenants = database.tenants.as_ref().map(|tenants| {
        let samples: Vec<&str> =
            tenants.samples.iter().map(|sample| sample.tenant.as_str()).collect();
        let track = &tenants.track;
        let path = track.search_path.join(", ");
        let samples = samples.join(", ");
        assert_eq!(tenants.tenancy, Tenancy::Schema);
        format!("{} in {} ({path}), samples: {samples}", track.migrations, tenants.target)
    });
    let tracks: Vec<String> = shared.into_iter().chain(tenants).collect();
    format!("{}: {}", database.name, tracks.join(" + "))
}

fn refused(files: &ConfigFiles) -> String {
    discover(files).expect_err("this is not understood").render(false)
}

#[test]
fn one_folder_of_migrations() {
    let files = ConfigFiles::of(&["migrations/1_a.up.sql", "migrations/1_a.down.sql", "src/x.rs"]);
    insta::assert_snapshot!(summary(&project(&files)), @"app: migrations in public (public)");
}

#[test]
fn the_folder_of_dbmate() {
    let files = ConfigFiles::of(&["db/migrations/1_a.sql", "db/schema.sql"]);
    insta::assert_snapshot!(summary(&project(&files)), @"app: db/migrations in public (public)");
}

#[test]
fn shared_and_tenant_folders_with_samples() {
    let files = ConfigFiles::of(&[
        "migrations/shared/1.sql",
        "migrations/tenant/1.sql",
        "samples/acme.sql",
        "samples/README.md",
        "samples/app/globex.sql.gz",
        "samples/users/initech.sql",
    ]);
    insta::assert_snapshot!(summary(&project(&files)), @"app: migrations/shared in public (public) + migrations/tenant in tenant_{tenant} ({target}, public), samples: acme, globex");
}

#[test]
fn tenants_beside_direct_shared_migrations_or_none() {
    let direct = ConfigFiles::of(&["migrations/1.sql", "migrations/tenant/1.sql"]);
    insta::assert_snapshot!(summary(&project(&direct)), @"app: migrations in public (public) + migrations/tenant in tenant_{tenant} ({target}, public), samples:");
    let alone = ConfigFiles::of(&["db/migrations/tenant/1.sql"]);
    insta::assert_snapshot!(summary(&project(&alone)), @"app: db/migrations/tenant in tenant_{tenant} ({target}, public), samples:");
}

#[test]
fn a_folder_for_each_database() {
    let files = ConfigFiles::of(&[
        "migrations/users/1.sql",
        "migrations/analytics/1.sql",
        "migrations/meta/journal.json",
    ]);
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    analytics: migrations/analytics in public (public)
    users: migrations/users in public (public)
    "#);
}

#[test]
fn databases_beside_tenants() {
    let files = ConfigFiles::of(&[
        "migrations/app/1.sql",
        "migrations/shared/1.sql",
        "migrations/tenant/versions/1.sql",
    ]);
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    tenants: migrations/shared in public (public) + migrations/tenant in tenant_{tenant} ({target}, public), samples: 
    app: migrations/app in public (public)
    "#);
}

#[test]
fn a_folder_per_migration_is_not_a_database() {
    let diesel = ConfigFiles::of(&["migrations/1_a/up.sql", "migrations/1_a/down.sql"]);
    insta::assert_snapshot!(summary(&project(&diesel)), @"app: migrations in public (public)");
    let prisma = ConfigFiles::of(&["migrations/2024_init/migration.sql"]);
    insta::assert_snapshot!(summary(&project(&prisma)), @"app: migrations in public (public)");
}

#[test]
fn the_shared_schema_is_guessed_from_the_sql() {
    let files = |shared: &str, tenant: &str| {
        ConfigFiles::default()
            .with("migrations/shared/1.sql", shared)
            .with("migrations/tenant/1.sql", tenant)
    };
    let created = files("CREATE SCHEMA IF NOT EXISTS shared; CREATE TABLE shared.plans ();", "");
    insta::assert_snapshot!(summary(&project(&created)), @"app: migrations/shared in public (public) + migrations/tenant in tenant_{tenant} ({target}, shared, public), samples:");
    let mentioned = files("", "create table users (plan int references shared.plans)");
    insta::assert_snapshot!(summary(&project(&mentioned)), @"app: migrations/shared in shared (shared, public) + migrations/tenant in tenant_{tenant} ({target}, shared, public), samples:");
    let neither = files("create table plans ()", "-- see shared.plans");
    insta::assert_snapshot!(summary(&project(&neither)), @"app: migrations/shared in public (public) + migrations/tenant in tenant_{tenant} ({target}, public), samples:");
}

#[test]
fn an_empty_project_is_an_error() {
    insta::assert_snapshot!(refused(&ConfigFiles::of(&["migrations/users/env.py"])), @r#"
    error: no `mig-ci.toml`, and no migrations that could be detected without one
     |
     = help: searched /project for `.sql` files in a folder `migrations`, at the top or in `db`, `sql`, `database`, `backend`, `server`, `internal`, or a `db` in one of the last three; `shared` and `tenant` folders there, or instead of `migrations`; a folder for each database in `migrations`; an `alembic.ini`, or `[tool.alembic]` in a `pyproject.toml`, in these folders. Set the folder of the migrations in a `mig-ci.toml` there (docs/configuration.md), or run mig-ci in the project's folder
    "#);
}

#[test]
fn two_folders_of_shared_migrations_are_an_error() {
    let files = ConfigFiles::of(&[
        "migrations/1.sql",
        "migrations/shared/1.sql",
        "migrations/tenant/1.sql",
    ]);
    insta::assert_snapshot!(refused(&files), @r#"
    error: shared migrations are both in `migrations` itself and in `migrations/shared`
     |
     = help: move them into one folder, or choose one of them in a `mig-ci.toml`
    "#);
}

#[test]
fn a_discovered_project_is_validated_like_a_file() {
    let files = ConfigFiles::of(&[
        "migrations/tenant/1.sql",
        "samples/fresh_1.sql",
        "samples/acme.sql",
        "samples/acme.sql.gz",
    ]);
    insta::assert_snapshot!(refused(&files), @r#"
    error: two samples have the target `tenant_acme`: samples/acme.sql and samples/acme.sql.gz
     |
     = help: rename one of the files, or set another tenant's name for it: `sample.NAME = { file = "…" }` next to `samples`

    error: the name `fresh_1` of the sample samples/fresh_1.sql is reserved by mig-ci
     |
     = help: rename the file: `base`, `fresh`, `fresh_1` and `fresh_2` are the starting states that mig-ci creates itself
    "#);
}

#[test]
fn usual_folders_further_down() {
    for folder in
        ["sql", "database", "backend", "server", "internal/db", "internal/database", "backend/db"]
    {
        let path = format!("{folder}/migrations/1.sql");
        let files = ConfigFiles::of(&[&path, "docs/other/migrations/1.sql"]);
        let expected = format!("app: {folder}/migrations in public (public)");
        assert_eq!(summary(&project(&files)).trim_end(), expected);
    }
    let pair = ConfigFiles::of(&["db/shared/1.sql", "db/tenant/1.sql", "db/seeds/x.sql"]);
    insta::assert_snapshot!(summary(&project(&pair)), @"app: db/shared in public (public) + db/tenant in tenant_{tenant} ({target}, public), samples:");
    // At the root the names are ambiguous.
    refused(&ConfigFiles::of(&["shared/1.sql", "tenant/1.sql"]));
    let near = ConfigFiles::of(&["sql/migrations/1.sql", "migrations/1.sql"]);
    insta::assert_snapshot!(summary(&project(&near)), @"app: migrations in public (public)");
}
