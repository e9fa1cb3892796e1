//! What replay recorded: facts alone. Checks read it, the report shows it, nobody changes it afterwards.

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
    /// The tenant's name; for a shared track the name of its starting state (`base`, `fresh`, the sample's).
    pub(crate) name: String,
    /// The schema or database that stands for it in production.
    pub(crate) target: String,
    /// What loading its sample did, if it starts from one and got so far.
    pub(crate) sample: Option<SampleLoad>,
    /// In the order in which they were applied; first those that bring it to the base.
    pub(crate) steps: Vec<StepRecord>,
    /// Migrations that the ledger does not show and that the tool will never apply, because of its order policy.
    pub(crate) skipped_migrations: Vec<SkippedMigration>,
    /// Migrations that it has as the base had them, and that the head has otherwise, which the tool does not look at.
    pub(crate) changed: Vec<ChangedMigration>,
    /// Pending migrations that its sample had already: the pull request's text was not run on this unit. In head order.
    pub(crate) already_applied: Vec<AppliedBefore>,
    /// Its shape beside that of an earlier unit with the same start. `None` where there is no such unit, or one of the two
    /// did not complete.
    pub(crate) shape: Option<ShapeComparison>,
    /// What the head's migrations of this unit (of several units that ran side by side) changed outside of the tenants'
    /// schemas. `None` where nothing is outside, or nothing was applied.
    pub(crate) outside: Option<CatalogComparison>,
    pub(crate) end: UnitEnd,
    pub(crate) duration: Duration,
    /// The part of it that the head's migrations took.
    pub(crate) head_duration: Duration,
}

impl UnitRecord {
    /// Of a unit that has not begun.
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

    /// The failure that ended it: its phase, and its step if it happened in one.
    pub(crate) fn failure(&self) -> Option<(Phase, &Failure, Option<&StepRecord>)> {
        if let UnitEnd::Failed { phase, failure: Some(failure) } = &self.end {
            return Some((*phase, failure, None));
        }
        self.steps.iter().rev().find_map(|step| match &step.outcome {
            StepOutcome::Failed(failure) => Some((step.phase, &**failure, Some(step))),
            StepOutcome::Applied | StepOutcome::NotRun => None,
        })
    }

    /// The failure that ended it, if that says nothing about the migrations: the unit has no verdict of its own then.
    pub(crate) fn environment_failure(&self) -> Option<&Failure> {
        self.failure().map(|(_, failure, _)| failure).filter(|failure| failure.is_environmental())
    }
}

/// A migration of the head that the tool passes over without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SkippedMigration {
    pub(crate) version: String,
    pub(crate) path: Utf8PathBuf,
}

/// A pending migration that a sample's ledger showed before the head's migrations began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedBefore {
    pub(crate) version: String,
    pub(crate) path: Utf8PathBuf,
}

/// An applied migration that the head changed behind the tool's back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedMigration {
    pub(crate) version: String,
    /// In the base.
    pub(crate) path: Utf8PathBuf,
    pub(crate) change: MigrationChange,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MigrationChange {
    /// It says something else, from here on.
    Edited(Place),
    /// It is there no more.
    Removed,
}

/// How a unit ended.
#[derive(Debug, Clone)]
pub(crate) enum UnitEnd {
    /// All that was pending has been applied.
    Completed,
    /// Stopped by a failure outside of any step, or by the failure that its last step holds (then `None`).
    Failed { phase: Phase, failure: Option<Box<Failure>> },
    /// Never begun, or broken off before its own migrations, because of something that is not its doing.
    NotRun { reason: String },
}

/// The part of a unit's life in which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Phase {
    /// Making the target, its `prepare` files, loading its sample.
    Prepare,
    /// Bringing it to the state of the base branch.
    Base,
    /// The head's pending migrations: what the pull request brings.
    Head,
}

/// What a sample brought, and what of it was left out on purpose.
#[derive(Debug, Clone, Default)]
pub(crate) struct SampleLoad {
    pub(crate) path: Utf8PathBuf,
    pub(crate) statements: usize,
    /// Rows that came in by COPY blocks.
    pub(crate) copied_rows: u64,
    pub(crate) skipped: Vec<SkippedStatements>,
    /// The newest version in its ledger, or the one that was written there for it.
    pub(crate) version: Option<String>,
    /// Neither its ledger nor the configuration says that version: it is the newest of the base.
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
    /// The session's `current_schemas(false)` after the step, where it is not what it was before.
    pub(crate) moved_search_path: Option<Vec<String>>,
    /// The statement of the script's that moved it, where the text tells.
    pub(crate) moved_at: Option<Place>,
    /// What `IF NOT EXISTS` skipped, as the catalog tells it, in the server's words. Of what the base does not have.
    pub(crate) skipped: Vec<Notice>,
    /// A check of this step that needs notices, and why it could not be made.
    pub(crate) not_checked: Option<NotChecked>,
    /// What the server says of the transaction commands of the step, as its messages tell.
    pub(crate) transaction_warnings: Vec<&'static str>,
    /// The script's first transaction command of its own. Looked for where the server warns of one, in what the base does
    /// not have.
    pub(crate) transaction_command: Option<Place>,
    /// It failed, and something that its script did before stays applied.
    pub(crate) partly_applied: bool,
    /// Whether the ledger shows the step, read back by the ledger's qualified name. `None` where that was not reached.
    pub(crate) recorded: Option<bool>,
}

impl StepRecord {
    /// A step that has not been begun.
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
            recorded: None,
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone)]
pub(crate) enum StepOutcome {
    Applied,
    Failed(Box<Failure>),
    NotRun,
}
