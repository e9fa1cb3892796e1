//! A lane's turn at a target that its crew has claimed.

use std::time::Instant;

use super::crew::{Crew, LOOK_AGAIN, Shared, TRIES};
use super::done::Done;
use super::lane::Lane;
use super::survey::Stand;
use super::target::Target;
use crate::model::{Event, Failure, FailureKind, Phase};

impl Crew<'_> {
    /// One that is ours.
    pub(super) async fn work_on(&self, shared: &Shared, lane: &mut Lane, index: usize) {
        let target = &self.targets[index];
        let started = Instant::now();
        let unit = target.unit();
        let _ = self.work.events.send(Event::UnitStarted { unit, phase: Phase::Head });
        let seen = shared.seen.lock().await[index].take();
        let done = self.upgrade(lane, target, seen).await;
        self.finish(shared, index, done, started.elapsed()).await;
    }

    /// By what was seen of it, or by another look.
    async fn upgrade(&self, lane: &mut Lane, target: &Target, seen: Option<Stand>) -> Done {
        let opening = |stand: &Stand| self.work.opening(target, stand);
        let seen = seen.filter(|_| lane.goes_at_once());
        if let Some((stand, opening)) = seen.and_then(|stand| opening(&stand).map(|o| (stand, o))) {
            return self.work.upgrade(lane, target, stand, Some(opening)).await;
        }
        match self.stand(lane, target).await {
            Ok(stand) => match self.work.settled(target, &stand) {
                Some(done) => done,
                None => self.work.upgrade(lane, target, stand, None).await,
            },
            Err(failure) => {
                lane.close().await;
                Done::failed(failure)
            }
        }
    }

    /// Where it stands now that it is ours: somebody else may have been there since the first look.
    async fn stand(&self, lane: &mut Lane, target: &Target) -> Result<Stand, Failure> {
        let query = self.work.track.chosen.format.ledger_rows(&target.ledger);
        let mut tries = 0;
        loop {
            let looked = async {
                lane.arrive(target).await?;
                lane.ledger(target, &query).await
            };
            match looked.await {
                Ok(rows) => return Ok(rows.map_or(Stand::New, |rows| Stand::Rows(rows.into()))),
                Err(failure) if failure.kind == FailureKind::ConnectionLost && tries < TRIES => {
                    lane.close().await;
                    tokio::time::sleep(LOOK_AGAIN).await;
                    tries += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}
