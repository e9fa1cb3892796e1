//! The migration settings of `sqlx.toml`. Rules from sqlx 0.9.0, `sqlx-core/src/config/migrate.rs`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Directory, FormatError};
use crate::sql::LineIndex;

/// `[migrate]` of `sqlx.toml`: the settings that affect execution. sqlx also rejects unknown keys.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct SqlxSettings {
    /// Unquoted: sqlx puts them into its SQL unchanged.
    pub(super) create_schemas: BTreeSet<String>,
    /// Unquoted, like `create_schemas`.
    pub(super) table_name: Option<String>,
    #[serde(rename = "migrations-dir")]
    _migrations_dir: Option<String>,
    /// Excluded from checksums.
    pub(super) ignored_chars: BTreeSet<char>,
    pub(super) defaults: Defaults,
}

/// Defaults for new migrations.
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
    /// The same as for the newest migration.
    #[default]
    Inferred,
    Simple,
    Reversible,
}

/// The versions of new migrations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Versioning {
    /// The same as for the existing migrations.
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

/// The settings of the nearest `sqlx.toml`, in the directory or an ancestor; sqlx's defaults if there is none.
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
