//! The format of [Alembic](https://alembic.sqlalchemy.org) projects, read without running Python. Rules from alembic 1.20.1;
//! where 1.8.0 differs, the file says so.

mod bindings;
mod difference;
mod directory;
mod env_reads;
mod environment;
mod execution;
mod graph;
mod ini;
mod ledger;
mod options;
mod placeholder;
mod pyproject;
mod python;
mod revision_file;
mod settings_class;

pub(crate) use difference::first_python_difference;
pub(crate) use env_reads::{EnvironmentReads, NamedRead};
pub(crate) use environment::{AlembicEnvironment, IniSection, sections, tool_table};
pub(crate) use graph::RevisionGraph;
pub(crate) use placeholder::{suggest_argument, suggest_value};

#[cfg(test)]
mod differential_tests;
#[cfg(test)]
mod tests;

/// The format of Alembic projects.
#[derive(Debug)]
pub(crate) struct Alembic;
