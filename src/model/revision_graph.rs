//! Facts about the graph of revisions of a track, in formats that have one.

use camino::Utf8PathBuf;

use super::TrackKind;

/// The graph of a track's revisions in the head, compared with that of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevisionGraphRecord {
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    pub(crate) problems: Vec<GraphProblem>,
    /// The revisions that are no other's parent.
    pub(crate) heads: Vec<GraphHead>,
    /// The number of heads in the base; 0 if there is no base.
    pub(crate) base_heads: usize,
    pub(crate) targets: GraphTargets,
    pub(crate) not_on_base: Vec<NotOnBase>,
}

/// What the track is upgraded to, as far as it matters for the number of heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GraphTargets {
    /// `head`: the tool refuses it if there are several.
    Head,
    /// `heads`: all of them.
    Heads,
    /// Heads of labelled branches, or certain revisions: several heads are intended.
    Named,
}

/// A head, and where its file states its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphHead {
    pub(crate) version: String,
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// The base does not have it.
    pub(crate) is_pending: bool,
}

/// A pending revision whose parent the base has, and is not a head there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotOnBase {
    pub(crate) revision: GraphHead,
    pub(crate) parent: String,
    /// The heads of the base.
    pub(crate) base_heads: Vec<String>,
}

/// A problem of the graph, with the place of the variable that causes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphProblem {
    pub(crate) kind: GraphProblemKind,
    pub(crate) revision: String,
    pub(crate) message: String,
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GraphProblemKind {
    /// A parent or a dependency is a revision that no file has.
    Missing,
    Cycle,
    /// Two files have the same revision.
    Duplicate,
    /// Two revisions have the same branch label.
    Label,
}

impl GraphProblemKind {
    /// Whether the tool refuses to work with the files.
    pub(crate) fn is_refused(self) -> bool {
        self != Self::Duplicate
    }
}
