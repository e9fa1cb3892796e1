//! The way from a place on disk to a project, and the precedence: flags, environment, file, defaults.

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

/// What loading needs of the world.
pub(crate) struct LoadOptions<'a> {
    pub(crate) location: &'a ProjectLocation,
    /// The files below the location's root.
    pub(crate) files: &'a dyn Files,
    /// For `${VAR}`: [`super::process_environment`], or a test's.
    pub(crate) environment: &'a VariableLookup<'a>,
    /// The codes of all checks.
    pub(crate) check_codes: &'a [&'a str],
    /// Flags, and `MIG_CI_*` variables as clap reads them: they win over the file.
    pub(crate) overrides: Overrides,
}

impl std::fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions").field("location", self.location).finish_non_exhaustive()
    }
}

/// Reads the project's file, or understands its folders where it has none, and checks all of it.
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

/// Reads a file's text: what it says, and where it says it.
///
/// # Errors
/// If it is no TOML: where. If keys or types are not those of `schema`: all of them.
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
