//! Tracks that Alembic runs: what their keys mean, and which are refused.

use insta::assert_snapshot;

use crate::config::testing::{ConfigFiles, load_with};
use crate::config::{FileLimits, Overrides};
use crate::model::{AlembicSetup, AlembicTrack, ProcessIsolation, Project, TrackKind};

/// Environments for all tracks, and what their keys name.
fn files() -> ConfigFiles {
    let environment = |files: ConfigFiles, folder: &str| {
        files
            .with(
                &format!("{folder}/env.py"),
                "from alembic import context\nimport os\nos.environ['REGION']\n",
            )
            .with(&format!("{folder}/versions/1.py"), "revision = '1'\ndown_revision = None\n")
    };
    let ini = "[shared]\nscript_location = m/shared\n[tenant]\nscript_location = m/tenant\n";
    let files = ["m/shared", "m/tenant", "backend/app/m"]
        .into_iter()
        .fold(ConfigFiles::default().with("alembic.ini", ini), environment);
    files
        .with("backend/app/__init__.py", "")
        .with("sql/first.sql", "")
        .with("migrations/1.sql", "")
        .with("tools/pyproject.toml", "[tool.alembic]\nscript_location = '../m/tenant'\n")
}

fn load(text: &str, overrides: Overrides) -> Result<Project, String> {
    load_with(text, files(), overrides).map_err(|errors| errors.render(false))
}

fn loaded(text: &str) -> Project {
    load(text, Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    load(text, Overrides::default()).expect_err("this is refused")
}

/// A table of tenants with these keys.
fn tenants(more: &str) -> String {
    format!(
        "[databases.app.tenants]\nalembic = {{ ini = 'alembic.ini', section = 'tenant' }}\n{more}\n"
    )
}

fn of(project: &Project, kind: TrackKind) -> AlembicTrack {
    let track = project.databases[0].track(kind).unwrap();
    *track.alembic.clone().expect("Alembic runs it")
}

#[test]
fn all_keys_of_tenants() {
    let project = loaded(&tenants(
        "env = { TENANT_SCHEMA = '{target}', REGION = '${REGION}', JSON = '{\"a\": {}}' }
        args = ['-x', 'tenant={tenant}']
        options = { target_schema = '{target}' }
        revision = ['a@head', 'b@head']
        setup = ['python', '-m', 'app.create', '{url}']
        python = './.venv/bin/python'
        cwd = 'backend/..'
        python-path = ['backend', '.']
        isolation = 'process'
        image = 'ghcr.io/acme/app:1'
        ledger = 'versions'",
    ));
    let track = of(&project, TrackKind::Tenant);
    assert_eq!(track.ini.unwrap(), "alembic.ini");
    assert_eq!((track.pyproject, track.section.as_str()), (None, "tenant"));
    let env: Vec<String> =
        track.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["TENANT_SCHEMA={target}", "REGION=eu", "JSON={\"a\": {}}"]);
    assert_eq!(track.arguments, ["-x", "tenant={tenant}"]);
    assert_eq!(track.options["target_schema"], "{target}");
    assert_eq!(track.revisions, ["a@head", "b@head"]);
    let setup = ["python", "-m", "app.create", "{url}"].map(str::to_owned).to_vec();
    assert_eq!(track.setup, Some(AlembicSetup::Command(setup)));
    assert_eq!(track.python.unwrap(), ".venv/bin/python");
    assert_eq!(track.folder, "");
    assert_eq!(track.python_path, ["backend", ""]);
    assert_eq!(track.isolation, ProcessIsolation::Process);
    assert_eq!(track.image.unwrap(), "ghcr.io/acme/app:1");
    assert_eq!(track.undeclared, [], "REGION is set");
    let tenants = project.databases[0].tenants.as_ref().unwrap();
    assert_eq!(tenants.track.migrations, "m/tenant");
    assert_eq!(tenants.track.ledger.as_deref(), Some("versions"));
    assert_eq!(tenants.track.search_path, ["{target}", "public"]);
}

#[test]
fn defaults_are_those_of_the_command_alembic() {
    let project = loaded(&tenants(""));
    let track = of(&project, TrackKind::Tenant);
    assert_eq!(track.revisions, ["head"]);
    assert_eq!((track.isolation, track.folder.as_str()), (ProcessIsolation::Warm, ""));
    assert_eq!(track.undeclared[0].name, "REGION");
    assert_eq!(
        (track.undeclared[0].path.as_str(), track.undeclared[0].line),
        ("m/tenant/env.py", 3)
    );
    // The working folder is that of the configuration file.
    let project = loaded(
        "[databases.app]\nalembic = { pyproject = 'tools/pyproject.toml' }\ncwd = 'backend'",
    );
    assert_eq!(of(&project, TrackKind::Shared).folder, "backend");
    let project = loaded("[databases.app.shared]\nalembic = { section = 'shared' }");
    assert_eq!(of(&project, TrackKind::Shared).ini.unwrap(), "alembic.ini");
    let project =
        loaded("[databases.app]\nalembic = { script_location = 'app:m' }\ncwd = 'backend'");
    assert_eq!(project.databases[0].shared.as_ref().unwrap().migrations, "backend/app/m");
}

