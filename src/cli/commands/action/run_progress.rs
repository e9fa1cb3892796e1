//! What a run leaves in GITHUB_STATE for the step after the job: how far it came.

/// A run has begun to make things.
pub(crate) const STARTED: &str = "started";
/// A run has taken all of them away; the value is its [`RunProgress`].
pub(crate) const FINISHED: &str = "finished";

/// How far a run came that has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum RunProgress {
    /// Its result stands where it has to.
    #[strum(serialize = "true")]
    Shown,
    /// It had a result, and GitHub did not take all of it.
    NotShown,
    Interrupted,
}

impl RunProgress {
    pub(crate) fn of(is_shown: bool) -> Self {
        if is_shown { Self::Shown } else { Self::NotShown }
    }
}
