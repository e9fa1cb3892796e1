//! A crew's first look at all of its targets: those that have nothing to do are done with that.

use std::time::Duration;

use super::crew::{Crew, LOOK_AGAIN, TRIES};
use super::done::Done;
use super::survey::{self, Stand};
use crate::model::{Failure, FailureKind};
use crate::postgres::Session;

/// What has been seen of them.
pub(super) struct Looked {
    pub(super) done: Vec<Option<Done>>,
    /// Indices of those that have something to do.
    pub(super) waiting: Vec<usize>,
    /// Where those stand.
    pub(super) seen: Vec<Option<Stand>>,
}

impl Crew<'_> {
    /// A connection that breaks is no reason to stop before anything was begun.
    pub(super) async fn patient_survey(&self) -> Result<Looked, Failure> {
        let mut tries = 0;
        loop {
            match self.survey().await {
                Err(failure) if failure.kind == FailureKind::ConnectionLost && tries < TRIES => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    tries += 1;
                }
                surveyed => return surveyed,
            }
        }
    }

    /// Where all of them stand: those that have nothing to do are done.
    async fn survey(&self) -> Result<Looked, Failure> {
        let mut session = Session::open_patiently(&self.claiming).await?;
        let format = self.work.track.chosen.format;
        let mut done: Vec<Option<Done>> = vec![None; self.targets.len()];
        let mut waiting = Vec::new();
        let mut seen = vec![None; self.targets.len()];
        let surveyed = survey::survey(&mut session, format, self.targets, |index, stand| {
            // What the tool refuses may be somebody else's work: it is looked at again with the claim.
            let settled = self.work.settled(&self.targets[index], &stand);
            let is_final = matches!(stand, Stand::Absent | Stand::Unreadable(_));
            done[index] = settled.filter(|done| is_final || !done.is_failed());
            if done[index].is_none() {
                waiting.push(index);
                seen[index] = Some(stand);
            }
        });
        surveyed.await?;
        session.close().await;
        waiting.sort_unstable();
        for (index, done) in done.iter().enumerate() {
            if let Some(done) = done {
                self.announce(index, done, Duration::ZERO);
            }
        }
        Ok(Looked { done, waiting, seen })
    }
}
