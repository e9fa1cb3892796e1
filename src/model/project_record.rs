//! What is known of the project as a whole, beside its units.

use camino::Utf8PathBuf;

use super::{CheckSettings, CoveragePart, CoverageReduction, TrackKind};

/// A file in a folder of migrations or samples that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadFile {
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    pub(crate) path: Utf8PathBuf,
    /// Reads after the path.
    pub(crate) reason: &'static str,
    /// The base reads it.
    pub(crate) is_read_by_base: bool,
}

/// What is known of the project as a whole, beside its units.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProjectRecord {
    pub(crate) reductions: Vec<CoverageReduction>,
    /// Acknowledgements of what is not reduced.
    pub(crate) stale: Vec<CoveragePart>,
    /// Why what the base checks is not known, where there is a base.
    pub(crate) not_compared: Option<String>,
    /// The base's settings: they weigh what the head cannot weigh itself.
    pub(crate) base_checks: Option<CheckSettings>,
    pub(crate) unread: Vec<UnreadFile>,
}
