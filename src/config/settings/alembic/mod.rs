//! The keys of an Alembic track: `alembic`, `env`, `args`, `revision` and those around them.

use camino::Utf8PathBuf;

mod files;
mod text;
mod values;

pub(super) use files::refuse_environment;

use files::{configuration_files, environment_of, script_location, section};
use values::{arguments, environment_variables, image, interpreter, options, revisions, setup};

use super::context::ValidationContext;
use super::paths;
use crate::config::alembic_problem::AlembicProblem;
use crate::config::key::ConfigKey;
use crate::config::raw_alembic::RawAlembicKeys;
use crate::model::{AlembicTrack, TrackKind};

/// The Alembic environment of the track in `table`, with the folder of env.py; `None` if there is none, or if it has problems.
pub(super) fn track(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &RawAlembicKeys,
    kind: TrackKind,
) -> Option<(Utf8PathBuf, Box<AlembicTrack>)> {
    let Some(environment) = &raw.alembic else {
        for name in raw.given() {
            let key = table.child(name);
            let problem =
                AlembicProblem::WithoutAlembic { key: key.to_string(), table: table.table() };
            cx.refuse_key(&key, problem.into());
        }
        return None;
    };
    let key = table.child("alembic");
    let given_folder = raw.cwd.as_deref().map(|cwd| working_folder(cx, &table.child("cwd"), cwd));
    let files = configuration_files(cx, &key, environment, given_folder.clone().flatten());
    let beside = || files.iter().flat_map(|files| files.folder()).next();
    // Relative names in a configuration file mean the folder in which `alembic` is usually called.
    let folder = given_folder.unwrap_or_else(|| Some(beside().unwrap_or_default()));
    let python = raw.python.as_deref();
    let image = image(cx, &table.child("image"), raw.image.as_deref());
    let track = AlembicTrack {
        section: section(cx, &key, environment, files.as_ref()),
        script_location: script_location(cx, &key, environment),
        version_locations: folders(
            cx,
            &key.child("version_locations"),
            &environment.version_locations,
        ),
        environment: environment_variables(cx, &table.child("env"), &raw.env, kind),
        arguments: arguments(cx, &table.child("args"), &raw.args, kind),
        options: options(cx, &table.child("options"), &raw.options, kind),
        revisions: revisions(cx, &table.child("revision"), raw.revision.as_ref()),
        setup: setup(cx, &table.child("setup"), raw.setup.as_ref(), kind),
        python: python
            .and_then(|python| interpreter(cx, &table.child("python"), python, image.is_some())),
        folder: folder?,
        python_path: folders(cx, &table.child("python-path"), &raw.python_path),
        isolation: cx
            .choice(&table.child("isolation"), raw.isolation.as_deref())
            .unwrap_or_default(),
        image,
        ini: files.as_ref().and_then(|files| files.ini.clone()),
        pyproject: files.as_ref().and_then(|files| files.pyproject.clone()),
        undeclared: Vec::new(),
        read_files: Vec::new(),
        version_folders: Vec::new(),
        inferred: raw.inferred.clone(),
    };
    // Without valid files, the environment's own problems would only repeat theirs.
    files?;
    let (script_folder, track) = environment_of(cx, &key, track)?;
    Some((script_folder, Box::new(track)))
}

/// A folder of the project, which may be the project's root itself.
fn working_folder(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &str,
) -> Option<Utf8PathBuf> {
    // The root is never listed: it may be large, and it exists.
    match paths::path(cx, key, raw)? {
        root if root == "" => Some(root),
        _ => paths::folder(cx, key, raw),
    }
}

fn folders(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &[String]) -> Vec<Utf8PathBuf> {
    let raw = raw.iter().enumerate();
    raw.filter_map(|(index, folder)| working_folder(cx, &key.element(index), folder)).collect()
}
