//! Where an environment is.

use pretty_assertions::assert_eq;

use super::{files, track};
use crate::formats::FormatError;
use crate::formats::alembic::{AlembicEnvironment, sections, tool_table};
use crate::model::AlembicTrack;

const ENV: (&str, &str) = ("migrations/env.py", "");

fn resolve(track: &AlembicTrack, project: &[(&str, &str)]) -> Result<AlembicEnvironment, String> {
    AlembicEnvironment::resolve(track, &files(project)).map_err(|error| {
        let is_absent = matches!(error, FormatError::NoMigrations { .. });
        let help = error.help().map(|help| format!(" [{help}]")).unwrap_or_default();
        format!("{error}{help}{}", if is_absent { " (absent)" } else { "" })
    })
}

fn folders(ini: &str, more: &[(&str, &str)]) -> (String, Vec<String>) {
    let project = [&[("alembic.ini", ini), ENV], more].concat();
    let found = resolve(&track(), &project).unwrap();
    let versions = found.version_folders.into_iter().map(Into::into).collect();
    (found.script_folder.into(), versions)
}

#[test]
fn folders_are_those_of_the_section() {
    let plain = ("migrations".to_owned(), vec!["migrations/versions".to_owned()]);
    assert_eq!(folders("[alembic]\nscript_location = migrations", &[]), plain);
    assert_eq!(folders("[alembic]\nscript_location = %(here)s/migrations", &[]), plain);
    assert_eq!(folders("[alembic]\nscript_location = ./x/../migrations/", &[]), plain);
    let listed = |separator: &str, text: &str| {
        let ini = format!(
            "[alembic]\nscript_location = migrations\n{separator}\nversion_locations = {text}\n"
        );
        folders(&ini, &[]).1
    };
    let both = ["migrations/a", "b"];
    assert_eq!(listed("", "%(script_location)s/a, b"), both);
    assert_eq!(listed("", "%(here)s/migrations/a b"), both);
    assert_eq!(listed("path_separator = os", "migrations/a:b"), both);
    assert_eq!(listed("path_separator = newline", "\n  migrations/a\n  b"), both);
    assert_eq!(listed("path_separator = space", "migrations/a  b"), both);
    assert_eq!(listed("version_path_separator = ;", "migrations/a;b"), both);
    assert_eq!(listed("path_separator = ;\nversion_path_separator = os", "migrations/a;b"), both);
}

#[test]
fn the_working_folder_is_not_the_folder_of_the_ini_file() {
    let ini = "[alembic]\nscript_location = %(here)s/migrations\nversion_locations = versions";
    let project = [("backend/alembic.ini", ini), ("backend/migrations/env.py", "")];
    let track = AlembicTrack {
        ini: Some("backend/alembic.ini".into()),
        folder: "backend/app".into(),
        ..track()
    };
    let found = resolve(&track, &project).unwrap();
    assert_eq!(found.script_folder, "backend/migrations");
    assert_eq!(found.version_folders, ["backend/app/versions"]);
}

#[test]
fn packages_are_searched_in_the_project() {
    let ini = "[alembic]\nscript_location = app.db:migrations\nprepend_sys_path = lib";
    let package = |folder: &str| {
        let path = format!("{folder}app/db/migrations/env.py");
        folders(ini, &[(path.as_str(), "")]).0
    };
    for folder in ["", "src/", "lib/"] {
        assert_eq!(package(folder), format!("{folder}app/db/migrations"));
    }
    let both =
        [("app/db/__init__.py", ""), ("lib/app/db/x.py", ""), ("app/db/migrations/env.py", "")];
    assert_eq!(folders(ini, &both).0, "app/db/migrations");
    assert_eq!(
        resolve(&track(), &[("alembic.ini", ini)]).unwrap_err(),
        "alembic.ini:2: `app.db:migrations`: no folder of the project contains the package `app.db` [add the folder of the \
         package to `python-path`, or set `script_location` in `alembic = { … }` to its folder]"
    );
}

#[test]
fn the_ini_file_wins_key_by_key() {
    let ini =
        "[alembic]\nsqlalchemy.url = postgresql://h/d\nprepend_sys_path = .\nversion_locations = b";
    let toml = "[tool.alembic]\nscript_location = \"%(here)s/migrations\"\nrecursive_version_locations = true\n\
                version_locations = [\"%(here)s/a\", \"c\"]\nprepend_sys_path = [\"x\"]\n";
    let both = AlembicTrack { pyproject: Some("pyproject.toml".into()), ..track() };
    let project = [("alembic.ini", ini), ("pyproject.toml", toml), ENV];
    let found = resolve(&both, &project).unwrap();
    assert_eq!(found.script_folder, "migrations");
    assert_eq!(found.version_folders, ["b"]);
    assert_eq!(found.prepend_sys_path, [""]);
    assert_eq!(found.url.as_deref(), Some("postgresql://h/d"));
    assert!(found.recursive);
    let toml_only = AlembicTrack { ini: None, ..both };
    let found = resolve(&toml_only, &project).unwrap();
    assert_eq!(found.version_folders, ["a", "c"]);
    assert_eq!(found.url, None);
    let table = tool_table(&files(&project), "pyproject.toml".into()).unwrap().unwrap();
    assert_eq!(table["script_location"], "./migrations");
}

