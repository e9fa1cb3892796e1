//! `sqlx.toml`: what it says about migrations. Rules from sqlx 0.9.0, `sqlx-core/src/config/migrate.rs`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Directory, FormatError};
use crate::sql::LineIndex;

/// `[migrate]` of `sqlx.toml`, as far as it changes what is done. Unknown keys are errors to sqlx as well.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct SqlxSettings {
    /// As they stand in the file: sqlx puts them into its SQL as they are.
    pub(super) create_schemas: BTreeSet<String>,
    /// The same.
    pub(super) table_name: Option<String>,
    #[serde(rename = "migrations-dir")]
    _migrations_dir: Option<String>,
    /// Left out of checksums.
    pub(super) ignored_chars: BTreeSet<char>,
    pub(super) defaults: Defaults,
}

/// How new migrations are made.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Defaults {
    pub(super) migration_type: MigrationType,
    pub(super) migration_versioning: Versioning,
}

/// One file or two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MigrationType {
    /// As the newest.
    #[default]
    Inferred,
    Simple,
    Reversible,
}

/// What the versions of new migrations are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Versioning {
    /// As those that are there.
    #[default]
    Inferred,
    Timestamp,
    Sequential,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SqlxToml {
    migrate: SqlxSettings,
}

/// The settings in the nearest `sqlx.toml`, in the directory or above it; without one, sqlx's defaults.
pub(super) fn settings(directory: &Directory<'_>) -> Result<SqlxSettings, FormatError> {
    let Some((path, text)) = directory.beside("sqlx.toml")? else {
        return Ok(SqlxSettings::default());
    };
    toml::from_str::<SqlxToml>(&text).map(|file| file.migrate).map_err(|error| FormatError::File {
        path,
        line: error.span().map(|span| LineIndex::new(&text).line_column(span.start).0),
        problem: error.message().to_owned(),
        help: None,
    })
}
