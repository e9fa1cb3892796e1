//! The values that Alembic's process gets: variables, arguments, options, revisions, its setup, interpreter and image.

use indexmap::IndexMap;

use super::super::context::ValidationContext;
use super::super::{limits, paths};
use super::text::text;
use crate::config::alembic_problem::AlembicProblem;
use crate::config::interpolate::is_name;
use crate::config::key::ConfigKey;
use crate::config::one_or_many::OneOrMany;
use crate::config::problem::ConfigProblem;
use crate::model::{AlembicSetup, TrackKind};

/// What `alembic upgrade` is usually called with. It fails if there are several heads, as in production.
const DEFAULT_REVISION: &str = "head";

pub(super) fn environment_variables(
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
        let text = text(cx, &table.child(name), raw, kind)?;
        Some((name.clone(), text))
    };
    texts.filter_map(text).collect()
}

/// Arguments that mig-ci passes itself are refused: the driver's own would be overridden, or would be.
pub(super) fn arguments(
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
        texts.extend(text(cx, &key, raw, kind));
    }
    texts
}

/// Options from which mig-ci derives which files are the revisions are refused: these are keys of `alembic`.
pub(super) fn options(
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

pub(super) fn revisions(
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

pub(super) fn setup(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&OneOrMany>,
    kind: TrackKind,
) -> Option<AlembicSetup> {
    match raw? {
        OneOrMany::One(path) => paths::file(cx, key, path).map(AlembicSetup::SqlFile),
        OneOrMany::Many(words) if words.first().is_none_or(|program| program.trim().is_empty()) => {
            cx.refuse(
                key,
                empty(key, "write a program and its arguments, or the path of an SQL file"),
            );
            None
        }
        OneOrMany::Many(words) => {
            let words = words.iter().enumerate();
            let words = words.map(|(index, word)| text(cx, &key.element(index), word, kind));
            words.collect::<Option<Vec<String>>>().map(AlembicSetup::Command)
        }
    }
}

/// A path in the project, or the name of a program. The file need not exist: a virtual environment is not in git.
pub(super) fn interpreter(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &str,
    is_in_image: bool,
) -> Option<String> {
    let text = cx.optional_text(key, Some(raw))?;
    if !text.contains('/') {
        return Some(text);
    }
    match paths::normalised(&text) {
        Some(path) => Some(path.into_string()),
        // A path in the image, where there are only the image's own files.
        None if is_in_image => Some(text),
        None => {
            let checked = limits::interpreter(cx.input.overrides.limits.as_ref(), key, &text);
            cx.accept(key, checked.map_err(ConfigProblem::from)).map(|()| text)
        }
    }
}

pub(super) fn image(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&str>,
) -> Option<String> {
    let given = &cx.input.overrides.runner_images;
    if let Some(first) = given.first() {
        // Compared as it is written: its variables need not be set here.
        return given.iter().find(|image| raw == Some(image.as_str())).or(Some(first)).cloned();
    }
    let image = cx.optional_text(key, raw)?;
    let checked = limits::runner_image(cx.input.overrides.limits.as_ref(), key, &image);
    cx.accept(key, checked.map_err(ConfigProblem::from)).map(|()| image)
}
