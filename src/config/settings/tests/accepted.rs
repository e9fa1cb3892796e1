//! Valid files, and the resulting projects.

use secrecy::ExposeSecret as _;

use crate::config::testing::{ConfigFiles, load_with, loaded, usual_files};
use crate::config::{Connect, Overrides};
use crate::model::{
    FileOrder, Project, ProjectOrigin, ProviderChoice, Role, Sample, Severity, Tenancy, TenantTrack,
};

/// The file of the design document, with the folders of the tests.
const USUAL: &str = r#"
    [postgres]
    version = "17"
    role = "owner"
    extensions = ["vector", "pg_trgm"]
    settings = { "app.region" = "${REGION}" }

    [databases.users]
    url = "${NEVER_SET}"
    migrations = "migrations/users"

    [databases.app]
    url = "${NOR_THIS}"
    shared = { migrations = "migrations/shared", schema = "shared" }
    [databases.app.tenants]
    migrations = "migrations/tenant"
    tenancy = "schema"
    target = "tenant_{tenant}"
    from = { query = "SELECT '${' || slug FROM shared.tenants" }
    samples = "samples/app/*.sql"
    search_path = ["{target}", "shared", "public"]

    [checks]
    fail-on = "warning"
    locks = { severity = "info" }
    ledger-missing = { severity = "off" }
"#;

fn tenants<'a>(project: &'a Project, database: &str) -> &'a TenantTrack {
    let database = project.databases.iter().find(|one| one.name == database);
    database.and_then(|database| database.tenants.as_ref()).expect("it has tenants")
}

/// A database with a tenant track, and additional keys of its table.
fn with_tenants(more: &str) -> String {
    format!("[databases.app.tenants]\nmigrations = 'migrations/tenant'\n{more}")
}

fn sample(tenant: &str, path: &str, version: Option<&str>) -> Sample {
    Sample { tenant: tenant.to_owned(), path: path.into(), version: version.map(str::to_owned) }
}

#[test]
fn the_usual_file() {
    let project = loaded(USUAL);
    assert_eq!(project.root, "/project");
    assert_eq!(project.origin, ProjectOrigin::File("mig-ci.toml".into()));
    assert_eq!(project.postgres.version, Some(17));
    assert_eq!(project.postgres.provider, ProviderChoice::Auto);
    assert_eq!(project.postgres.role, Role::Owner);
    assert_eq!(project.postgres.extensions, ["vector", "pg_trgm"]);
    assert_eq!(project.postgres.settings["app.region"], "eu");

    let names: Vec<&str> = project.databases.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["users", "app"], "in the order of the file");
    let users = project.databases[0].shared.as_ref().unwrap();
    assert_eq!((users.migrations.as_str(), users.schema.as_str()), ("migrations/users", "public"));
    assert_eq!(users.search_path, ["public"]);
    let shared = project.databases[1].shared.as_ref().unwrap();
    assert_eq!(shared.search_path, ["shared", "public"]);

    let tenants = tenants(&project, "app");
    assert_eq!(tenants.track.search_path, ["{target}", "shared", "public"]);
    assert_eq!(tenants.track.schema, "{target}");
    assert_eq!(tenants.target.to_string(), "tenant_{tenant}");
    assert_eq!(tenants.samples, [sample("acme", "samples/app/acme.sql", None)]);

    assert_eq!(project.checks.fail_on, Some(Severity::Warning));
    assert_eq!(project.checks.severities["locks"], Some(Severity::Info));
    assert_eq!(project.checks.severities["ledger-missing"], None);
}

#[test]
fn versions_are_read_with_quotes_and_without() {
    let version = |text: &str| loaded(&format!("{text}\n{USUAL_PLAIN}")).postgres.version;
    assert_eq!(version("postgres.version = 16"), Some(16));
    assert_eq!(version("postgres.version = '16'"), Some(16));
    assert_eq!(version("postgres.version = '${PG:-15}'"), Some(15));
    assert_eq!(version("postgres.version = '${PG:-}'"), None);
    assert_eq!(version(""), None);
}

const USUAL_PLAIN: &str = "databases.users.migrations = './migrations/users/'";

#[test]
fn search_paths_have_their_defaults() {
    let alone = loaded(&with_tenants(""));
    assert_eq!(tenants(&alone, "app").track.search_path, ["{target}", "public"]);
    assert_eq!(tenants(&alone, "app").target.to_string(), "{tenant}");

    let beside = loaded(&with_tenants("[databases.app.shared]\nmigrations = 'migrations/shared'"));
    assert_eq!(tenants(&beside, "app").track.search_path, ["{target}", "public"]);

    let other = "[databases.app.shared]\nmigrations = 'migrations/shared'\nschema = 'core'";
    let other = loaded(&with_tenants(other));
    assert_eq!(tenants(&other, "app").track.search_path, ["{target}", "core", "public"]);

    let own = loaded(&with_tenants("tenancy = 'database'"));
    assert_eq!(tenants(&own, "app").tenancy, Tenancy::Database);
    assert_eq!(tenants(&own, "app").track.search_path, ["public"]);
    assert_eq!(tenants(&own, "app").track.schema, "public");

    let named = loaded(&with_tenants("tenancy = 'database'\nsearch_path = ['core', 'pg_catalog']"));
    assert_eq!(tenants(&named, "app").track.schema, "core");
}

