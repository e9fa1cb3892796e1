//! The records of steps that were executed.

use super::Execution;
use crate::model::{StepOutcome, StepRecord};

impl Execution {
    /// The records of steps that were applied, from records of the same steps that say that they were not run. The time is
    /// divided evenly, and what the server said is the first one's: the server does not tell one from another.
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
