//! Loads a project from disk, with the precedence: flags, environment, file, defaults.

use camino::Utf8Path;
use serde::Deserialize as _;
use serde_json::Value;

use super::discover::discover;
use super::document::Document;
use super::error::{ConfigError, ConfigErrors};
use super::interpolate::VariableLookup;
use super::locate::ProjectLocation;
use super::problem::ConfigProblem;
use super::raw::RawConfig;
use super::schema::json_schema;
use super::settings::{self, Input, Overrides};
use super::structure;
use crate::model::{Files, Project, ProjectOrigin};

/// The input of loading.
pub(crate) struct LoadOptions<'a> {
    pub(crate) location: &'a ProjectLocation,
    /// The files below the location's root.
    pub(crate) files: &'a dyn Files,
    /// For `${VAR}`: [`super::process_environment`], or a test's.
    pub(crate) environment: &'a VariableLookup<'a>,
    /// The codes of all checks.
    pub(crate) check_codes: &'a [&'a str],
    /// Flags, and `MIG_CI_*` variables as read by clap: they override the file.
    pub(crate) overrides: Overrides,
}

impl std::fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions").field("location", self.location).finish_non_exhaustive()
    }
}

/// Reads the project's file, or discovers the project from its folders, and validates it.
///
/// # Errors
/// All problems that are independent of each other. Nothing has been started or written by then.
pub(crate) fn load(options: &LoadOptions<'_>) -> Result<Project, ConfigErrors> {
    let files = options.files;
    let (document, raw, origin) = match &options.location.file {
        Some(path) => {
            let bytes = files
                .read(path)
                .map_err(ConfigProblem::Unreadable)?
                .ok_or_else(|| ConfigProblem::NoSuchConfiguration { path: path.clone() })?;
            let text = String::from_utf8(bytes)
                .map_err(|_| ConfigProblem::NotUtf8 { path: path.clone() })?;
            let schema = json_schema(options.check_codes);
            let (document, raw) = parse(path, &text, &schema)?;
            (document, raw, ProjectOrigin::File(path.clone()))
        }
        None => {
            let raw = discover(files, &options.location.root)?;
            (Document::default(), raw, ProjectOrigin::Discovered)
        }
    };
    settings::validate(
        &raw,
        origin,
        &Input {
            root: &options.location.root,
            document: &document,
            files,
            environment: options.environment,
            overrides: &options.overrides,
        },
    )
}

/// Parses a file's text with the positions of its keys and values.
///
/// # Errors
/// If it is not TOML: the position. If keys or types do not match `schema`: all of them.
fn parse(
    path: &Utf8Path,
    text: &str,
    schema: &Value,
) -> Result<(Document, RawConfig), ConfigErrors> {
    let (document, table) = Document::parse(path, text)?;
    let errors = structure::check(table.get_ref(), schema, &document);
    if !errors.is_empty() {
        return Err(document.errors(errors));
    }
    let raw = RawConfig::deserialize(toml::Deserializer::from(table)).map_err(|error| {
        let problem = ConfigProblem::Shape { message: error.message().to_owned() };
        document.errors(vec![ConfigError { problem, span: error.span() }])
    })?;
    Ok((document, raw))
}
