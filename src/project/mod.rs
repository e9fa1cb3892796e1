//! A project and what it is compared with: located, read at both revisions, checked, planned. Needs files and git, and no server.

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
