//! The facts that replay records. Checks and reports read them, and do not change them.

use std::time::Duration;

use camino::Utf8PathBuf;

use super::{
    CatalogComparison, Failure, Migration, NotChecked, Notice, Place, ShapeComparison, TrackKind,
};

/// One track on one target, from its starting state to its end.
#[derive(Debug, Clone)]
pub(crate) struct UnitRecord {
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    /// The tenant's name; for a shared track the name of its starting state (`base`, `fresh`, or the sample's).
    pub(crate) name: String,
    /// The schema or database in production that it represents.
    pub(crate) target: String,
    /// The result of loading its sample, if it has one and loading was reached.
    pub(crate) sample: Option<SampleLoad>,
    /// In the order of execution; first those that bring it to the base.
    pub(crate) steps: Vec<StepRecord>,
    /// Migrations that the ledger does not have and that the tool will never apply, because of its order policy.
    pub(crate) skipped_migrations: Vec<SkippedMigration>,
    /// Migrations applied with the base's text that the head has changed, which the tool does not detect.
    pub(crate) changed: Vec<ChangedMigration>,
    /// Pending migrations that its sample already contained: the pull request's text was not run on this unit. In head order.
    pub(crate) already_applied: Vec<AppliedBefore>,
    /// The comparison with an earlier unit of the same starting state. `None` if there is no such unit, or if one of the two
    /// did not complete.
    pub(crate) shape: Option<ShapeComparison>,
    /// What the head's migrations of this unit (or of units that ran concurrently) changed outside of the tenants' schemas.
    /// `None` if nothing exists outside, or nothing was applied.
    pub(crate) outside: Option<CatalogComparison>,
    pub(crate) end: UnitEnd,
    pub(crate) duration: Duration,
    /// The part of the duration that the head's migrations took.
    pub(crate) head_duration: Duration,
}

impl UnitRecord {
    /// A unit that has not started.
    pub(crate) fn new(database: &str, track: TrackKind, name: &str, target: &str) -> Self {
        Self {
            database: database.to_owned(),
            track,
            name: name.to_owned(),
            target: target.to_owned(),
            sample: None,
            steps: Vec::new(),
            skipped_migrations: Vec::new(),
            changed: Vec::new(),
            already_applied: Vec::new(),
            shape: None,
            outside: None,
            end: UnitEnd::Completed,
            duration: Duration::ZERO,
            head_duration: Duration::ZERO,
        }
    }

    /// The failure that ended it: its phase, and its step if it occurred in one.
    pub(crate) fn failure(&self) -> Option<(Phase, &Failure, Option<&StepRecord>)> {
        if let UnitEnd::Failed { phase, failure: Some(failure) } = &self.end {
            return Some((*phase, failure, None));
        }
        self.steps.iter().rev().find_map(|step| match &step.outcome {
            StepOutcome::Failed(failure) => Some((step.phase, &**failure, Some(step))),
            StepOutcome::Applied | StepOutcome::NotRun => None,
        })
    }

    /// The failure that ended it, if it was the environment's: the unit then has no verdict of its own.
    pub(crate) fn environment_failure(&self) -> Option<&Failure> {
        self.failure().map(|(_, failure, _)| failure).filter(|failure| failure.is_environmental())
    }
}

/// A migration of the head that the tool skips silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SkippedMigration {
    pub(crate) version: String,
    pub(crate) path: Utf8PathBuf,
}

/// A pending migration that a sample's ledger contained before the head's migrations ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedBefore {
    pub(crate) version: String,
    pub(crate) path: Utf8PathBuf,
}

/// An applied migration that the head changed without the tool detecting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedMigration {
    pub(crate) version: String,
    /// Its path at the base.
    pub(crate) path: Utf8PathBuf,
    pub(crate) change: MigrationChange,
}

/// How the head changed an applied migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MigrationChange {
    /// Its text differs from this place on.
    Edited(Place),
    /// The head does not have it.
    Removed,
}

/// How a unit ended.
#[derive(Debug, Clone)]
pub(crate) enum UnitEnd {
    /// All pending migrations were applied.
    Completed,
    /// Stopped by a failure outside of any step, or by the failure of its last step (then `None`).
    Failed { phase: Phase, failure: Option<Box<Failure>> },
    /// Not started, or aborted before its own migrations, for a reason outside of the unit.
    NotRun { reason: String },
}

