//! Which way, and how far, as people ask for it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::formats::DownTo;
use crate::model::{Migration, TrackKind};
use crate::report::upgrade as report;

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) enum Direction {
    Up(TargetVersion),
    Down(DownTo),
    /// What a run before has applied is undone, and nothing else.
    RollbackRun(Arc<AppliedRun>),
}

/// What a run has applied, by its units.
#[derive(Debug, Default)]
pub(crate) struct AppliedRun {
    pub(crate) versions: HashMap<(TrackKind, String), AppliedVersions>,
}

/// What a run has applied to one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppliedVersions {
    /// In their order.
    pub(crate) versions: Vec<String>,
    /// How many rows the ledger had before.
    pub(crate) rows_before: Option<usize>,
}

impl Direction {
    /// As the report names it.
    pub(crate) fn reported(&self) -> report::Direction {
        match self {
            Self::Up(_) => report::Direction::Up,
            Self::Down(_) | Self::RollbackRun(_) => report::Direction::Down,
        }
    }

    /// Whether the shared track has a part in it: tenants need it at its head, and none of them alone says that it is to go
    /// down.
    pub(crate) fn is_about_shared(&self, with_tenants: bool) -> bool {
        match self {
            Self::Up(_) => true,
            Self::Down(_) => !with_tenants,
            Self::RollbackRun(applied) => {
                applied.versions.keys().any(|(track, _)| *track == TrackKind::Shared)
            }
        }
    }

    /// Whether tenants go first: they stand on the shared track.
    pub(crate) fn begins_with_tenants(&self) -> bool {
        matches!(self, Self::RollbackRun(_))
    }

    /// As it was asked for, where that can be asked for again.
    pub(crate) fn asked(&self) -> Option<String> {
        match self {
            Self::Up(TargetVersion::Head) => Some(String::new()),
            Self::Up(TargetVersion::Version(version)) | Self::Down(DownTo::Version(version)) => {
                Some(version.clone())
            }
            Self::Down(DownTo::Base) => Some("base".to_owned()),
            Self::Down(DownTo::Steps(steps)) => Some(format!("-{steps}")),
            Self::RollbackRun(_) => None,
        }
    }

    /// What is done to the databases, for whoever is asked for a yes.
    pub(crate) fn verb(&self) -> &'static str {
        match self.reported() {
            report::Direction::Up => "upgrade",
            report::Direction::Down => "downgrade",
        }
    }
}

/// How far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum TargetVersion {
    /// All migrations.
    #[default]
    Head,
    /// This one and all before it.
    Version(String),
}

impl TargetVersion {
    /// How many of the migrations that is.
    pub(crate) fn limit(&self, migrations: &[Migration]) -> Option<usize> {
        match self {
            Self::Head => Some(migrations.len()),
            Self::Version(version) => {
                let is_it = |migration: &Migration| same(&migration.version, version);
                migrations.iter().rposition(is_it).map(|index| index + 1)
            }
        }
    }
}

/// `1` is `0001`, for whoever types it.
pub(crate) fn same(version: &str, typed: &str) -> bool {
    let digits = |text: &str| text.trim_start_matches('0').to_owned();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version == typed || is_number(version) && is_number(typed) && digits(version) == digits(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_that_people_type() {
        assert!(same("0001", "1") && same("1", "0001") && same("a", "a"));
        assert!(!same("0010", "1") && !same("a1", "1") && !same("0", ""));
    }
}
