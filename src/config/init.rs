//! Renders the `mig-ci.toml` of `mig-ci init`: the discovered project, made explicit, with comments.
//!
//! Comments in prose begin with `# `, disabled keys with `#` only: removing it enables the key.

use camino::{Utf8Path, Utf8PathBuf};

use super::glob::escape;
use super::init_alembic::render_alembic;
use super::init_table::{Table, list, string};
use super::key::quoted;
use crate::formats::FORMATS;
use crate::model::{Database, PostgresSettings, Project, Sample, TenantTrack, Track};

const HEAD: &str = "# How mig-ci replays the migrations of this repository: `mig-ci verify`.
# Written by \
                    `mig-ci init` from the detected folders; docs/configuration.md explains all keys.
# \
                    Lines that begin with `#key` are not set.
";

const TAIL: &str = "
[checks]
# Findings at or above this severity fail the run: error, warning or info.
fail-on = \"error\"
";

/// The file for a discovered project: loading it gives the same project.
///
/// It omits what only a file can contain (`prepare`, URLs, samples with versions): a project with these already has a file.
pub(crate) fn render(project: &Project) -> String {
    let mut text = HEAD.to_owned();
    text += &postgres(&project.postgres);
    for database in &project.databases {
        text += &render_database(database);
    }
    text + TAIL
}

fn postgres(settings: &PostgresSettings) -> String {
    let mut table = Table::new("postgres");
    table.prose("The major version that production runs.");
    match settings.version {
        Some(version) => table.key("version", &string(&version.to_string())),
        None => table.off("version", "\"17\""),
    }
    table.prose("An image to use instead of `postgres:<version>`, for example for its extensions.");
    table.off("image", "\"postgis/postgis:17-3.5\"");
    table.prose("auto: Docker if it works, else local binaries. Others: docker, local, url.");
    table.key("provider", &string(&settings.provider.to_string()));
    table.prose("owner: a plain owner, as on managed PostgreSQL. Or superuser.");
    table.key("role", &string(&settings.role.to_string()));
    table.prose("The administrator creates them in each database before the first migration.");
    table.off("extensions", "[\"pgcrypto\"]");
    table.text
}

fn render_database(database: &Database) -> String {
    let name = quoted(&database.name);
    let mut table = Table::new(&format!("databases.{name}"));
    table.prose("For the commands on real databases (`upgrade`, `status` …): `verify` never connects to it.");
    table.off("url", &string(&format!("${{{}_DATABASE_URL}}", variable(&database.name))));
    let Database { shared, tenants, .. } = database;
    match (shared, tenants) {
        (Some(shared), None) => render_track(&mut table, shared),
        (shared, tenants) => {
            if let Some(shared) = shared {
                table.header(&format!("databases.{name}.shared"));
                table.prose("These run once, before those of the tenants.");
                render_track(&mut table, shared);
            }
            if let Some(tenants) = tenants {
                table.header(&format!("databases.{name}.tenants"));
                table.prose("These run once for each tenant.");
                render_tenants(&mut table, tenants);
            }
        }
    }
    table.text
}

fn render_track(table: &mut Table, track: &Track) {
    render_folder(table, track);
    table.prose("The schema of the ledger and of tables that are created without a schema name.");
    table.key("schema", &string(&track.schema));
    table.key("search_path", &list(&track.search_path));
}

fn render_tenants(table: &mut Table, tenants: &TenantTrack) {
    render_folder(table, &tenants.track);
    table.prose(
        "schema: a schema for each tenant in one database. database: a database for each tenant.",
    );
    table.key("tenancy", &string(&tenants.tenancy.to_string()));
    table.prose("The name of a tenant's schema (or database).");
    table.key("target", &string(&tenants.target.to_string()));
    table.key("search_path", &list(&tenants.track.search_path));
    table.prose(
        "Starting states of real tenants: dumps or hand-written files, named after the tenants.",
    );
    table
        .prose("`verify` also replays two empty tenants and one created by the base's migrations.");
    let patterns = patterns(&tenants.samples);
    if patterns.is_empty() {
        table.off("samples", "\"samples/*.sql\"");
    } else {
        table.key("samples", &list(&patterns));
    }
    table.prose("The source of the real tenants, for the commands on real databases (`upgrade`, `status` …).");
    table.off("from", "{ query = \"SELECT slug FROM tenants ORDER BY slug\" }");
}

/// Where the migrations are: their folder, or their Alembic environment.
fn render_folder(table: &mut Table, track: &Track) {
    match &track.alembic {
        Some(alembic) => {
            render_alembic(table, alembic);
            if let Some(ledger) = &track.ledger {
                table.prose("The version table that env.py names.");
                table.key("ledger", &string(ledger));
            }
        }
        None => {
            table.key("migrations", &string(track.migrations.as_str()));
            format(table);
        }
    }
}

