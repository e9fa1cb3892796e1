//! The outcomes of targets, in their order.

use crate::upgrade::track::progress::TargetOutcome;

/// The outcomes of some targets. Some may be missing.
#[derive(Debug)]
pub(crate) struct Outcomes(Vec<Option<TargetOutcome>>);

impl From<Vec<Option<TargetOutcome>>> for Outcomes {
    fn from(outcomes: Vec<Option<TargetOutcome>>) -> Self {
        Self(outcomes)
    }
}

impl Outcomes {
    pub(crate) fn new(targets: usize) -> Self {
        Self(vec![None; targets])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn set(&mut self, index: usize, outcome: TargetOutcome) {
        self.0[index] = Some(outcome);
    }

    /// The indices of targets that have no outcome.
    pub(crate) fn missing(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, outcome)| outcome.is_none()).map(|(index, _)| index)
    }

    /// The outcomes of all targets. Those without one were not run, for this reason.
    pub(crate) fn finish(self, reason: &str) -> Vec<TargetOutcome> {
        let outcomes = self.0.into_iter();
        outcomes.map(|outcome| outcome.unwrap_or_else(|| TargetOutcome::not_run(reason))).collect()
    }
}