/// A phase of a unit's replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Phase {
    /// Creating the target, running its `prepare` files, loading its sample.
    Prepare,
    /// Migrating it to the state of the base branch.
    Base,
    /// The head's pending migrations: those of the pull request.
    Head,
}

/// The result of loading a sample, and the statements that were skipped on purpose.
#[derive(Debug, Clone, Default)]
pub(crate) struct SampleLoad {
    pub(crate) path: Utf8PathBuf,
    pub(crate) statements: usize,
    /// Rows inserted by COPY blocks.
    pub(crate) copied_rows: u64,
    pub(crate) skipped: Vec<SkippedStatements>,
    /// The newest version in its ledger, or the version that was stamped there.
    pub(crate) version: Option<String>,
    /// Neither its ledger nor the configuration states the version: the newest of the base is assumed.
    pub(crate) assumed: bool,
}

/// Statements of a sample that were not run, by reason: `owner of unknown role "app"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SkippedStatements {
    pub(crate) reason: String,
    pub(crate) count: usize,
}

/// One migration in one unit.
#[derive(Debug, Clone)]
pub(crate) struct StepRecord {
    pub(crate) phase: Phase,
    pub(crate) version: String,
    pub(crate) path: Utf8PathBuf,
    pub(crate) outcome: StepOutcome,
    pub(crate) duration: Duration,
    pub(crate) notices: Vec<Notice>,
    /// The session's `current_schemas(false)` after the step, if the step changed it.
    pub(crate) moved_search_path: Option<Vec<String>>,
    /// The statement of the script that changed it, if the text shows it.
    pub(crate) moved_at: Option<Place>,
    /// Objects that `IF NOT EXISTS` skipped according to the catalog, in the server's words. Only for migrations that the base
    /// does not have.
    pub(crate) skipped: Vec<Notice>,
    /// A check of this step that needs notices, and why it was not possible.
    pub(crate) not_checked: Option<NotChecked>,
    /// The server's warnings about transaction commands of the step.
    pub(crate) transaction_warnings: Vec<&'static str>,
    /// The script's first transaction command. Only if the server warned about one, and the base does not have the migration.
    pub(crate) transaction_command: Option<Place>,
    /// The step failed, and an earlier part of its script remains applied.
    pub(crate) partly_applied: bool,
    /// Whether the ledger contains the step, read back by the ledger's qualified name. `None` if this was not reached.
    pub(crate) in_ledger: Option<bool>,
    /// What was observed of it, if a program ran it.
    pub(crate) program: Option<Box<ProgramStep>>,
}

/// What was observed of a migration that a program ran.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ProgramStep {
    /// The number of statements.
    pub(crate) statements: u64,
    /// A hash of their texts and results, independent of their order.
    pub(crate) digest: u64,
    /// It is finished, and no statement that may change something succeeded.
    pub(crate) changed_nothing: bool,
    /// Statements that failed, although the migration was finished.
    pub(crate) swallowed: Vec<SwallowedFailure>,
    /// Executions that were counted, and whose text and result are unknown.
    pub(crate) unobserved: u64,
    pub(crate) unobserved_at: Option<Place>,
}

/// A statement that failed, and whose error the migration caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwallowedFailure {
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
}

impl StepRecord {
    /// A step that has not started.
    pub(crate) fn not_run(migration: &Migration, phase: Phase) -> Self {
        Self {
            phase,
            version: migration.version.clone(),
            path: migration.up.path().to_owned(),
            outcome: StepOutcome::NotRun,
            duration: Duration::ZERO,
            notices: Vec::new(),
            moved_search_path: None,
            moved_at: None,
            skipped: Vec::new(),
            not_checked: None,
            transaction_warnings: Vec::new(),
            transaction_command: None,
            partly_applied: false,
            in_ledger: None,
            program: None,
        }
    }
}

/// The result of a step.
#[derive(Debug, Clone)]
pub(crate) enum StepOutcome {
    Applied,
    Failed(Box<Failure>),
    NotRun,
}
