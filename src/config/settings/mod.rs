//! Validates a raw configuration: defaults, variables, and every check that needs no server.

mod alembic;
mod checks;
mod context;
mod coverage;
mod databases;
mod folder;
mod format;
mod limits;
mod paths;
mod postgres;
mod samples;
mod search_path;
mod tenants;
#[cfg(test)]
mod tests;

use camino::Utf8Path;

pub(crate) use context::{Connect, Overrides};
pub(crate) use limits::{FileLimits, is_credential};

use super::document::Document;
use super::error::ConfigErrors;
use super::interpolate::VariableLookup;
use super::key::ConfigKey;
use super::raw::RawConfig;
use crate::model::{Files, Project, ProjectOrigin};
use context::ValidationContext;

/// The input of the validation, in addition to the configuration itself.
pub(crate) struct Input<'a> {
    pub(crate) root: &'a Utf8Path,
    pub(crate) document: &'a Document,
    pub(crate) files: &'a dyn Files,
    pub(crate) environment: &'a VariableLookup<'a>,
    pub(crate) overrides: &'a Overrides,
}

/// Validates a configuration, and converts it to a project.
///
/// # Errors
/// All independent problems, in the order of the file.
pub(crate) fn validate(
    raw: &RawConfig,
    origin: ProjectOrigin,
    input: &Input<'_>,
) -> Result<Project, ConfigErrors> {
    let mut cx = ValidationContext::new(input);
    let top = ConfigKey::root();
    let prepare = top.child("prepare").child("server");
    let project = Project {
        root: input.root.to_owned(),
        origin,
        postgres: postgres::settings(&mut cx, &raw.postgres),
        prepare: paths::files(&mut cx, &prepare, raw.prepare.server.as_ref()),
        databases: databases::databases(&mut cx, &raw.databases),
        checks: checks::settings(&mut cx, &raw.checks),
        removed: coverage::acknowledgements(&mut cx, &raw.coverage),
    };
    let errors = cx.into_errors();
    if errors.is_empty() { Ok(project) } else { Err(input.document.errors(errors)) }
}