#[test]
fn the_configuration_of_mig_ci_wins() {
    let track = AlembicTrack {
        script_location: Some("migrations".to_owned()),
        version_locations: vec!["x".into(), "y".into()],
        ..track()
    };
    let found = resolve(&track, &[ENV, ("alembic.ini", "[alembic]\nscript_location = z")]).unwrap();
    assert_eq!(found.version_folders, ["x", "y"]);
    let without_ini = AlembicTrack { ini: None, version_locations: Vec::new(), ..track };
    assert_eq!(resolve(&without_ini, &[ENV]).unwrap().version_folders, ["migrations/versions"]);
    let mut by_option = AlembicTrack { ini: None, script_location: None, ..without_ini };
    by_option.options.insert("script_location".to_owned(), "migrations".to_owned());
    by_option.options.insert("version_locations".to_owned(), "v/{target}".to_owned());
    assert_eq!(resolve(&by_option, &[ENV]).unwrap().version_folders, ["migrations/versions"]);
}

#[test]
fn what_cannot_be_resolved_says_what_to_change() {
    let error = |ini: &str| resolve(&track(), &[("alembic.ini", ini), ENV]).unwrap_err();
    assert_eq!(
        error("[alembic]\nscript_location = /srv/app/migrations"),
        "alembic.ini:2: `/srv/app/migrations` is not inside of the project [set `script_location` in `alembic = { … }` to a \
         folder of the project]"
    );
    assert_eq!(
        error("[alembic]\nscript_location = migrations\nversion_locations = %(here)s/../x"),
        "alembic.ini:3: `%(here)s/../x` is not inside of the project [set `version_locations` in `alembic = { … }` to a folder \
         of the project]"
    );
    assert_eq!(
        error("[users]\nscript_location = migrations\n[loggers]\nkeys = a"),
        "alembic.ini: it has no section [alembic]; it has [users], [loggers] [set `script_location` there, or `alembic = { \
         section = … }` to the section that has it]"
    );
    assert_eq!(
        error("[alembic]\nscript_location = nowhere"),
        "no migrations found in nowhere: the `script_location` does not exist (absent)"
    );
    assert_eq!(
        error(
            "[alembic]\nscript_location = migrations\nversion_locations = a\npath_separator = os  # comment"
        ),
        "alembic.ini:4: `os  # comment` is not a valid value for `path_separator` [write `space`, `newline`, `os`, `:` or \
         `;`; a comment has to be on a line of its own]"
    );
    assert_eq!(
        resolve(&track(), &[]).unwrap_err(),
        "no migrations found in alembic.ini: there is no such file (absent)"
    );
}

#[test]
fn sections_with_an_environment_are_found() {
    let found = |ini: &str| -> Vec<String> {
        let project = files(&[("alembic.ini", ini)]);
        sections(&project, "alembic.ini".into()).unwrap().into_iter().map(|s| s.name).collect()
    };
    let guide = "[users]\nscript_location = migrations/users\nsqlalchemy.url = postgresql://localhost/users_db\n\n\
                 [analytics]\nscript_location = migrations/analytics\n\n[loggers]\nkeys = root\n";
    assert_eq!(found(guide), ["users", "analytics"]);
    let default =
        "[DEFAULT]\nscript_location = m\n[alembic]\nfile_template = x\n[loggers]\nkeys = root\n";
    assert_eq!(found(default), ["alembic"]);
    let named = "[DEFAULT]\nscript_location = m\n[a]\nversion_locations = x\n[b]\nversion_locations = y\n[loggers]\nkeys=r";
    assert_eq!(found(named), ["a", "b"]);
    let multidb = "[alembic]\nscript_location = m\ndatabases = engine1, engine2\n[engine1]\nsqlalchemy.url = x\n\
                   [engine2]\nsqlalchemy.url = y\n";
    assert_eq!(found(multidb), ["alembic"]);
    assert!(found("[loggers]\nkeys = root").is_empty());
    let project =
        files(&[("a/alembic.ini", "[x]\nscript_location = %(here)s/m\nsqlalchemy.url = a%40")]);
    let section = &sections(&project, "a/alembic.ini".into()).unwrap()[0];
    assert_eq!(section.line, 1);
    assert_eq!(section.options["script_location"], "a/m");
    assert!(!section.options.contains_key("sqlalchemy.url"));
}
