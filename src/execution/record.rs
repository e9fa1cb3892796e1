//! Records of executed steps.

use super::Execution;
use crate::model::{StepOutcome, StepRecord};

impl Execution {
    /// Turns records of steps that were not run into records of applied steps. The duration is divided evenly, and the first
    /// record gets all notices, because the server does not attribute them to a step.
    pub(crate) fn applied(
        &mut self,
        steps: impl ExactSizeIterator<Item = StepRecord>,
    ) -> Vec<StepRecord> {
        let number = u32::try_from(steps.len().max(1)).unwrap_or(u32::MAX);
        let duration = self.duration / number;
        let record = |step| {
            let notices = std::mem::take(&mut self.notices);
            StepRecord { outcome: StepOutcome::Applied, duration, notices, ..step }
        };
        steps.map(record).collect()
    }
}
