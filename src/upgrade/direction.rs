//! The direction of a run and its target version.

use std::collections::HashMap;
use std::sync::Arc;

use crate::formats::DownTo;
use crate::model::{Migration, TrackKind};
use crate::report::upgrade as report;

#[derive(Debug, Clone)]
pub(crate) enum Direction {
    Up(TargetVersion),
    Down(DownTo),
    /// Reverts what a previous run applied, and nothing else.
    RollbackRun(Arc<AppliedRun>),
}

/// What a run applied, by unit.
#[derive(Debug, Default)]
pub(crate) struct AppliedRun {
    pub(crate) versions: HashMap<(TrackKind, String), AppliedVersions>,
}

/// What a run has applied to one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppliedVersions {
    /// In the order of their application.
    pub(crate) versions: Vec<String>,
    /// The number of ledger rows before the run.
    pub(crate) rows_before: Option<usize>,
}

impl Direction {
    /// The direction in the report's terms.
    pub(crate) fn reported(&self) -> report::Direction {
        match self {
            Self::Up(_) => report::Direction::Up,
            Self::Down(_) | Self::RollbackRun(_) => report::Direction::Down,
        }
    }

    /// Whether the run includes the shared track. Tenants need it at its head for an upgrade; a downgrade of tenants does
    /// not include it.
    pub(crate) fn includes_shared_track(&self, with_tenants: bool) -> bool {
        match self {
            Self::Up(_) => true,
            Self::Down(_) => !with_tenants,
            Self::RollbackRun(applied) => {
                applied.versions.keys().any(|(track, _)| *track == TrackKind::Shared)
            }
        }
    }

    /// Whether tenants are processed first, because they depend on the shared track.
    pub(crate) fn tenants_first(&self) -> bool {
        matches!(self, Self::RollbackRun(_))
    }

    /// The requested version as a command-line argument, if there is one.
    pub(crate) fn requested_version(&self) -> Option<String> {
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

    /// What `alembic` would be called with for the same purpose.
    pub(crate) fn alembic_command(&self) -> String {
        let version = self.requested_version().filter(|version| !version.is_empty());
        match self.reported() {
            report::Direction::Up => format!("upgrade {}", version.as_deref().unwrap_or("head")),
            report::Direction::Down => format!("downgrade {}", version.as_deref().unwrap_or("-1")),
        }
    }

    /// The verb for the confirmation prompt.
    pub(crate) fn verb(&self) -> &'static str {
        match self.reported() {
            report::Direction::Up => "upgrade",
            report::Direction::Down => "downgrade",
        }
    }
}

/// How far to upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum TargetVersion {
    /// All migrations.
    #[default]
    Head,
    /// This one and all before it.
    Version(String),
}

impl TargetVersion {
    /// The number of migrations up to this version. `None` if no migration has it.
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

/// Compares a version with one that a user typed: `1` equals `0001`.
pub(crate) fn same(version: &str, typed: &str) -> bool {
    let digits = |text: &str| text.trim_start_matches('0').to_owned();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version == typed || is_number(version) && is_number(typed) && digits(version) == digits(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_versions_match_without_leading_zeros() {
        assert!(same("0001", "1") && same("1", "0001") && same("a", "a"));
        assert!(!same("0010", "1") && !same("a1", "1") && !same("0", ""));
    }
}
