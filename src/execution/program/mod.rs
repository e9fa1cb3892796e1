//! Migrations that a program runs: turns what its driver observed, and the ledger before and after, into step records and at
//! most one failure.
//!
//! An exit code is no evidence, and a failed statement is no verdict: a program can catch errors, commit nothing, or work
//! elsewhere, and exit with 0. Whether a migration was applied is read from the ledger. What the driver observed gives the
//! cause and the place.

mod cause;
mod failure;
mod places;
mod steps;

use crate::driver::ProgramObservation;
use crate::formats::Ledger;
use crate::model::{Failure, FailureKind, Migration, Phase, ProgramCause, StepRecord};

pub(crate) use cause::used_ledger;
pub(crate) use places::ProgramFiles;

/// A completed run of a program, and what it should have done.
pub(crate) struct ProgramRun<'a> {
    pub(crate) observation: &'a ProgramObservation,
    pub(crate) files: ProgramFiles<'a>,
    /// The migrations that the ledger did not show before, in the order of the tool.
    pub(crate) pending: &'a [&'a Migration],
    /// Whether the ledger shows each of them afterwards.
    pub(crate) is_applied: &'a dyn Fn(&Migration) -> bool,
    pub(crate) target: ProgramTarget<'a>,
    pub(crate) phase: Phase,
}

/// The target of a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramTarget<'a> {
    pub(crate) database: &'a str,
    /// The ledger that shows what is applied.
    pub(crate) ledger: &'a Ledger,
    /// A tenant that is a schema: its schema, and its name. Its ledger has to be its own.
    pub(crate) tenant: Option<(&'a str, &'a str)>,
}

/// What follows from a run.
#[derive(Debug)]
pub(crate) struct ProgramOutcome {
    /// One record for each pending migration, in the order of execution.
    pub(crate) steps: Vec<StepRecord>,
    /// Why not all pending migrations were applied; `None` also if a step contains the failure.
    pub(crate) failure: Option<Failure>,
    pub(crate) is_complete: bool,
    /// The program reported success, and is not complete.
    pub(crate) is_silent: bool,
}

impl ProgramRun<'_> {
    /// Judges the run.
    pub(crate) fn outcome(&self) -> ProgramOutcome {
        let failure = self.failure();
        let is_complete = failure.is_none();
        let is_silent = matches!(
            failure.as_ref().map(|failure| &failure.kind),
            Some(FailureKind::Program(
                ProgramCause::NoConnection
                    | ProgramCause::NotCommitted
                    | ProgramCause::OtherTarget
                    | ProgramCause::LedgerNotMoved
            ))
        );
        let (steps, failure) = self.steps(failure);
        ProgramOutcome { steps, failure, is_complete, is_silent }
    }

    /// Pending migrations that the ledger does not show.
    fn missing(&self) -> impl Iterator<Item = &Migration> {
        self.pending.iter().copied().filter(|migration| !(self.is_applied)(migration))
    }
}
