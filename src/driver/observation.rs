//! What was observed of one run, from its events.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::changing::may_change;
use super::protocol::{
    ConfiguredEvent, DriverEvent, EndEvent, ErrorEvent, OpenTransaction, RefusedEvent, SourcePlace,
    StatementEvent,
};
use super::supervisor::RunEvents;

/// The number of failed statements of a step that are kept.
const KEPT_FAILURES: usize = 20;
/// The number of refused connections that are kept.
const KEPT_REFUSALS: usize = 5;
/// The number of bytes of output that are kept of a run.
const KEPT_OUTPUT: usize = 64 * 1024;

/// One run of Alembic on one target, from its start to its end.
#[derive(Debug, Default)]
pub(crate) struct ProgramObservation {
    /// The isolation that was used, and why it is not the requested one.
    pub(crate) level: Option<(String, Option<String>)>,
    /// The number of connections to the server of the run.
    pub(crate) connections: usize,
    pub(crate) refused: Vec<RefusedEvent>,
    /// One for each `context.configure` that ran migrations.
    pub(crate) configured: Vec<ConfiguredEvent>,
    /// The number of plans: one for each command, or more.
    pub(crate) plans: usize,
    /// The revisions that Alembic planned to run.
    pub(crate) planned: Vec<String>,
    pub(crate) steps: Vec<ObservedStep>,
    /// What happened outside of revisions.
    pub(crate) outside: StatementCounts,
    /// The end of what the project printed, without the output of revisions.
    pub(crate) output: String,
    pub(crate) end: Option<EndEvent>,
    /// The exit code or the signal of the process.
    pub(crate) exit: Option<ProcessExit>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessExit {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Why it ended, if the code does not say.
    pub(crate) reason: Option<String>,
}

/// One revision that Alembic began.
#[derive(Debug)]
pub(crate) struct ObservedStep {
    pub(crate) revision: String,
    /// Its file; absolute.
    path: Option<String>,
    /// `None` if Alembic did not finish it.
    pub(crate) duration: Option<Duration>,
    pub(crate) counts: StatementCounts,
    pub(crate) notices: Vec<ObservedNotice>,
    pub(crate) output: String,
}

#[derive(Debug)]
pub(crate) struct ObservedNotice {
    pub(crate) severity: String,
    pub(crate) message: String,
}

/// Statements by their results.
#[derive(Debug, Default)]
pub(crate) struct StatementCounts {
    pub(crate) executed: u64,
    /// Statements of the revision that succeeded and may have changed something.
    pub(crate) changing: u64,
    pub(crate) failed: Vec<FailedStatement>,
    /// A hash of all statements, independent of their order: indexes of a table are created in varying order.
    pub(crate) digest: u64,
    /// Executions that SQLAlchemy did not make.
    pub(crate) unobserved: u64,
    pub(crate) unobserved_at: Option<SourcePlace>,
}

#[derive(Debug, Clone)]
pub(crate) struct FailedStatement {
    pub(crate) sql: String,
    pub(crate) place: Option<SourcePlace>,
    pub(crate) error: ErrorEvent,
}

impl ProgramObservation {
    /// Reads all events of a run. `step_began` is called with each revision.
    pub(crate) async fn of(mut events: RunEvents, mut step_began: impl FnMut(&str)) -> Self {
        let mut observation = Self::default();
        while let Some(event) = events.next().await {
            if let DriverEvent::StepBegin { revision, .. } = &event {
                step_began(revision);
            }
            observation.add(event);
        }
        observation
    }

