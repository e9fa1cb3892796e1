//! The state that a run stores in GITHUB_STATE for the step after the job: its progress.

/// The run has started to create resources.
pub(crate) const STARTED: &str = "started";
/// The run has removed all of them; the value is its [`RunProgress`].
pub(crate) const FINISHED: &str = "finished";

/// The progress of a completed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum RunProgress {
    /// Its result was published.
    #[strum(serialize = "true")]
    Shown,
    /// It had a result, and GitHub did not accept all of it.
    NotShown,
    Interrupted,
}

impl RunProgress {
    pub(crate) fn of(is_shown: bool) -> Self {
        if is_shown { Self::Shown } else { Self::NotShown }
    }
}
