//! A lane's turn at a target that its crew has claimed.

use std::time::Instant;

use super::apart::INTERRUPTED;
use super::crew::{Crew, Shared};
use super::retry::{Ended, Retry};
use crate::model::{Event, Failure, FailureKind, Phase};
use crate::upgrade::preflight::survey::Stand;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::session::lane::Lane;

impl Crew<'_> {
    /// One that is ours. It has come to an end then, or is to be tried again once others have had their turn.
    pub(crate) async fn work_on(&self, shared: &Shared, lane: &mut Lane, index: usize) {
        let target = &self.targets[index];
        let started = Instant::now();
        let unit = target.unit();
        let _ = self.work.events.send(Event::UnitStarted { unit, phase: Phase::Head });
        let seen = shared.seen.lock().await[index].take();
        let retry = self.tried_before(shared, index).await;
        match self.upgrade(lane, target, seen, retry).await {
            Ended::Done(done) => self.finish(shared, index, done, started.elapsed()).await,
            Ended::Retry(retry) => {
                // Whoever tries it again, another run included, asks for its lock.
                lane.leave().await;
                shared.retries.lock().await.push(index, retry);
            }
        }
    }

    /// By what was seen of it, or by another look.
    async fn upgrade(
        &self,
        lane: &mut Lane,
        target: &Target,
        seen: Option<Stand>,
        retry: Option<Box<Retry>>,
    ) -> Ended {
        let opening = |stand: &Stand| self.work.opening(target, stand);
        lane.keep_apart(self.work.may_leave_something(target, seen.as_ref())).await;
        let seen = seen.filter(|_| retry.is_none());
        if let Some((stand, opening)) = seen.and_then(|stand| opening(&stand).map(|o| (stand, o))) {
            return self.work.upgrade(lane, target, stand, Some(opening), None).await;
        }
        match self.stand(lane, target).await {
            Ok(stand) if retry.is_none() => match self.work.settled(target, &stand) {
                Some(done) => Ended::Done(done),
                None => self.work.upgrade(lane, target, stand, None, None).await,
            },
            Ok(stand) => self.work.upgrade(lane, target, stand, None, retry).await,
            Err(failure) => {
                let is_interrupted = lane.take_interruption()
                    || (failure.kind == FailureKind::ServerLost
                        && self.interruption.requested.is_cancelled());
                lane.close().await;
                Ended::Done(match is_interrupted {
                    true => self.work.not_run(retry, INTERRUPTED),
                    false => self.work.failed(retry, failure),
                })
            }
        }
    }

    /// Where it stands now that it is ours: somebody else may have been there since the first look.
    async fn stand(&self, lane: &mut Lane, target: &Target) -> Result<Stand, Failure> {
        let rows = self.work.look(lane, target).await?;
        Ok(rows.map_or(Stand::New, |rows| Stand::Rows(rows.into())))
    }
}
