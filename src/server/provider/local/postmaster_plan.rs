//! What a local server is made of.

use std::path::PathBuf;

use super::cluster_folder::{Account, ClusterFolder};

/// What to make.
#[derive(Debug)]
pub(crate) struct PostmasterPlan {
    /// With `initdb` and `postgres`.
    pub(crate) folder: PathBuf,
    pub(crate) place: ClusterFolder,
    pub(crate) account: Option<Account>,
    /// Server settings, each as `-c name=value`.
    pub(crate) settings: Vec<(&'static str, String)>,
}