#[test]
fn tenants_are_named_after_their_files_or_by_the_configuration() {
    let files = || {
        ConfigFiles::of(&[
            "migrations/tenant/1.sql",
            "samples/zeta.sql.gz",
            "samples/We'ird-Ténant.sql",
            "samples/old.dump.sql",
            "elsewhere/x.sql",
        ])
    };
    let project = load_with(
        &with_tenants(
            "samples = ['samples/*.sql{,.gz}', 'samples/zeta*']
             sample.zeta = { version = 12 }
             sample.acme = { file = 'samples/old.dump.sql' }
             sample.'Globex, Inc.' = { file = 'elsewhere/x.sql', version = '0003' }",
        ),
        files(),
        Overrides::default(),
    )
    .unwrap();
    assert_eq!(
        tenants(&project, "app").samples,
        [
            sample("Globex, Inc.", "elsewhere/x.sql", Some("0003")),
            sample("We'ird-Ténant", "samples/We'ird-Ténant.sql", None),
            sample("acme", "samples/old.dump.sql", None),
            sample("zeta", "samples/zeta.sql.gz", Some("12")),
        ]
    );
}

#[test]
fn a_plain_database_accepts_all_keys_of_a_track() {
    let project = loaded(
        "[prepare]
         server = 'sql/roles.sql'
         [databases.users]
         migrations = 'migrations/users'
         format = 'plain'
         ledger = 'history'
         order = 'natural'
         schema = 'core'
         search_path = ['core', 'pg_catalog']
         sample = { file = 'samples/app/acme.sql', version = 7 }
         prepare = ['sql/roles.sql']",
    );
    assert_eq!(project.prepare, ["sql/roles.sql"]);
    let database = &project.databases[0];
    assert_eq!(database.prepare, ["sql/roles.sql"]);
    let track = database.shared.as_ref().unwrap();
    assert_eq!(track.format.as_deref(), Some("plain"));
    assert_eq!(track.ledger.as_deref(), Some("history"));
    assert_eq!(track.order, Some(FileOrder::Natural));
    assert_eq!(track.search_path, ["core", "pg_catalog"]);
    assert_eq!(track.sample, Some(sample("acme", "samples/app/acme.sql", Some("7"))));
}

#[test]
fn flags_override_the_file() {
    let text = "[postgres]
         version = 15
         image = 'postgis/postgis:15-3.5'
         provider = 'local'
         [checks]
         fail-on = 'info'
         [databases.users]
         migrations = 'migrations/users'";
    let with = |overrides: Overrides| load_with(text, usual_files(), overrides).unwrap();

    let project = with(Overrides::default());
    assert_eq!(project.postgres.image.as_deref(), Some("postgis/postgis:15-3.5"));
    assert_eq!(project.postgres.version, Some(15), "what to expect of the image");

    let project = with(Overrides { version: Some(16), ..Overrides::default() });
    assert_eq!((project.postgres.version, project.postgres.image), (Some(16), None));

    let image = Some("postgres:18-alpine".to_owned());
    let project = with(Overrides { version: Some(18), image, ..Overrides::default() });
    assert_eq!(project.postgres.image.as_deref(), Some("postgres:18-alpine"));

    let url = || Some("postgres://flag/x".into());
    let project = with(Overrides { url: url(), ..Overrides::default() });
    assert_eq!(project.postgres.provider, ProviderChoice::Url);
    assert_eq!(project.postgres.url.unwrap().expose_secret(), "postgres://flag/x");

    let docker = Some(ProviderChoice::Docker);
    let project = with(Overrides { url: url(), provider: docker, ..Overrides::default() });
    assert_eq!(project.postgres.provider, ProviderChoice::Docker);
    assert!(project.postgres.url.is_none());

    let project = with(Overrides { fail_on: Some(Severity::Error), ..Overrides::default() });
    assert_eq!(project.checks.fail_on, Some(Severity::Error));
}

/// If a flag replaces a value, the value's variables need not be set.
#[test]
fn a_flag_overrides_a_variable_that_is_not_set() {
    let text = "[databases.users]\nmigrations = 'migrations/users'\nurl = '${UNSET_URL}'\n\
        [postgres]\nprovider = '${UNSET_A}'\nversion = '${UNSET_B}'\nimage = '${UNSET_C}'\n\
        url = '${UNSET_D}'\n[checks]\nfail-on = '${UNSET_E}'\n";
    let flags = Overrides {
        provider: Some(ProviderChoice::Url),
        version: Some(17),
        image: Some("postgres:17".to_owned()),
        url: Some("postgres://flag/x".into()),
        fail_on: Some(Severity::Warning),
        connect: Some(Connect::All),
        has_database_url: true,
        ..Overrides::default()
    };
    let project = load_with(text, usual_files(), flags.clone()).unwrap();
    assert_eq!(project.postgres.version, Some(17));
    assert!(project.databases[0].url.is_none());
    // Each of them is required if its flag is absent.
    let none = |change: fn(&mut Overrides)| {
        let mut flags = flags.clone();
        change(&mut flags);
        load_with(text, usual_files(), flags).unwrap_err().to_string()
    };
    assert!(none(|flags| flags.fail_on = None).contains("UNSET_E"));
    assert!(none(|flags| flags.has_database_url = false).contains("UNSET_URL"));
    assert!(none(|flags| flags.version = None).contains("UNSET_B"));
}

#[test]
fn the_servers_url_is_read_only_for_its_provider() {
    let text = |provider: &str, url: &str| {
        format!("postgres = {{ provider = '{provider}', url = '{url}' }}\n{USUAL_PLAIN}")
    };
    assert!(loaded(&text("docker", "${NEVER_SET}")).postgres.url.is_none());
    let project = loaded(&text("url", "${SERVER}"));
    let url = project.postgres.url.as_ref().unwrap();
    assert_eq!(url.expose_secret(), "postgres://user:hunter2@db.example/x");
    assert!(!format!("{project:?}").contains("hunter2"));
}
