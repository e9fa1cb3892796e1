//! What is worked on: one track in one schema or database.

use std::sync::Arc;

use crate::formats::Ledger;
use crate::model::{TrackKind, UnitName};
use crate::postgres::Keys;

/// One track at one place.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) database: Arc<str>,
    pub(crate) track: TrackKind,
    /// The tenant; the database, for a shared track.
    pub(crate) name: Arc<str>,
    /// The schema or the database.
    pub(crate) target: String,
    /// What its sessions see.
    pub(crate) search_path: Vec<String>,
    pub(crate) ledger: Ledger,
    pub(crate) keys: Keys,
}

impl Target {
    pub(crate) fn unit(&self) -> UnitName {
        UnitName {
            database: Arc::clone(&self.database),
            track: self.track,
            name: Arc::clone(&self.name),
        }
    }
}
