//! Targets between two attempts. Other targets are processed first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::upgrade::track::attempt::PendingRetry;

/// Targets that wait for a retry. They are processed once no other target waits.
#[derive(Debug, Default)]
pub(crate) struct RetryQueue {
    waiting: BTreeSet<(Instant, usize)>,
    states: BTreeMap<usize, Box<PendingRetry>>,
}

impl RetryQueue {
    pub(crate) fn push(&mut self, index: usize, retry: Box<PendingRetry>) {
        self.waiting.insert((retry.due, index));
        self.states.insert(index, retry);
    }

    /// The targets whose retry is due, the earliest first. Their progress stays here until it is taken.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first()
            && first.0 <= now
        {
            due.extend(self.waiting.pop_first().map(|(_, index)| index));
        }
        due
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// The progress of a target after previous attempts.
    pub(crate) fn take(&mut self, index: usize) -> Option<Box<PendingRetry>> {
        self.states.remove(&index)
    }

    /// All waiting targets. Their progress stays here until it is taken.
    pub(crate) fn drain(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, index)| index).collect()
    }
}