#[test]
fn setup_can_be_an_sql_file_and_the_short_form_is_a_shared_track() {
    let project = loaded(
        "[databases.app]
        alembic = { ini = 'alembic.ini', section = 'shared' }
        env = { PGHOST = '{host}' }
        setup = 'sql/first.sql'
        revision = 'heads'",
    );
    let track = of(&project, TrackKind::Shared);
    assert_eq!(track.setup, Some(AlembicSetup::SqlFile("sql/first.sql".into())));
    assert_eq!(track.revisions, ["heads"]);
}

#[test]
fn keys_that_have_no_meaning_together() {
    let text = tenants(
        "migrations = 'migrations'
        format = 'plain'
        deploy = 'mig-ci'
        order = 'lexical'
        forward-only = ['x.sql']",
    );
    assert_snapshot!(refused(&text), @r#"
    error: `databases.app.tenants.migrations` is set, but Alembic runs this track
     --> mig-ci.toml:3:1
      |
    3 | migrations = 'migrations'
      | ^^^^^^^^^^
      |
      = help: remove it: `alembic` names the folder of the revisions

    error: `databases.app.tenants.format` is set, but Alembic runs this track
     --> mig-ci.toml:4:9
      |
    4 |         format = 'plain'
      |         ^^^^^^
      |
      = help: remove it: `alembic` sets the format

    error: `databases.app.tenants.deploy` is set, but Alembic runs this track
     --> mig-ci.toml:5:9
      |
    5 |         deploy = 'mig-ci'
      |         ^^^^^^
      |
      = help: remove it: only Alembic runs revisions in production

    error: `databases.app.tenants.order` is set, but Alembic runs this track
     --> mig-ci.toml:6:9
      |
    6 |         order = 'lexical'
      |         ^^^^^
      |
      = help: remove it: Alembic orders revisions by their `down_revision`

    error: `databases.app.tenants.forward-only` is set, but Alembic runs this track
     --> mig-ci.toml:7:9
      |
    7 |         forward-only = ['x.sql']
      |         ^^^^^^^^^^^^
      |
      = help: remove it: it lists SQL files
    "#);
}

#[test]
fn keys_without_an_environment_and_two_shared_tracks() {
    assert_snapshot!(refused("[databases.app]\nmigrations = 'migrations'\nenv = { A = 'b' }\nimage = 'x'"), @r#"
    error: `databases.app.env` has no effect without `alembic`
     --> mig-ci.toml:3:1
      |
    3 | env = { A = '*' }
      | ^^^
      |
      = help: add `alembic = { ini = "alembic.ini", section = "…" }` to [databases.app] if Alembic runs these migrations, or remove the key

    error: `databases.app.image` has no effect without `alembic`
     --> mig-ci.toml:4:1
      |
    4 | image = 'x'
      | ^^^^^
      |
      = help: add `alembic = { ini = "alembic.ini", section = "…" }` to [databases.app] if Alembic runs these migrations, or remove the key
    "#);
    assert_snapshot!(refused("[databases.app]\nalembic = { section = 'shared' }\nshared = { alembic = { section = 'shared' } }\n[databases.b]\nenv = { A = 'b' }\n[databases.b.shared]\nschema = 'x'"), @r#"
    error: the database `app` has two keys for its migrations: `alembic` and `shared`
     --> mig-ci.toml:2:1
      |
    2 | alembic = { section = 'shared' }
      | ^^^^^^^
      |
      = help: remove one of the two: `alembic` is the short form of `shared`

    error: `databases.b.env` is in a table without `migrations` or `alembic`
     --> mig-ci.toml:5:1
      |
    5 | env = { A = '*' }
      | ^^^
      |
      = help: move `env` into the table with its `migrations` or `alembic`

    error: [databases.b.shared] has no `migrations`
     --> mig-ci.toml:6:14
      |
    6 | [databases.b.shared]
      |              ^^^^^^
      |
      = help: write the folder as `migrations = "…"`, or `alembic = { … }` if Alembic runs them
    "#);
}

#[test]
fn placeholders() {
    assert_snapshot!(refused(&tenants("env = { A = '{tenat}' }\nargs = ['-x', 'a={TENANT} {x_y}']")), @r#"
    error: `databases.app.tenants.env.A` contains `{tenat}`, which is not a placeholder
     --> mig-ci.toml:3:13
      |
    3 | env = { A = '*******' }
      |             ^^^^^^^^^
      |
      = help: did you mean `{tenant}`? The placeholders are {target}, {tenant}, {url}, {host}, {port}, {user}, {password}, {dbname}

    error: `databases.app.tenants.args[1]` contains `{x_y}`, which is not a placeholder
     --> mig-ci.toml:4:15
      |
    4 | args = ['-x', 'a={TENANT} {x_y}']
      |               ^^^^^^^^^^^^^^^^^^
      |
      = help: the placeholders are {target}, {tenant}, {url}, {host}, {port}, {user}, {password}, {dbname}
    "#);
    assert_snapshot!(refused("[databases.app]\nalembic = { ini = 'alembic.ini', section = 'shared' }\nenv = { S = 'x{target}' }\nsetup = ['a', '{tenant}']"), @r#"
    error: `databases.app.env.S` contains `{target}`, but shared migrations do not belong to a tenant
     --> mig-ci.toml:3:13
      |
    3 | env = { S = '*********' }
      |             ^^^^^^^^^^^
      |
      = help: write the value itself, or move the key to the track of the tenants

    error: `databases.app.setup[1]` contains `{tenant}`, but shared migrations do not belong to a tenant
     --> mig-ci.toml:4:15
      |
    4 | setup = ['a', '{tenant}']
      |               ^^^^^^^^^^
      |
      = help: write the value itself, or move the key to the track of the tenants
    "#);
}

#[test]
fn revisions_and_setups_that_are_empty_or_relative() {
    for (text, problem) in [
        ("revision = ''", "`databases.app.tenants.revision` is empty"),
        ("revision = []", "`databases.app.tenants.revision` is empty"),
        ("revision = ['a', ' ']", "`databases.app.tenants.revision[1]` is empty"),
        ("revision = '+1'", "`+1` is relative to the state of a target"),
        ("setup = []", "`databases.app.tenants.setup` is empty"),
        ("setup = ['']", "`databases.app.tenants.setup` is empty"),
        ("setup = 'sql/none.sql'", "there is no file `sql/none.sql`"),
        ("isolation = 'thread'", "`databases.app.tenants.isolation` cannot be `thread`"),
        ("env = { '1A' = '' }", "`1A` is not the name of an environment variable"),
        ("env = { PYTHONPATH = 'x' }", "mig-ci sets `PYTHONPATH` itself"),
        ("args = ['-c', 'x']", "mig-ci sets `-c` itself"),
        ("args = ['--name=x']", "mig-ci sets `--name` itself"),
        ("options = { 'sqlalchemy.url' = 'x' }", "mig-ci sets `sqlalchemy.url` itself"),
        ("options = { script_location = 'x' }", "mig-ci sets `script_location` itself"),
        ("env = { A = '${NONE}' }", "the environment variable `NONE` is not set"),
    ] {
        let error = refused(&tenants(text));
        assert!(error.contains(problem), "{text}: {error}");
        assert!(error.contains("mig-ci.toml:3:"), "{text}: {error}");
    }
}

#[test]
fn paths_stay_in_the_project() {
    for text in [
        "alembic = { ini = '/etc/alembic.ini' }",
        "alembic = { ini = '../alembic.ini' }",
        "alembic = { script_location = '/m/tenant' }",
        "alembic = { script_location = 'app:../../m' }",
        "alembic = { script_location = 'm/tenant', version_locations = ['../x'] }",
        "alembic = { script_location = 'm/tenant' }\ncwd = '/tmp'",
        "alembic = { script_location = 'm/tenant' }\npython-path = ['..']",
    ] {
        let error = refused(&format!("[databases.app]\n{text}"));
        assert!(error.contains("leads out of the project"), "{text}: {error}");
    }
}

#[test]
fn environments_that_do_not_exist() {
    assert_snapshot!(refused("[databases.app]\nalembic = { ini = 'alembic.ini', section = 'tenants' }"), @r#"
    error: `databases.app.alembic.section`: alembic.ini has no section `tenants` with a `script_location`
     --> mig-ci.toml:2:44
      |
    2 | alembic = { ini = 'alembic.ini', section = 'tenants' }
      |                                            ^^^^^^^^^
      |
      = help: did you mean `tenant`? The sections with a `script_location` are `shared`, `tenant`
    "#);
    assert_snapshot!(refused("[databases.app]\nalembic = {}\ncwd = 'backend'\n[databases.b]\nalembic = { script_location = 'm/tenat', section = 'x' }"), @r#"
    error: `databases.app.alembic`: neither an `ini` nor a `script_location` is set, and `backend` has no `alembic.ini`
     --> mig-ci.toml:2:1
      |
    2 | alembic = {}
      | ^^^^^^^
      |
      = help: write `alembic = { ini = "alembic.ini", section = "alembic" }`, or `{ script_location = "migrations" }` for a project without a configuration file of Alembic

    error: `databases.b.alembic`: no migrations found in m/tenat: the `script_location` does not exist
     --> mig-ci.toml:5:1
      |
    5 | alembic = { script_location = 'm/tenat', section = 'x' }
      | ^^^^^^^

    error: `databases.b.alembic.section` is set without `ini`: only an ini file has sections
     --> mig-ci.toml:5:52
      |
    5 | alembic = { script_location = 'm/tenat', section = 'x' }
      |                                                    ^^^
      |
      = help: add the `ini`, or remove the `section`
    "#);
    assert_snapshot!(refused("[databases.app]\nmigrations = 'm/shared'\n[databases.b]\nmigrations = 'backend/app/m'"), @r#"
    error: `databases.app.migrations`: the folder `m/shared` is an Alembic environment, and `alembic` is not set
     --> mig-ci.toml:2:14
      |
    2 | migrations = 'm/shared'
      |              ^^^^^^^^^^
      |
      = help: replace `migrations` by `alembic = { ini = "alembic.ini", section = "shared" }`

    error: `databases.b.migrations`: the folder `backend/app/m` is an Alembic environment, and `alembic` is not set
     --> mig-ci.toml:4:14
      |
    4 | migrations = 'backend/app/m'
      |              ^^^^^^^^^^^^^^^
      |
      = help: replace `migrations` by `alembic = { script_location = "backend/app/m" }`
    "#);
}

/// In the action the file belongs to the pull request.
#[test]
fn the_file_of_a_pull_request_is_limited() {
    let limited = |text: &str, limits: FileLimits| {
        load(&tenants(text), Overrides { limits: Some(limits), ..Overrides::default() })
    };
    let error = |text: &str| limited(text, FileLimits::default()).expect_err(text);
    assert_snapshot!(error("image = 'ghcr.io/acme/app:1'"), @r#"
    error: `databases.app.tenants.image` cannot be `ghcr.io/acme/app:1` in the action unless its input allows it
     --> mig-ci.toml:3:9
      |
    3 | image = 'ghcr.io/acme/app:1'
      |         ^^^^^^^^^^^^^^^^^^^^
      |
      = help: the code of a pull request could read everything in an image that the runner may pull: add `runner-image: ghcr.io/acme/app:1` to the `with:` of the step; with several, one per line, `image` selects one of them
    "#);
    assert_snapshot!(error("python = '/usr/bin/python3'"), @r#"
    error: `databases.app.tenants.python` cannot be `/usr/bin/python3` in the action: it is not in the checkout
     --> mig-ci.toml:3:10
      |
    3 | python = '/usr/bin/python3'
      |          ^^^^^^^^^^^^^^^^^^
      |
      = help: set a path in the checkout (`.venv/bin/python`) or the name of a program (`python3.12`); without the key, the active virtual environment is used
    "#);
    for text in [
        "env = { A = '${REGION}' }",
        "args = ['${REGION}']",
        "setup = ['${REGION}']",
        "options = { a = '${REGION}' }",
        "image = '${REGION}'",
        "cwd = '${REGION}'",
        "revision = '${REGION}'",
    ] {
        let error = error(text);
        assert!(
            error.contains("may not read the environment variable `REGION`"),
            "{text}: {error}"
        );
    }
    // Code of the pull request runs anyway.
    limited("setup = ['sh', '-c', 'id']\npython = 'bin/python'", FileLimits::default()).unwrap();
    // Without limits, a path of this machine is accepted.
    loaded(&tenants("python = '/usr/bin/python3'"));
}

/// What a flag or an input lists overrides the file, unless the file selects one of the list.
#[test]
fn images_of_the_workflow_override_those_of_the_file() {
    let image = |text: &str, images: &[&str]| {
        let overrides = Overrides {
            runner_images: images.iter().map(|image| (*image).to_owned()).collect(),
            limits: Some(FileLimits::default()),
            ..Overrides::default()
        };
        let project = load(&tenants(text), overrides).unwrap();
        of(&project, TrackKind::Tenant).image.unwrap()
    };
    assert_eq!(image("", &["app:1"]), "app:1");
    assert_eq!(image("image = 'app:2'", &["app:1"]), "app:1");
    assert_eq!(image("image = 'app:2'", &["app:1", "app:2"]), "app:2");
    assert_eq!(image("image = '${UNSET}'", &["app:1"]), "app:1");
    // In an image there is no program of the runner.
    assert_eq!(image("python = '/opt/venv/bin/python'", &["app:1"]), "app:1");
}

#[test]
fn values_of_variables_are_not_shown() {
    let error =
        refused(&tenants("env = { A = 'hunter2', B = '{x}' }\noptions = { c = 'hunter3' }"));
    assert!(!error.contains("hunter"), "{error}");
}
