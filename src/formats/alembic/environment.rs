//! Where an Alembic environment is: the folder of env.py, the folders of revisions, and what else its files say of it.
//!
//! Rules from alembic 1.20.1, `script/base.py` (`ScriptDirectory.from_config`) and `util/pyfiles.py`
//! (`coerce_resource_to_filename`): relative folders are relative to the working folder, not to the ini file; `package:folder` is
//! found by import. Python is not run here, so a package is searched among the files of the project.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::ini::IniFile;
use super::options::{AlembicOptions, HERE, OptionText};
use super::pyproject::PyProject;
use crate::formats::FormatError;
use crate::model::{AlembicTrack, Files};

/// An Alembic environment. Paths are relative to the project's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlembicEnvironment {
    /// The folder of env.py.
    pub(crate) script_folder: Utf8PathBuf,
    /// The folders of revisions, in Alembic's order. Alembic ignores those that do not exist.
    pub(crate) version_folders: Vec<Utf8PathBuf>,
    /// Whether subfolders contain revisions, too.
    pub(crate) recursive: bool,
    /// Whether compiled files are revisions, too.
    pub(crate) sourceless: bool,
    /// Folders that Alembic puts in front of `sys.path`; those inside of the project.
    pub(crate) prepend_sys_path: Vec<Utf8PathBuf>,
    /// `sqlalchemy.url` of the section.
    pub(crate) url: Option<String>,
    /// `databases` of the section: the names of the template multidb.
    pub(crate) databases: Vec<String>,
}

impl AlembicEnvironment {
    /// Reads the environment of a track.
    ///
    /// # Errors
    /// [`FormatError::NoMigrations`] if its files or its script folder do not exist: a base may have none yet.
    pub(crate) fn resolve(track: &AlembicTrack, files: &dyn Files) -> Result<Self, FormatError> {
        let options = AlembicOptions::read(track, files)?;
        if let Some(path) = options.missing_file() {
            let found = "there is no such file".to_owned();
            return Err(FormatError::NoMigrations { path: path.to_owned(), found });
        }
        let mut prepend_sys_path = Vec::new();
        for entry in options.prepend_sys_path()? {
            prepend_sys_path.extend(locate(&entry.text, &track.folder).ok());
        }
        let search = PackageSearch { files, folders: import_folders(track, &prepend_sys_path) };
        let script = script_location(track, &options)?;
        let script_folder = folder_of(&script, "script_location", track, &search)?;
        if files.list(&script_folder)?.is_empty() {
            let found = "the `script_location` does not exist".to_owned();
            return Err(FormatError::NoMigrations { path: script_folder, found });
        }
        let databases = options.main_option("databases").ok().flatten();
        Ok(Self {
            version_folders: version_folders(track, &options, &search, &script_folder)?,
            script_folder,
            recursive: options.boolean("recursive_version_locations")?,
            sourceless: options.boolean("sourceless")?,
            prepend_sys_path,
            // An address that cannot be interpolated fails when env.py reads it, and only then.
            url: options.main_option("sqlalchemy.url").ok().flatten().map(|value| value.text),
            databases: databases.map(|names| database_names(&names.text)).unwrap_or_default(),
        })
    }
}

/// A section of an ini file that describes an environment, for discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IniSection {
    pub(crate) name: String,
    /// The line of its header, from 1.
    pub(crate) line: usize,
    /// Its options, its own and the inherited ones. `%(here)s` is the ini file's folder. Options that cannot be interpolated are
    /// missing.
    pub(crate) options: indexmap::IndexMap<String, String>,
}

/// The sections of an ini file that describe an environment, in the order of the file.
///
/// That is a section with a `script_location` of its own. If only `[DEFAULT]` has one, every section inherits it, `[loggers]`
/// too: then it is a section with an address or revision folders of its own, or else `[alembic]`. The sections that
/// `databases = …` names belong to the section that names them.
pub(crate) fn sections(files: &dyn Files, ini: &Utf8Path) -> Result<Vec<IniSection>, FormatError> {
    let Some(bytes) = files.read(ini)? else { return Ok(Vec::new()) };
    let here = ini.parent().filter(|folder| *folder != "").map_or(".", Utf8Path::as_str);
    let file = IniFile::parse(ini, &bytes, here)?;
    let mut found: Vec<_> = file
        .sections()
        .filter(|(name, _)| describes_environment(&file, name))
        .map(|(name, line)| IniSection {
            name: name.to_owned(),
            line,
            options: interpolated_options(&file, name),
        })
        .collect();
    let named =
        |section: &IniSection| section.options.get("databases").map(|text| database_names(text));
    let parts: Vec<String> = found.iter().filter_map(named).flatten().collect();
    found.retain(|section| {
        file.has_own(&section.name, "script_location") || !parts.contains(&section.name)
    });
    if found.is_empty()
        && file.has_default("script_location")
        && let Some((name, line)) = file.sections().find(|(name, _)| *name == "alembic")
    {
        let options = interpolated_options(&file, name);
        found.push(IniSection { name: name.to_owned(), line, options });
    }
    Ok(found)
}

/// The texts of `[tool.alembic]`, if the `pyproject.toml` has that table. `%(here)s` is its folder.
pub(crate) fn tool_table(
    files: &dyn Files,
    pyproject: &Utf8Path,
) -> Result<Option<indexmap::IndexMap<String, String>>, FormatError> {
    let Some(bytes) = files.read(pyproject)? else { return Ok(None) };
    let here = pyproject.parent().filter(|folder| *folder != "").map_or(".", Utf8Path::as_str);
    Ok(PyProject::parse(pyproject, bytes, here)?.texts())
}

