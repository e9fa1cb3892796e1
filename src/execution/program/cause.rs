//! Why a program that ended successfully did not apply its migrations.

use super::ProgramRun;
use crate::driver::{FailedStatement, SourcePlace};
use crate::formats::Ledger;
use crate::model::{Failure, FailureKind, ProgramCause};

impl ProgramRun<'_> {
    /// The failure of a program that reported success.
    pub(super) fn silent_failure(&self) -> Option<Failure> {
        if self.observation.connections == 0 {
            return Some(program(
                ProgramCause::NoConnection,
                "the migrations ended successfully without a connection to the server of this run, so nothing was \
                 verified",
            ));
        }
        let first = self.missing().next()?;
        if let Some(error) = self.observation.unfinished() {
            return Some(caught(self.of_error(error, None)));
        }
        if let Some(failed) = self.uncaught_statement() {
            let failure = self.of_error(&failed.error, failed.place.as_ref());
            let statement = failure.statement.or_else(|| Some(failed.sql.clone()));
            return Some(caught(Failure { statement, ..failure }));
        }
        if let Some(failure) = self.not_committed().or_else(|| self.elsewhere()) {
            return Some(failure);
        }
        let ledger = self.target.ledger.qualified();
        let message = format!(
            "the migrations ended successfully, and the ledger {ledger} does not show {}",
            first.version
        );
        let detail = self.observation.last_swallowed().map(|(step, failed)| {
            format!(
                "the last error that a migration caught is in {}: {}",
                step.revision, failed.error.message
            )
        });
        Some(Failure { detail, ..program(ProgramCause::LedgerNotMoved, message) })
    }

    /// The last statement that failed in a revision that was not finished, or outside of all revisions.
    fn uncaught_statement(&self) -> Option<&FailedStatement> {
        let steps = self.observation.steps.iter().rev();
        let unfinished = steps.filter(|step| step.duration.is_none());
        let in_steps = unfinished.filter_map(|step| step.counts.failed.last()).next();
        in_steps.or_else(|| self.observation.outside.failed.last())
    }

    fn not_committed(&self) -> Option<Failure> {
        let begun: Vec<&SourcePlace> = self
            .observation
            .open_transactions()
            .iter()
            .filter_map(|open| open.begun_at.as_ref())
            .chain(self.observation.configured.iter().filter_map(|one| one.begun_at.as_ref()))
            .collect();
        let is_open = !self.observation.open_transactions().is_empty()
            || self.observation.configured.iter().any(|one| one.in_transaction);
        if !is_open {
            return None;
        }
        let message = "Alembic ran inside a transaction that env.py had begun and never committed: it ended with exit \
                       code 0, and everything was rolled back";
        Some(Failure {
            place: self.files.first(begun.iter().copied()),
            ..program(ProgramCause::NotCommitted, message)
        })
    }

    /// The ledger that the program used is not the target's.
    fn elsewhere(&self) -> Option<Failure> {
        let used = self.observation.configured.last()?;
        let place = used.place.as_ref().and_then(|place| self.files.place(place));
        let of_cause = |message: String| Failure {
            place: place.clone(),
            ..program(ProgramCause::OtherTarget, message)
        };
        let other_database = used.database.as_deref().filter(|name| *name != self.target.database);
        if let Some(other) = other_database {
            let message = format!(
                "the migrations ran in database `{other}`, not in `{}`",
                self.target.database
            );
            return Some(of_cause(message));
        }
        let ledger = self.used_ledger()?;
        let (own, _) = self.target.tenant?;
        let message = format!(
            "the migrations of this tenant used the ledger {}, which is not in its schema `{own}`: env.py \
             does not use the tenant's schema",
            ledger.qualified()
        );
        (ledger != *self.target.ledger).then(|| of_cause(message))
    }

    /// The ledger that the program used, as it reported.
    pub(super) fn used_ledger(&self) -> Option<Ledger> {
        used_ledger(self.observation)
    }
}

/// The ledger that Alembic used in its last run: `version_table_schema`, else the first schema of the search path.
pub(crate) fn used_ledger(observation: &crate::driver::ProgramObservation) -> Option<Ledger> {
    let used = observation.configured.last()?;
    let schema =
        used.version_table_schema.clone().or_else(|| used.current_schemas.first().cloned())?;
    let table = used.version_table.clone()?;
    Some(Ledger::new(schema, table))
}

/// The program caught this error, and ended successfully.
fn caught(failure: Failure) -> Failure {
    let words = "env.py caught this error, and the process ended with exit code 0: a script that checks the exit code \
                 reports success for this tenant";
    Failure { hint: failure.hint.or_else(|| Some(words.to_owned())), ..failure }
}

pub(super) fn program(cause: ProgramCause, message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Program(cause), message)
}
