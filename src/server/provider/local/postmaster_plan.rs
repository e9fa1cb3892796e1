//! The specification of a local server.

use std::path::PathBuf;

use super::cluster_folder::{Account, ClusterFolder};

/// The specification of a cluster.
#[derive(Debug)]
pub(crate) struct PostmasterPlan {
    /// The folder with `initdb` and `postgres`.
    pub(crate) folder: PathBuf,
    pub(crate) cluster: ClusterFolder,
    pub(crate) account: Option<Account>,
    /// Server settings, each as `-c name=value`.
    pub(crate) settings: Vec<(&'static str, String)>,
}