/// Detection needs it if a directory could belong to two tools.
fn format(table: &mut Table) {
    let sql = FORMATS.iter().filter(|format| !format.runs_programs());
    let names: Vec<&str> = sql.map(|format| format.name()).collect();
    let list = names.join(", ");
    table.prose(&format!("The migration tool; overrides detection: {list}."));
    table.off("format", &string(names[0]));
}

/// `samples/*.sql` for files like `samples/acme.sql`, as searched by discovery.
fn patterns(samples: &[Sample]) -> Vec<String> {
    let pattern = |path: &Utf8PathBuf| {
        let ending = if path.as_str().ends_with(".gz") { ".sql.gz" } else { ".sql" };
        let folder = path.parent().unwrap_or(Utf8Path::new(""));
        folder.join(format!("*{ending}"))
    };
    let mut patterns: Vec<String> = samples
        .iter()
        .map(|sample| pattern(&sample.path))
        .map(|path| {
            let folder = path.parent().map(|folder| escape(folder.as_str())).unwrap_or_default();
            format!("{folder}/{}", path.file_name().unwrap_or_default())
        })
        .collect();
    patterns.sort();
    patterns.dedup();
    patterns
}

/// `USERS` for `users`: the usual name of a variable for a database.
fn variable(database: &str) -> String {
    database
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::config::testing::{ConfigFiles, discover, load_with};
    use crate::model::ProjectOrigin;

    fn files() -> ConfigFiles {
        ConfigFiles::of(&[
            "migrations/my users/1.sql",
            "migrations/shared/1.sql",
            "migrations/tenant/1.sql",
            "samples/acme.sql",
            "samples/app/We'ird-Ténant.sql.gz",
        ])
        .with("migrations/shared/1.sql", "create schema \"the plans\"; create schema b")
    }

    #[test]
    fn the_file_has_comments() {
        insta::assert_snapshot!(render(&discover(&files()).unwrap()), @r#"
        # How mig-ci replays the migrations of this repository: `mig-ci verify`.
        # Written by `mig-ci init` from the detected folders; docs/configuration.md explains all keys.
        # Lines that begin with `#key` are not set.

        [postgres]
        # The major version that production runs.
        #version = "17"
        # An image to use instead of `postgres:<version>`, for example for its extensions.
        #image = "postgis/postgis:17-3.5"
        # auto: Docker if it works, else local binaries. Others: docker, local, url.
        provider = "auto"
        # owner: a plain owner, as on managed PostgreSQL. Or superuser.
        role = "owner"
        # The administrator creates them in each database before the first migration.
        #extensions = ["pgcrypto"]

        [databases.app]
        # For the commands on real databases (`upgrade`, `status` …): `verify` never connects to it.
        #url = "${APP_DATABASE_URL}"

        [databases.app.shared]
        # These run once, before those of the tenants.
        migrations = "migrations/shared"
        # The migration tool; overrides detection: sqlx, dbmate, golang-migrate, plain.
        #format = "sqlx"
        # The schema of the ledger and of tables that are created without a schema name.
        schema = "public"
        search_path = ["public"]

        [databases.app.tenants]
        # These run once for each tenant.
        migrations = "migrations/tenant"
        # The migration tool; overrides detection: sqlx, dbmate, golang-migrate, plain.
        #format = "sqlx"
        # schema: a schema for each tenant in one database. database: a database for each tenant.
        tenancy = "schema"
        # The name of a tenant's schema (or database).
        target = "tenant_{tenant}"
        search_path = ["{target}", "the plans", "b", "public"]
        # Starting states of real tenants: dumps or hand-written files, named after the tenants.
        # `verify` also replays two empty tenants and one created by the base's migrations.
        samples = ["samples/*.sql", "samples/app/*.sql.gz"]
        # The source of the real tenants, for the commands on real databases (`upgrade`, `status` …).
        #from = { query = "SELECT slug FROM tenants ORDER BY slug" }

        [databases."my users"]
        # For the commands on real databases (`upgrade`, `status` …): `verify` never connects to it.
        #url = "${MY_USERS_DATABASE_URL}"
        migrations = "migrations/my users"
        # The migration tool; overrides detection: sqlx, dbmate, golang-migrate, plain.
        #format = "sqlx"
        # The schema of the ledger and of tables that are created without a schema name.
        schema = "public"
        search_path = ["public"]

        [checks]
        # Findings at or above this severity fail the run: error, warning or info.
        fail-on = "error"
        "#);
    }

    /// What discovery has derived is in the file, and no longer derived.
    fn without_sentences(mut project: Project) -> Project {
        for database in &mut project.databases {
            let tenants = database.tenants.as_mut().map(|tenants| &mut tenants.track);
            for track in database.shared.iter_mut().chain(tenants) {
                if let Some(alembic) = &mut track.alembic {
                    alembic.inferred.clear();
                }
            }
        }
        project
    }

    #[test]
    fn the_file_of_an_alembic_project_has_comments() {
        let files = ConfigFiles::fixture("schema_per_tenant");
        insta::assert_snapshot!(render(&discover(&files).unwrap()), @r#"
        # How mig-ci replays the migrations of this repository: `mig-ci verify`.
        # Written by `mig-ci init` from the detected folders; docs/configuration.md explains all keys.
        # Lines that begin with `#key` are not set.

        [postgres]
        # The major version that production runs.
        #version = "17"
        # An image to use instead of `postgres:<version>`, for example for its extensions.
        #image = "postgis/postgis:17-3.5"
        # auto: Docker if it works, else local binaries. Others: docker, local, url.
        provider = "auto"
        # owner: a plain owner, as on managed PostgreSQL. Or superuser.
        role = "owner"
        # The administrator creates them in each database before the first migration.
        #extensions = ["pgcrypto"]

        [databases.app]
        # For the commands on real databases (`upgrade`, `status` …): `verify` never connects to it.
        #url = "${APP_DATABASE_URL}"

        [databases.app.tenants]
        # These run once for each tenant.
        # Inferred: alembic.ini names no database, which gets the name `app`.
        # Inferred: migrations/env.py:10 reads the variable TENANT_SCHEMA, so `env` sets it to {target}.
        # Inferred: env.py of [alembic] is told the tenant: there is a schema for each tenant, with the tenant's name.
        alembic = { ini = "alembic.ini", section = "alembic" }
        # What env.py reads. {target} is the tenant's schema or database, {tenant} the tenant; others are {url}, {host}, {port},
        # {user}, {password} and {dbname}. The process gets no other variables of this machine.
        env = { TENANT_SCHEMA = "{target}" }
        #args = ["-x", "name=value"]
        #options = { name = "value" }
        #   migrations/env.py:10 reads the option schema, which is not set (it has a default)
        # What production upgrades to: `head` fails if there are several heads, `heads` does not.
        revision = "head"
        # What creates the state that the first revision expects: a command, or an SQL file.
        #setup = ["python", "-m", "app.create_tables"]
        # Default: the active virtual environment, .venv, that of uv, poetry or pdm, then python3.
        #python = ".venv/bin/python"
        # schema: a schema for each tenant in one database. database: a database for each tenant.
        tenancy = "schema"
        # The name of a tenant's schema (or database).
        target = "{tenant}"
        search_path = ["{target}", "public"]
        # Starting states of real tenants: dumps or hand-written files, named after the tenants.
        # `verify` also replays two empty tenants and one created by the base's migrations.
        #samples = "samples/*.sql"
        # The source of the real tenants, for the commands on real databases (`upgrade`, `status` …).
        #from = { query = "SELECT slug FROM tenants ORDER BY slug" }

        [checks]
        # Findings at or above this severity fail the run: error, warning or info.
        fail-on = "error"
        "#);
    }

    #[test]
    fn loading_the_file_gives_the_same_project() {
        let layouts = [
            files(),
            ConfigFiles::of(&["migrations/1.sql"]),
            ConfigFiles::of(&["migrations/a/1.sql", "migrations/b/1.sql"]),
            ConfigFiles::of(&["db/migrations/tenant/1.sql"]),
            ConfigFiles::fixture("named"),
            ConfigFiles::fixture("schema_per_tenant"),
            ConfigFiles::fixture("dynamic_url"),
            ConfigFiles::fixture("shared_tables"),
        ];
        for files in layouts {
            let discovered = discover(&files).unwrap();
            let mut read = load_with(&render(&discovered), files, Overrides::default())
                .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
            assert_eq!(read.origin, ProjectOrigin::File("mig-ci.toml".into()));
            read.origin = ProjectOrigin::Discovered;
            // The default is written explicitly.
            read.checks.fail_on = None;
            let discovered = without_sentences(discovered);
            assert_eq!(format!("{discovered:#?}"), format!("{read:#?}"));
        }
    }

    #[test]
    fn disabled_keys_can_be_enabled() {
        let discovered = discover(&ConfigFiles::of(&["migrations/tenant/1.sql"])).unwrap();
        let files =
            ConfigFiles::of(&["migrations/tenant/1.sql", "samples/acme.sql", "samples/b.sql"]);
        let text = render(&discovered);
        let on: Vec<&str> = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') => key,
                _ => line,
            })
            .collect();
        let project = load_with(&on.join("\n"), files, Overrides::default())
            .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        assert_eq!(project.postgres.version, Some(17));
        assert_eq!(project.databases[0].tenants.as_ref().unwrap().samples.len(), 2);
    }
}
