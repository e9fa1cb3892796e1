//! From `mig-ci.toml`, or from a repository's folders, to a validated [`Project`](crate::model::Project).
//!
//! ```text
//! locate ─▶ document ─▶ structure ─▶ raw ─▶ settings ─▶ model::Project
//!  where     text and    keys and   as      checked and
//!  it is     places      types      written complete
//! discover ────────────────────────▶ raw ─▶ settings ─▶ model::Project
//! ```
//!
//! To add a key: a field with a doc comment in `raw.rs`, its meaning in `settings/`, a line in `mig-ci.example.toml`.

mod alembic_problem;
mod choice_schema;
mod discover;
mod document;
mod environment;
mod error;
mod glob;
mod help;
mod init;
mod init_alembic;
mod init_table;
mod interpolate;
mod key;
mod load;
mod locate;
mod mask;
mod nearest;
mod one_or_many;
mod problem;
mod raw;
mod raw_alembic;
mod raw_coverage;
mod schema;
mod settings;
mod structure;
#[cfg(test)]
mod testing;

pub(crate) use discover::alembic_files;
pub(crate) use environment::{hand_over, process_environment, whole_environment};
pub(crate) use error::ConfigErrors;
pub(crate) use init::render;
pub(crate) use init_alembic::sentence as undeclared_sentence;
pub(crate) use load::{LoadOptions, load};
pub(crate) use locate::{FILE_NAME, ProjectLocation, locate};
pub(crate) use schema::json_schema_text;
pub(crate) use settings::{Connect, FileLimits, Overrides, is_credential};

/// The commented reference of all keys with their defaults; also the body of `docs/configuration.md`.
#[cfg(test)]
pub(crate) const EXAMPLE: &str = include_str!("mig-ci.example.toml");
