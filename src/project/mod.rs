//! Loads a project and its base: locates it, reads both revisions, checks and plans it. Needs files and git, but no server.

mod base;
mod base_paths;
mod changed_samples;
mod error;
mod load;
mod scope;

pub(crate) use base::BaseProject;
pub(crate) use changed_samples::{is_unchanged, sample_pairs};
pub(crate) use error::ProjectError;
pub(crate) use load::{Loaded, discover, load, load_project};
pub(crate) use scope::Scope;
