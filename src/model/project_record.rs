//! Evidence about the project as a whole, apart from its units.

use camino::Utf8PathBuf;

use super::{
    CheckSettings, CoveragePart, CoverageReduction, RevisionGraphRecord, SwallowedFailure,
    TrackKind,
};

/// A file in a folder of migrations or samples that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadFile {
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    pub(crate) path: Utf8PathBuf,
    /// Displayed after the path.
    pub(crate) reason: &'static str,
    /// Whether the base reads it.
    pub(crate) is_read_by_base: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ProjectRecord {
    pub(crate) reductions: Vec<CoverageReduction>,
    /// Acknowledgements without a matching reduction.
    pub(crate) stale: Vec<CoveragePart>,
    /// Why the base's checks are unknown, if there is a base.
    pub(crate) not_compared: Option<String>,
    /// The base's settings: they set the severity of findings that the head must not weaken.
    pub(crate) base_checks: Option<CheckSettings>,
    pub(crate) unread: Vec<UnreadFile>,
    pub(crate) without_effect: Vec<WithoutEffect>,
    /// The graphs of revisions, of tracks that have one.
    pub(crate) graphs: Vec<RevisionGraphRecord>,
}

/// A pending migration that was applied, and that changed nothing in any unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WithoutEffect {
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    pub(crate) version: String,
    pub(crate) path: Utf8PathBuf,
    /// The last error that it caught in a unit.
    pub(crate) swallowed: Option<SwallowedFailure>,
}