    fn add(&mut self, event: DriverEvent) {
        match event {
            DriverEvent::Level { level, reason } => self.level = Some((level, reason)),
            DriverEvent::Connection {} => self.connections += 1,
            DriverEvent::Refused(refused) if self.refused.len() < KEPT_REFUSALS => {
                self.refused.push(refused);
            }
            DriverEvent::Configured(configured) => self.configured.push(configured),
            DriverEvent::Plan { revisions } => {
                self.plans += 1;
                self.planned.extend(revisions);
            }
            DriverEvent::StepBegin { revision, path } => self.steps.push(ObservedStep {
                revision,
                path,
                duration: None,
                counts: StatementCounts::default(),
                notices: Vec::new(),
                output: String::new(),
            }),
            DriverEvent::StepEnd { revision, duration_ms } => {
                if let Some(step) = self.step(Some(&revision)) {
                    step.duration = Some(Duration::from_secs_f64(duration_ms.max(0.0) / 1000.0));
                }
            }
            DriverEvent::Transaction { action, revision } if action == "rollback" => {
                // What the revision has changed so far is lost, although Alembic may go on to write its ledger.
                if let Some(step) = self.step(revision.as_deref()) {
                    step.counts.changing = 0;
                }
            }
            DriverEvent::Statement(statement) => self.add_statement(*statement),
            DriverEvent::Unobserved { revision, count, place } => {
                let counts = self.counts(revision.as_deref());
                counts.unobserved += count;
                counts.unobserved_at = counts.unobserved_at.take().or(place);
            }
            DriverEvent::Notice { revision, severity, message } => {
                if let Some(step) = self.step(revision.as_deref()) {
                    step.notices.push(ObservedNotice { severity, message });
                }
            }
            DriverEvent::Output { revision, text } => {
                let kept = match self.step(revision.as_deref()) {
                    Some(step) => &mut step.output,
                    None => &mut self.output,
                };
                keep_end(kept, &text);
            }
            DriverEvent::End(end) => self.end = Some(end),
            DriverEvent::Exit { code, signal, reason } => {
                self.exit = Some(ProcessExit { code, signal, reason });
            }
            DriverEvent::Refused(_)
            | DriverEvent::Transaction { .. }
            | DriverEvent::Ready { .. }
            | DriverEvent::Fatal { .. }
            | DriverEvent::Other => {}
        }
    }

    fn add_statement(&mut self, statement: StatementEvent) {
        let step = self.step(statement.revision.as_deref());
        let path = step.and_then(|step| step.path.clone());
        // Alembic's own statements, such as those on its ledger, do not come from the file of a revision.
        let is_own =
            path.is_some() && statement.place.as_ref().map(|place| &place.file) == path.as_ref();
        self.counts(statement.revision.as_deref()).add(statement, is_own);
    }

    /// The last step of this revision; `None` for what happened outside of revisions.
    fn step(&mut self, revision: Option<&str>) -> Option<&mut ObservedStep> {
        let revision = revision?;
        self.steps.iter_mut().rev().find(|step| step.revision == revision)
    }

    fn counts(&mut self, revision: Option<&str>) -> &mut StatementCounts {
        let index = revision
            .and_then(|revision| self.steps.iter().rposition(|step| step.revision == revision));
        match index {
            Some(index) => &mut self.steps[index].counts,
            None => &mut self.outside,
        }
    }

    /// Transactions that were never committed.
    pub(crate) fn open_transactions(&self) -> &[OpenTransaction] {
        self.end.as_ref().map_or(&[], |end| &end.open_transactions)
    }

    /// The error that ended it.
    pub(crate) fn error(&self) -> Option<&ErrorEvent> {
        self.end.as_ref().and_then(|end| end.error.as_ref())
    }

    /// The last failure of a revision that env.py caught.
    pub(crate) fn unfinished(&self) -> Option<&ErrorEvent> {
        self.end.as_ref().and_then(|end| end.unfinished.last())
    }

    /// The last statement that failed in a revision that was nevertheless finished.
    pub(crate) fn last_swallowed(&self) -> Option<(&ObservedStep, &FailedStatement)> {
        let finished = self.steps.iter().rev().filter(|step| step.duration.is_some());
        finished.filter_map(|step| Some((step, step.counts.failed.last()?))).next()
    }
}

impl StatementCounts {
    fn add(&mut self, statement: StatementEvent, is_own: bool) {
        self.executed += 1;
        let mut hasher = DefaultHasher::new();
        (&statement.sql, statement.ok).hash(&mut hasher);
        self.digest = self.digest.wrapping_add(hasher.finish());
        if statement.ok {
            self.changing += u64::from(is_own && may_change(&statement.sql));
        } else if self.failed.len() < KEPT_FAILURES {
            let error = statement.error.unwrap_or_default();
            self.failed.push(FailedStatement { sql: statement.sql, place: statement.place, error });
        }
    }
}

fn keep_end(kept: &mut String, text: &str) {
    kept.push_str(text);
    if kept.len() > KEPT_OUTPUT {
        let surplus = kept.len() - KEPT_OUTPUT;
        let cut = (surplus..kept.len()).find(|at| kept.is_char_boundary(*at));
        kept.drain(..cut.unwrap_or(surplus));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_kept() {
        let mut kept = String::new();
        for _ in 0..3 {
            keep_end(&mut kept, &"é".repeat(KEPT_OUTPUT / 3));
        }
        keep_end(&mut kept, "end");
        assert!(kept.len() <= KEPT_OUTPUT && kept.ends_with("éend"));
    }
}
