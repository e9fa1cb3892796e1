//! The layouts of Alembic projects, and the databases that are discovered.

use crate::config::testing::{ConfigFiles, discover};
use crate::model::{AlembicTrack, Database, Project, Track};

fn project(files: &ConfigFiles) -> Project {
    discover(files).unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

fn refused(files: &ConfigFiles) -> String {
    discover(files).expect_err("this is not understood").render(false)
}

/// Everything that discovery decides, a line for each.
fn summary(project: &Project) -> String {
    project.databases.iter().map(database).collect()
}

fn database(database: &Database) -> String {
    let mut text = format!("database {}\n", database.name);
    if let Some(shared) = &database.shared {
        text += &format!("  shared: {}\n{}", place(shared), environment(shared));
    }
    if let Some(tenants) = &database.tenants {
        let samples: Vec<&str> = tenants.samples.iter().map(|one| one.tenant.as_str()).collect();
        text += &format!(
            "  tenants: {}, a {} named {}, samples: {}\n{}",
            place(&tenants.track),
            tenants.tenancy,
            tenants.target,
            samples.join(", "),
            environment(&tenants.track)
        );
    }
    text
}

fn place(track: &Track) -> String {
    let ledger = track.ledger.as_deref().map(|ledger| format!(", ledger {ledger}"));
    format!("{} ({}{})", track.migrations, track.search_path.join(", "), ledger.unwrap_or_default())
}

fn environment(track: &Track) -> String {
    let alembic: &AlembicTrack = track.alembic.as_ref().expect("Alembic runs it");
    let file = alembic.ini.iter().chain(&alembic.pyproject);
    let files: Vec<&str> = file.map(|path| path.as_str()).collect();
    let mut text = format!(
        "    [{}] of {} in {:?}, to {}\n",
        alembic.section,
        files.join(" and "),
        alembic.folder.as_str(),
        alembic.revisions.join(", ")
    );
    for (name, value) in &alembic.environment {
        text += &format!("    env {name}={value}\n");
    }
    if !alembic.arguments.is_empty() {
        text += &format!("    args {}\n", alembic.arguments.join(" "));
    }
    for (name, value) in &alembic.options {
        text += &format!("    option {name}={value}\n");
    }
    for read in &alembic.undeclared {
        text += &format!("    {}\n", crate::config::undeclared_sentence(read));
    }
    for sentence in &alembic.inferred {
        text += &format!("    inferred: {sentence}\n");
    }
    text
}

/// A small environment.
fn environment_files(files: ConfigFiles, folder: &str, env: &str) -> ConfigFiles {
    files
        .with(
            &format!("{folder}/env.py"),
            &format!("from alembic import context\nimport os\n{env}\n"),
        )
        .with(&format!("{folder}/versions/1.py"), "revision = '1'\ndown_revision = None\n")
}

fn one(ini: &str, folder: &str, env: &str) -> ConfigFiles {
    environment_files(ConfigFiles::default().with("alembic.ini", ini), folder, env)
}

#[test]
fn a_database_for_each_section() {
    insta::assert_snapshot!(summary(&project(&ConfigFiles::fixture("named"))), @r#"
    database users
      shared: migrations/users (public)
        [users] of alembic.ini in "", to head
    database analytics
      shared: migrations/analytics (public)
        [analytics] of alembic.ini in "", to head
    "#);
}

#[test]
fn a_schema_for_each_tenant() {
    let files = ConfigFiles::fixture("schema_per_tenant").with("samples/acme.sql", "");
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    database app
      tenants: migrations ({target}, public), a schema named {tenant}, samples: acme
        [alembic] of alembic.ini in "", to head
        env TENANT_SCHEMA={target}
        migrations/env.py:10 reads the option schema, which is not set (it has a default)
        inferred: alembic.ini names no database, which gets the name `app`
        inferred: migrations/env.py:10 reads the variable TENANT_SCHEMA, so `env` sets it to {target}
        inferred: env.py of [alembic] is told the tenant: there is a schema for each tenant, with the tenant's name
    "#);
}

#[test]
fn a_database_for_each_tenant() {
    insta::assert_snapshot!(summary(&project(&ConfigFiles::fixture("dynamic_url"))), @r#"
    database app
      tenants: migrations (public), a database named {tenant}, samples: 
        [alembic] of alembic.ini in "", to head
        env DATABASE_URL={url}
        env TENANT_DB={target}
        inferred: alembic.ini names no database, which gets the name `app`
        inferred: migrations/env.py:12 reads the variable DATABASE_URL, so `env` sets it to {url}
        inferred: migrations/env.py:13 reads the variable TENANT_DB, so `env` sets it to {target}
        inferred: env.py of [alembic] is told the tenant: there is a database for each tenant, with the tenant's name
    "#);
}

#[test]
fn shared_tables_and_tenants_are_one_database() {
    insta::assert_snapshot!(summary(&project(&ConfigFiles::fixture("shared_tables"))), @r#"
    database app
      shared: migrations/shared (public)
        [shared] of alembic.ini in "", to head
        inferred: [shared] and [tenant] of alembic.ini are the tracks of one database, which gets the name `app`
      tenants: migrations/tenant ({target}, shared, public), a schema named {tenant}, samples: 
        [tenant] of alembic.ini in "", to head
        env TENANT_SCHEMA={target}
        migrations/tenant/env.py:10 reads the option schema, which is not set (it has a default)
        inferred: migrations/tenant/env.py:10 reads the variable TENANT_SCHEMA, so `env` sets it to {target}
        inferred: env.py of [tenant] is told the tenant: there is a schema for each tenant, with the tenant's name
    "#);
}

#[test]
fn a_section_alone_that_is_the_tenants() {
    let ini = "[tenants]\nscript_location = migrations\n";
    let files = one(ini, "migrations", "context.configure()");
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    database app
      tenants: migrations ({target}, public), a schema named {tenant}, samples: 
        [tenants] of alembic.ini in "", to head
        inferred: [tenants] of alembic.ini is the track of the tenants, and the database gets the name `app`
        inferred: env.py of [tenants] reads no variable or argument that names a tenant: a schema for each tenant is assumed, and the migrations cannot find it: let env.py read one
    "#);
}

#[test]
fn public_is_shared_only_beside_tenants() {
    let ini = "[public]\nscript_location = m/p\n[tenant]\nscript_location = m/t\n";
    let files = one(ini, "m/p", "os.environ['DB_SCHEMA']");
    let files = environment_files(files, "m/t", "os.environ['TENANT_SCHEMA']");
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    database app
      shared: m/p (public)
        [public] of alembic.ini in "", to head
        m/p/env.py:3 reads the variable DB_SCHEMA, which is not set and has no default
        inferred: [public] and [tenant] of alembic.ini are the tracks of one database, which gets the name `app`
      tenants: m/t ({target}, public), a schema named {tenant}, samples: 
        [tenant] of alembic.ini in "", to head
        env TENANT_SCHEMA={target}
        inferred: m/t/env.py:3 reads the variable TENANT_SCHEMA, so `env` sets it to {target}
        inferred: env.py of [tenant] is told the tenant: there is a schema for each tenant, with the tenant's name
    "#);
    let alone = one("[public]\nscript_location = m/p\n", "m/p", "");
    insta::assert_snapshot!(summary(&project(&alone)), @r#"
    database public
      shared: m/p (public)
        [public] of alembic.ini in "", to head
    "#);
}

#[test]
fn databases_beside_a_pair() {
    let ini = "[app]\nscript_location = a\n[shared]\nscript_location = s\n[tenant]\nscript_location = t\n";
    let files = environment_files(one(ini, "a", ""), "s", "");
    let files = environment_files(files, "t", "os.environ['TENANT_ID']");
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    database tenants
      shared: s (public)
        [shared] of alembic.ini in "", to head
        inferred: [shared] and [tenant] of alembic.ini are the tracks of one database, which gets the name `tenants`
      tenants: t ({target}, public), a schema named {tenant}, samples: 
        [tenant] of alembic.ini in "", to head
        env TENANT_ID={tenant}
        inferred: t/env.py:3 reads the variable TENANT_ID, so `env` sets it to {tenant}
        inferred: env.py of [tenant] is told the tenant: there is a schema for each tenant, with the tenant's name
    database app
      shared: a (public)
        [app] of alembic.ini in "", to head
    "#);
}

#[test]
fn arguments_and_options_of_a_tenant() {
    let ini = "[alembic]\nscript_location = migrations\n";
    let argument = one(
        ini,
        "migrations",
        "tenant = context.get_x_argument(as_dictionary=True)['tenant']\nregion = os.environ['REGION']",
    );
    insta::assert_snapshot!(summary(&project(&argument)), @r#"
    database app
      tenants: migrations ({target}, public), a schema named {tenant}, samples: 
        [alembic] of alembic.ini in "", to head
        args -x tenant={tenant}
        migrations/env.py:4 reads the variable REGION, which is not set and has no default
        inferred: alembic.ini names no database, which gets the name `app`
        inferred: migrations/env.py:3 reads the argument -x tenant, so `args` sets it to {tenant}
        inferred: env.py of [alembic] is told the tenant: there is a schema for each tenant, with the tenant's name
    "#);
    let option = one(ini, "migrations", "schema = context.config.get_main_option('tenant_schema')");
    insta::assert_snapshot!(summary(&project(&option)), @r#"
    database app
      tenants: migrations ({target}, public), a schema named {tenant}, samples: 
        [alembic] of alembic.ini in "", to head
        option tenant_schema={target}
        inferred: alembic.ini names no database, which gets the name `app`
        inferred: migrations/env.py:3 reads the option tenant_schema, so `options` sets it to {target}
        inferred: env.py of [alembic] is told the tenant: there is a schema for each tenant, with the tenant's name
    "#);
}

#[test]
fn a_schema_of_the_installation_is_not_a_tenant() {
    let env = "os.environ['DB_SCHEMA']\nos.getenv('POSTGRES_HOST', 'localhost')\ncontext.configure(version_table='ledger', version_table_schema=\"own\")";
    let files = one("[alembic]\nscript_location = migrations\n", "migrations", env);
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    database app
      shared: migrations (public, ledger own.ledger)
        [alembic] of alembic.ini in "", to head
        env POSTGRES_HOST={host}
        migrations/env.py:3 reads the variable DB_SCHEMA, which is not set and has no default
        inferred: alembic.ini names no database, which gets the name `app`
        inferred: migrations/env.py:4 reads the variable POSTGRES_HOST, so `env` sets it to {host}
    "#);
}

#[test]
fn a_folder_further_down() {
    let files = environment_files(
        ConfigFiles::default().with(
            "backend/alembic.ini",
            "[alembic]\nscript_location = %(here)s/db/alembic\nprepend_sys_path = .\n",
        ),
        "backend/db/alembic",
        "from app.settings import url",
    );
    let files =
        files.with("backend/app/settings.py", "import os\nurl = os.environ['DATABASE_URL']\n");
    insta::assert_snapshot!(summary(&project(&files)), @r#"
    database app
      shared: backend/db/alembic (public)
        [alembic] of backend/alembic.ini in "backend", to head
        env DATABASE_URL={url}
        inferred: backend/alembic.ini names no database, which gets the name `app`
        inferred: backend/app/settings.py:2 reads the variable DATABASE_URL, so `env` sets it to {url}
    "#);
}

#[test]
fn pyproject_alone_and_beside_an_ini_file() {
    let table = "[project]\nname = 'x'\n[tool.alembic]\nscript_location = 'migrations'\n";
    let alone =
        environment_files(ConfigFiles::default().with("pyproject.toml", table), "migrations", "");
    insta::assert_snapshot!(summary(&project(&alone)), @r#"
    database app
      shared: migrations (public)
        [alembic] of pyproject.toml in "", to head
        inferred: pyproject.toml names no database, which gets the name `app`
    "#);
    let both = alone.with("alembic.ini", "[alembic]\nsqlalchemy.url = postgresql://h/d\n");
    insta::assert_snapshot!(summary(&project(&both)), @r#"
    database app
      shared: migrations (public)
        [alembic] of alembic.ini and pyproject.toml in "", to head
        inferred: alembic.ini names no database, which gets the name `app`
    "#);
    // Another project's file need not be valid.
    let sql = ConfigFiles::of(&["migrations/1.sql"]).with("pyproject.toml", "[tool.ruff\n");
    assert!(project(&sql).databases[0].shared.as_ref().unwrap().alembic.is_none());
}

#[test]
fn environments_that_cannot_be_read_are_errors() {
    insta::assert_snapshot!(refused(&ConfigFiles::default().with("alembic.ini", "[alembic]\nsqlalchemy.url = x\n")), @r#"
    error: alembic.ini has no section with a `script_location`
     |
     = help: if the project sets it in code, write a `mig-ci.toml` with `[databases.app]` and `alembic = { ini = "alembic.ini", script_location = "…" }`
    "#);
    let missing =
        ConfigFiles::default().with("alembic.ini", "[alembic]\nscript_location = nowhere\n");
    insta::assert_snapshot!(refused(&missing), @"error: no migrations found in nowhere: the `script_location` does not exist");
    let outside = one("[alembic]\nscript_location = ../migrations\n", "migrations", "");
    insta::assert_snapshot!(refused(&outside), @r#"
    error: alembic.ini:2: `../migrations` is not inside of the project
     |
     = help: set `script_location` in `alembic = { … }` to a folder of the project
    "#);
    let python = one("[alembic]\nscript_location = migrations\n", "migrations", "def x(:");
    insta::assert_snapshot!(refused(&python), @"error: migrations/env.py:3: it is not valid Python: Expected a parameter or the end of the parameter list");
    insta::assert_snapshot!(refused(&ConfigFiles::default().with("alembic.ini", "[a]\n[a]\n")), @r#"
    error: alembic.ini:2: the section [a] is there twice
     |
     = help: write its options into one section
    "#);
}

#[test]
fn sql_files_beside_alembic_are_an_error() {
    let files = ConfigFiles::fixture("shared_tables").with("db/migrations/1.sql", "");
    insta::assert_snapshot!(refused(&files), @r#"
    error: alembic.ini describes an Alembic environment, and db/migrations contains SQL migrations of another tool
     |
     = help: write a `mig-ci.toml` with those that production uses: `[databases.app.shared]` with `alembic = { ini = "alembic.ini", section = "shared" }`, `[databases.app.tenants]` with `alembic = { ini = "alembic.ini", section = "tenant" }`, `[databases.sql]` with `migrations = "db/migrations"`; `mig-ci init` writes one after the other folder is moved away
    "#);
    // A file that a revision reads is not a migration.
    let read = ConfigFiles::fixture("named")
        .with("migrations/users/versions/sql/1.sql", "")
        .with("migrations/users/1.sql", "");
    assert_eq!(project(&read).databases.len(), 2);
}