fn describes_environment(file: &IniFile, section: &str) -> bool {
    let own = |option: &str| file.has_own(section, option);
    own("script_location")
        || file.has_default("script_location")
            && (own("sqlalchemy.url") || own("version_locations"))
}

fn interpolated_options(file: &IniFile, section: &str) -> indexmap::IndexMap<String, String> {
    let options = file.options(section).into_iter().filter(|name| *name != "here");
    let value = |name: &str| Some((name.to_owned(), file.get(section, name).ok()??.text));
    options.filter_map(value).collect()
}

/// Cuts `databases` as env.py of the template multidb does: `re.split(r",\s*", …)`.
fn database_names(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn script_location(
    track: &AlembicTrack,
    options: &AlembicOptions<'_>,
) -> Result<OptionText, FormatError> {
    if let Some(text) = &track.script_location {
        return Ok(OptionText { text: text.clone(), place: None });
    }
    if let Some(found) = options.text("script_location")? {
        return Ok(found);
    }
    let sections = options.sections();
    let problem = match &track.ini {
        Some(_) if !sections.contains(&track.section.as_str()) => {
            let names: Vec<_> = sections.iter().map(|name| format!("[{name}]")).collect();
            format!("it has no section [{}]; it has {}", track.section, names.join(", "))
        }
        Some(_) => format!("there is no `script_location` in [{}]", track.section),
        None => "there is no `script_location` in [tool.alembic]".to_owned(),
    };
    Err(FormatError::Directory {
        path: track.ini.clone().or_else(|| track.pyproject.clone()).unwrap_or_else(|| track.folder.clone()),
        problem,
        help: Some("set `script_location` there, or `alembic = { section = … }` to the section that has it".to_owned()),
    })
}

fn version_folders(
    track: &AlembicTrack,
    options: &AlembicOptions<'_>,
    search: &PackageSearch<'_>,
    script_folder: &Utf8Path,
) -> Result<Vec<Utf8PathBuf>, FormatError> {
    if !track.version_locations.is_empty() {
        let folders = track.version_locations.iter();
        return Ok(folders
            .map(|folder| normalized(folder).unwrap_or_else(|| folder.clone()))
            .collect());
    }
    let locations = options.version_locations()?;
    if locations.is_empty() {
        return Ok(vec![script_folder.join("versions")]);
    }
    locations.iter().map(|text| folder_of(text, "version_locations", track, search)).collect()
}

/// Where packages are searched.
struct PackageSearch<'f> {
    files: &'f dyn Files,
    folders: Vec<Utf8PathBuf>,
}

impl PackageSearch<'_> {
    /// The folder of a package: regular packages before namespaces, as in an import.
    fn find(&self, package: &str) -> Result<Option<Utf8PathBuf>, FormatError> {
        let relative = package.replace('.', "/");
        let mut namespace = None;
        for folder in &self.folders {
            let candidate = folder.join(&relative);
            if self.files.read(&candidate.join("__init__.py"))?.is_some() {
                return Ok(Some(candidate));
            }
            if namespace.is_none() && !self.files.list(&candidate)?.is_empty() {
                namespace = Some(candidate);
            }
        }
        Ok(namespace)
    }
}

/// The folders from which the project's packages can be imported. The last two are where projects are that are installed.
pub(super) fn import_folders(track: &AlembicTrack, prepended: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    let folder = normalized(&track.folder).unwrap_or_default();
    let source = folder.join("src");
    let configured = track.python_path.iter().filter_map(|path| normalized(path));
    prepended.iter().cloned().chain(configured).chain([folder, source]).collect()
}

/// The folder that an option names.
fn folder_of(
    option: &OptionText,
    name: &str,
    track: &AlembicTrack,
    search: &PackageSearch<'_>,
) -> Result<Utf8PathBuf, FormatError> {
    let written = option.text.replace(HERE, "%(here)s");
    if !option.text.starts_with('/')
        && let Some((package, rest)) = option.text.split_once(':')
    {
        let Some(folder) = search.find(package)? else {
            let help = format!(
                "add the folder of the package to `python-path`, or set `{name}` in `alembic = {{ … }}` to its folder"
            );
            let problem =
                format!("`{written}`: no folder of the project contains the package `{package}`");
            return Err(option.error(track, problem, &help));
        };
        return Ok(rest.split(':').fold(folder, |folder, part| folder.join(part)));
    }
    locate(&option.text, &track.folder).map_err(|()| {
        let help = format!("set `{name}` in `alembic = {{ … }}` to a folder of the project");
        option.error(track, format!("`{written}` is not inside of the project"), &help)
    })
}

/// A path that Alembic reads in the working folder, relative to the project's root.
fn locate(text: &str, folder: &Utf8Path) -> Result<Utf8PathBuf, ()> {
    let path = match text.strip_prefix(HERE) {
        Some(rest) => Utf8PathBuf::from(rest.trim_start_matches('/')),
        None if text.starts_with('/') => return Err(()),
        None => folder.join(text),
    };
    normalized(&path).ok_or(())
}

/// The path without `.` and `..`; `None` if it leaves the project's root.
fn normalized(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut result = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                if !result.pop() {
                    return None;
                }
            }
            Utf8Component::Normal(name) => result.push(name),
            Utf8Component::RootDir | Utf8Component::Prefix(_) => return None,
        }
    }
    Some(result)
}
