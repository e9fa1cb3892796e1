//! The keys of an Alembic track: `alembic`, `env`, `args`, `revision` and those around them.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::alembic_text;
use super::context::ValidationContext;
use super::{limits, paths};
use crate::config::alembic_problem::AlembicProblem;
use crate::config::interpolate::is_name;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::config::raw::OneOrMany;
use crate::config::raw_alembic::{RawAlembic, RawAlembicKeys};
use crate::model::{AlembicSetup, AlembicTrack, TrackKind};

/// Alembic's default of `-n`, and of its configuration files.
const DEFAULT_SECTION: &str = "alembic";
const DEFAULT_INI: &str = "alembic.ini";
const PYPROJECT: &str = "pyproject.toml";
const TOOL_ALEMBIC: &str = "[tool.alembic";

/// What `alembic upgrade` is usually called with. It fails if there are several heads, as in production.
const DEFAULT_REVISION: &str = "head";

/// The Alembic environment of the track in `table`; `None` if there is none, or if it has problems.
pub(super) fn track(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &RawAlembicKeys,
    kind: TrackKind,
) -> Option<Box<AlembicTrack>> {
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
    let track = AlembicTrack {
        section: section(cx, &key, environment, files.as_ref()),
        script_location: script_location(cx, &key, environment),
        version_locations: folders(cx, &key.child("version_locations"), &environment.version_locations),
        environment: environment_variables(cx, &table.child("env"), &raw.env, kind),
        arguments: arguments(cx, &table.child("args"), &raw.args, kind),
        options: options(cx, &table.child("options"), &raw.options, kind),
        revisions: revisions(cx, &table.child("revision"), raw.revision.as_ref()),
        setup: setup(cx, &table.child("setup"), raw.setup.as_ref(), kind),
        python: python.and_then(|python| interpreter(cx, &table.child("python"), python)),
        folder: folder?,
        python_path: folders(cx, &table.child("python-path"), &raw.python_path),
        isolation: cx.choice(&table.child("isolation"), raw.isolation.as_deref()).unwrap_or_default(),
        image: image(cx, &table.child("image"), raw.image.as_deref()),
        ini: files.as_ref().and_then(|files| files.ini.clone()),
        pyproject: files.as_ref().and_then(|files| files.pyproject.clone()),
    };
    files.map(|_| Box::new(track))
}

/// Alembic's configuration files. Both are `None` if the project has only a script folder.
struct ConfigurationFiles {
    ini: Option<Utf8PathBuf>,
    pyproject: Option<Utf8PathBuf>,
}

impl ConfigurationFiles {
    fn folder(&self) -> Option<Utf8PathBuf> {
        let file = self.ini.as_ref().or(self.pyproject.as_ref())?;
        Some(file.parent().unwrap_or(Utf8Path::new("")).to_owned())
    }
}

