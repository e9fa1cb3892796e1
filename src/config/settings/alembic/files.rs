//! The files of an Alembic environment: its configuration, its script folder, and what env.py reads.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use super::super::context::ValidationContext;
use super::super::paths;
use crate::config::alembic_problem::AlembicProblem;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::config::raw_alembic::RawAlembic;
use crate::formats::{
    AlembicEnvironment, EnvironmentReads, FormatError, NamedRead, alembic_sections,
    alembic_tool_table,
};
use crate::model::{AlembicTrack, UndeclaredKind, UndeclaredRead};

/// Alembic's default of `-n`, and of its configuration files.
const DEFAULT_SECTION: &str = "alembic";
const DEFAULT_INI: &str = "alembic.ini";
const PYPROJECT: &str = "pyproject.toml";

/// Options that Alembic itself reads, and not only env.py.
const OWN_OPTIONS: [&str; 3] = ["sqlalchemy.url", "script_location", "databases"];

/// Alembic's configuration files. Both are `None` if the project has only a script folder.
pub(super) struct ConfigurationFiles {
    pub(super) ini: Option<Utf8PathBuf>,
    pub(super) pyproject: Option<Utf8PathBuf>,
}

impl ConfigurationFiles {
    pub(super) fn folder(&self) -> Option<Utf8PathBuf> {
        let file = self.ini.as_ref().or(self.pyproject.as_ref())?;
        Some(file.parent().unwrap_or(Utf8Path::new("")).to_owned())
    }
}

/// The named files; if none and no script folder is named, those that `alembic` itself reads in `folder`.
pub(super) fn configuration_files(
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
    let (ini, pyproject) = (folder.join(DEFAULT_INI), folder.join(PYPROJECT));
    let there = cx.input.files.read(&ini).map_err(ConfigProblem::Unreadable);
    let ini = cx.accept(key, there)?.map(|_| ini);
    let table =
        alembic_tool_table(cx.input.files, &pyproject).map_err(|source| environment(key, source));
    let pyproject = cx.accept(key, table)?.map(|_| pyproject);
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

pub(super) fn section(
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
pub(super) fn script_location(
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

/// The folder of env.py, and the track with what its files say.
pub(super) fn environment_of(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    track: AlembicTrack,
) -> Option<(Utf8PathBuf, AlembicTrack)> {
    let files = cx.input.files;
    match AlembicEnvironment::resolve(&track, files) {
        Ok(found) => {
            // An env.py that is not valid Python fails when it runs, with the interpreter's own message.
            let reads = EnvironmentReads::of(&found, &track, files).unwrap_or_default();
            let set = track.ini.as_deref().map(|ini| section_options(cx, ini, &track.section));
            let all = [&reads.variables, &reads.arguments, &reads.options].into_iter().flatten();
            let read_files: BTreeSet<Utf8PathBuf> = all.map(|read| read.path.clone()).collect();
            let undeclared = undeclared(&track, reads, &set.unwrap_or_default());
            let (read_files, version_folders) =
                (read_files.into_iter().collect(), found.version_folders);
            let track = AlembicTrack { undeclared, read_files, version_folders, ..track };
            Some((found.script_folder, track))
        }
        // A base may not have it yet: a path without files has no migrations.
        Err(FormatError::NoMigrations { path, .. }) if cx.input.overrides.empty_folders => {
            Some((path, track))
        }
        Err(source) => {
            match missing_section(cx, key, &track, &source) {
                Some(problem) => cx.refuse(&key.child("section"), problem),
                None => cx.refuse(key, environment(key, source)),
            }
            None
        }
    }
}

fn environment(key: &ConfigKey, source: FormatError) -> ConfigProblem {
    AlembicProblem::Environment { key: key.to_string(), source }.into()
}

/// A section that does not exist is the most common cause.
fn missing_section(
    cx: &ValidationContext<'_>,
    key: &ConfigKey,
    track: &AlembicTrack,
    source: &FormatError,
) -> Option<ConfigProblem> {
    let ini = track.ini.clone()?;
    let known = alembic_sections(cx.input.files, &ini).ok()?;
    let known: Vec<String> = known.into_iter().map(|section| section.name).collect();
    let section = track.section.clone();
    let is_missing = matches!(source, FormatError::Directory { .. }) && !known.contains(&section);
    let key = key.child("section").to_string();
    is_missing.then(|| AlembicProblem::NoSection { key, ini, section, known }.into())
}

fn section_options(
    cx: &ValidationContext<'_>,
    ini: &Utf8Path,
    section: &str,
) -> IndexMap<String, String> {
    let sections = alembic_sections(cx.input.files, ini).unwrap_or_default().into_iter();
    let mut sections = sections.filter(|found| found.name == section);
    sections.next().map(|found| found.options).unwrap_or_default()
}

fn undeclared(
    track: &AlembicTrack,
    reads: EnvironmentReads,
    set: &IndexMap<String, String>,
) -> Vec<UndeclaredRead> {
    let argument = |name: &str| {
        // `-x name=value`, `-xname=value`, or without a value.
        let key = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
        let is_it = |text: &String| key(text.strip_prefix("-x").unwrap_or(text)) == name;
        track.arguments.iter().any(is_it)
    };
    let option = |name: &str| {
        track.options.contains_key(name) || set.contains_key(name) || OWN_OPTIONS.contains(&name)
    };
    let of = |kind: UndeclaredKind, reads: Vec<NamedRead>, is_set: &dyn Fn(&str) -> bool| {
        let unset = reads.into_iter().filter(|read| !is_set(&read.name));
        let as_undeclared = |read: NamedRead| UndeclaredRead {
            kind,
            name: read.name,
            path: read.path,
            line: read.line,
            has_default: read.has_default,
        };
        unset.map(as_undeclared).collect::<Vec<_>>()
    };
    let variable = |name: &str| track.environment.contains_key(name);
    [
        of(UndeclaredKind::Variable, reads.variables, &variable),
        of(UndeclaredKind::Argument, reads.arguments, &argument),
        of(UndeclaredKind::MainOption, reads.options, &option),
    ]
    .concat()
}

/// Refuses `migrations` of an Alembic environment: how Alembic is called would be unknown.
pub(in crate::config::settings) fn refuse_environment(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    folder: &Utf8Path,
) {
    let text = cx.input.files.read(&folder.join("env.py")).ok().flatten();
    let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if text.is_none_or(|text| !text.contains("alembic")) {
        return;
    }
    let is_it = |section: &str| {
        let (ini, section) = (Some(DEFAULT_INI.into()), section.to_owned());
        let track = AlembicTrack { ini, section, ..AlembicTrack::default() };
        AlembicEnvironment::resolve(&track, cx.input.files)
            .is_ok_and(|it| it.script_folder == folder)
    };
    let sections = alembic_sections(cx.input.files, DEFAULT_INI.into()).unwrap_or_default();
    let instead = match sections.iter().find(|section| is_it(&section.name)) {
        Some(section) => {
            format!("alembic = {{ ini = \"{DEFAULT_INI}\", section = \"{}\" }}", section.name)
        }
        None => format!("alembic = {{ script_location = \"{folder}\" }}"),
    };
    let problem =
        AlembicProblem::AlembicFolder { key: key.to_string(), path: folder.to_owned(), instead };
    cx.refuse(key, problem.into());
}