/// The named files; if none and no script folder is named, those that `alembic` itself reads in `folder`.
fn configuration_files(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &RawAlembic,
    folder: Option<Utf8PathBuf>,
) -> Option<ConfigurationFiles> {
    let mut named = |name: &str, path: &Option<String>| -> Result<Option<Utf8PathBuf>, ()> {
        let Some(path) = path else { return Ok(None) };
        paths::file(cx, &key.child(name), path).map(Some).ok_or(())
    };
    let (ini, pyproject) = (named("ini", &raw.ini), named("pyproject", &raw.pyproject));
    let (ini, pyproject) = (ini.ok()?, pyproject.ok()?);
    if ini.is_some() || pyproject.is_some() || raw.script_location.is_some() {
        return Some(ConfigurationFiles { ini, pyproject });
    }
    let folder = folder.unwrap_or_default();
    let files = cx.input.files;
    let text = |name: &str| {
        let read = files.read(&folder.join(name)).map_err(ConfigProblem::Unreadable)?;
        Ok(read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let ini = cx.accept(key, text(DEFAULT_INI))?.map(|_| folder.join(DEFAULT_INI));
    let pyproject = cx.accept(key, text(PYPROJECT))?.filter(|text| text.contains(TOOL_ALEMBIC));
    let pyproject = pyproject.map(|_| folder.join(PYPROJECT));
    if ini.is_none() && pyproject.is_none() {
        let place = match folder.as_str() {
            "" => "the folder of `mig-ci.toml`".to_owned(),
            folder => format!("`{folder}`"),
        };
        let problem = AlembicProblem::NoEnvironment { key: key.to_string(), folder: place };
        cx.refuse(key, problem.into());
        return None;
    }
    Some(ConfigurationFiles { ini, pyproject })
}

fn section(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &RawAlembic,
    files: Option<&ConfigurationFiles>,
) -> String {
    let key = key.child("section");
    let section = cx.optional_text(&key, raw.section.as_deref());
    if section.is_some() && files.is_some_and(|files| files.ini.is_none()) {
        let problem = AlembicProblem::SectionWithoutIni { key: key.to_string() };
        cx.refuse(&key, problem.into());
    }
    section.unwrap_or_else(|| DEFAULT_SECTION.to_owned())
}

/// A folder, or `package:folder`.
fn script_location(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &RawAlembic,
) -> Option<String> {
    let key = key.child("script_location");
    let text = cx.text(&key, raw.script_location.as_deref()?)?;
    let path = text.split_once(':').map_or(text.as_str(), |(_, path)| path);
    if paths::normalised(path).is_none() {
        cx.refuse(&key, ConfigProblem::OutsideProject { key: key.to_string(), path: text });
        return None;
    }
    Some(text)
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

fn environment_variables(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &IndexMap<String, String>,
    kind: TrackKind,
) -> IndexMap<String, String> {
    for name in raw.keys() {
        let key = table.child(name);
        if !is_name(name) {
            let problem =
                AlembicProblem::BadVariable { key: key.to_string(), name: name.to_owned() };
            cx.refuse_key(&key, problem.into());
        } else if name == "PYTHONPATH" {
            let problem = AlembicProblem::SetByMigCi {
                key: key.to_string(),
                name: name.to_owned(),
                instead: "list its folders in `python-path`, which are taken from the revision that runs",
            };
            cx.refuse_key(&key, problem.into());
        }
    }
    texts_by_name(cx, table, raw, kind)
}

fn texts_by_name(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &IndexMap<String, String>,
    kind: TrackKind,
) -> IndexMap<String, String> {
    let texts = raw.iter();
    let text = |(name, raw): (&String, &String)| {
        let text = alembic_text::text(cx, &table.child(name), raw, kind)?;
        Some((name.clone(), text))
    };
    texts.filter_map(text).collect()
}

/// Arguments that mig-ci passes itself are refused: the driver's own would be overridden, or would be.
fn arguments(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &[String],
    kind: TrackKind,
) -> Vec<String> {
    const OWN: [(&str, &str); 5] = [
        ("-c", "write the file as `alembic = { ini = \"…\" }`"),
        ("--config", "write the file as `alembic = { ini = \"…\" }`"),
        ("-n", "write the section as `alembic = { section = \"…\" }`"),
        ("--name", "write the section as `alembic = { section = \"…\" }`"),
        ("--sql", "remove it: revisions run on a server, since `--sql` prints other statements"),
    ];
    let mut texts = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let key = key.element(index);
        let option = raw.split('=').next().unwrap_or_default();
        if let Some((name, instead)) = OWN.iter().find(|(name, _)| *name == option) {
            let problem = AlembicProblem::SetByMigCi {
                key: key.to_string(),
                name: (*name).to_owned(),
                instead,
            };
            cx.refuse(&key, problem.into());
        }
        texts.extend(alembic_text::text(cx, &key, raw, kind));
    }
    texts
}

/// Options from which mig-ci derives which files are the revisions are refused: these are keys of `alembic`.
fn options(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &IndexMap<String, String>,
    kind: TrackKind,
) -> IndexMap<String, String> {
    const OWN: [(&str, &str); 3] = [
        ("script_location", "write it as `alembic = { script_location = \"…\" }`"),
        ("version_locations", "write it as `alembic = { version_locations = [\"…\"] }`"),
        ("sqlalchemy.url", "remove it: the address is always that of the scratch database"),
    ];
    for name in raw.keys() {
        if let Some((name, instead)) = OWN.iter().find(|(own, _)| own == name) {
            let key = table.child(name);
            let problem = AlembicProblem::SetByMigCi {
                key: key.to_string(),
                name: (*name).to_owned(),
                instead,
            };
            cx.refuse_key(&key, problem.into());
        }
    }
    texts_by_name(cx, table, raw, kind)
}

fn revisions(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&OneOrMany>,
) -> Vec<String> {
    let Some(raw) = raw else { return vec![DEFAULT_REVISION.to_owned()] };
    let entries = paths::entries(key, Some(raw));
    if entries.is_empty() {
        cx.refuse(key, empty(key, "list at least one revision, or remove the key"));
    }
    let mut revisions = Vec::new();
    for (key, raw) in entries {
        let Some(revision) = cx.text(&key, raw) else { continue };
        if revision.trim().is_empty() {
            cx.refuse(&key, empty(&key, "write a revision, `head` or `heads`, or remove the key"));
        } else if revision.starts_with(['+', '-']) {
            let problem = AlembicProblem::RelativeRevision { key: key.to_string(), revision };
            cx.refuse(&key, problem.into());
        } else {
            revisions.push(revision);
        }
    }
    revisions
}

fn empty(key: &ConfigKey, help: &'static str) -> ConfigProblem {
    AlembicProblem::Empty { key: key.to_string(), help }.into()
}

fn setup(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&OneOrMany>,
    kind: TrackKind,
) -> Option<AlembicSetup> {
    match raw? {
        OneOrMany::One(path) => paths::file(cx, key, path).map(AlembicSetup::SqlFile),
        OneOrMany::Many(words) if words.first().is_none_or(|program| program.trim().is_empty()) => {
            cx.refuse(key, empty(key, "write a program and its arguments, or the path of an SQL file"));
            None
        }
        OneOrMany::Many(words) => {
            let words = words.iter().enumerate();
            let words = words.map(|(index, word)| {
                alembic_text::text(cx, &key.element(index), word, kind)
            });
            words.collect::<Option<Vec<String>>>().map(AlembicSetup::Command)
        }
    }
}

/// A path in the project, or the name of a program. The file need not exist: a virtual environment is not in git.
fn interpreter(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &str) -> Option<String> {
    let text = cx.optional_text(key, Some(raw))?;
    if !text.contains('/') {
        return Some(text);
    }
    match paths::normalised(&text) {
        Some(path) => Some(path.into_string()),
        None => {
            let checked = limits::interpreter(cx.input.overrides.limits.as_ref(), key, &text);
            cx.accept(key, checked.map_err(ConfigProblem::from)).map(|()| text)
        }
    }
}

fn image(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: Option<&str>) -> Option<String> {
    let image = cx.optional_text(key, raw)?;
    let checked = limits::runner_image(cx.input.overrides.limits.as_ref(), key, &image);
    cx.accept(key, checked.map_err(ConfigProblem::from)).map(|()| image)
}

/// The folder of env.py.
pub(super) fn script_folder(
    _cx: &mut ValidationContext<'_>,
    _table: &ConfigKey,
    track: &AlembicTrack,
) -> Option<Utf8PathBuf> {
    Some(track.script_location.as_deref().unwrap_or("alembic").into())
}

/// Refuses `migrations` of an Alembic environment: how Alembic is called would be unknown.
pub(super) fn refuse_environment(
    _cx: &mut ValidationContext<'_>,
    _key: &ConfigKey,
    _folder: &Utf8Path,
) {
}
