//! Version 1 of the report, `mig-ci.report/1`: a frozen copy for machines, made from the evidence and the findings.
//!
//! Fields are only ever added, and optional then; anything else is a new version in a new file.
//! Durations are whole milliseconds. Lists are in plan order, never in the order of events.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of [`Report::schema`].
pub(crate) const SCHEMA: &str = "mig-ci.report/1";

/// A whole run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mig-ci report, version 1")]
pub(crate) struct Report {
    /// Always `mig-ci.report/1`.
    pub(crate) schema: String,
    pub(crate) tool: Tool,
    pub(crate) verdict: Verdict,
    /// The verdict in one sentence.
    pub(crate) summary: String,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) duration_ms: u64,
    pub(crate) server: Server,
    pub(crate) revisions: Revisions,
    pub(crate) counts: Counts,
    pub(crate) databases: Vec<Database>,
    /// The most severe first; one for each cause, shared by all its tenants.
    pub(crate) findings: Vec<Finding>,
    /// Notes about the whole run: nothing pending, no base, another major version.
    pub(crate) notes: Vec<Note>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timings: Option<Timings>,
    /// The partition of this run, as in `2/8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// "Not run" never counts as passed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Verdict {
    Passed,
    Failed,
    NotRun,
}

/// The PostgreSQL server of the run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// `docker`, `local` or `url`.
    pub(crate) provider: String,
    /// Why this provider was used, and what it started: an image, a folder of binaries. Never an address or a password.
    pub(crate) description: String,
    /// `15.18`.
    pub(crate) version: String,
    /// The role that migrations ran as: `owner` or `superuser`.
    pub(crate) role: String,
    /// The server was lost during the run.
    pub(crate) lost: bool,
    /// The encoding of the run's databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) locale: Option<Locale>,
}

/// The locale: it determines `lower()` and the sort order of text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Locale {
    pub(crate) encoding: String,
    /// `LC_COLLATE`.
    pub(crate) collate: String,
    /// `LC_CTYPE`.
    pub(crate) ctype: String,
    /// `libc`, `icu` or `builtin`.
    pub(crate) provider: String,
    /// The locale of a provider other than libc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) locale: Option<String>,
    /// The display name.
    pub(crate) name: String,
}

/// What was compared.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revisions {
    /// Absent if there is no base: then every migration is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Revision>,
    /// How the base was found, or why there is none.
    pub(crate) base_reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) head: Option<Revision>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revision {
    /// The full commit hash.
    pub(crate) commit: String,
    /// As requested: `main`, `origin/main`, `HEAD`.
    pub(crate) name: String,
    /// The worktree differs from the commit; absent if that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dirty: Option<bool>,
}

/// Tenants by verdict (samples, `fresh_1`, `fresh_2` and `base`), and shared tracks by theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) tenants: Tally,
    pub(crate) shared: Tally,
    /// Migrations in head and not in base, over all tracks.
    pub(crate) pending_migrations: usize,
    pub(crate) migrations: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) not_run: usize,
}

/// A named database of the project.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) tracks: Vec<Track>,
    pub(crate) units: Vec<Unit>,
    /// Present if these are the results of a second run, from an empty state, with one job, on a fresh server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replayed: Option<Replayed>,
}

/// Why a database was replayed a second time. The report contains nothing of the first run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replayed {
    /// What failed in the first run, and the possible cause.
    pub(crate) reason: String,
}

/// A migration directory.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Track {
    pub(crate) kind: TrackKind,
    pub(crate) directory: String,
    pub(crate) format: String,
    /// Why this format: reads after "because".
    pub(crate) format_reason: String,
    /// Who runs the migrations in production: the run sent what that sends.
    #[serde(default)]
    pub(crate) deploy: Deploy,
    pub(crate) migrations: Vec<Migration>,
}

#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    Default,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Deploy {
    /// The format's own tool.
    #[default]
    Tool,
    /// `mig-ci upgrade`.
    MigCi,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum TrackKind {
    Shared,
    Tenant,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Migration {
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) path: String,
    pub(crate) state: MigrationState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum MigrationState {
    /// In base and in head, the same.
    Base,
    /// In both, with different content in head.
    Edited,
    /// Only in head: added by the pull request.
    Pending,
    /// Only in base.
    Removed,
}

/// One track on one target: a tenant, or a shared track from one of its starting states.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unit {
    pub(crate) track: TrackKind,
    /// The tenant's name, or the starting state of the shared track.
    pub(crate) name: String,
    /// The schema or database.
    pub(crate) target: String,
    pub(crate) start: Start,
    pub(crate) verdict: Verdict,
    /// Why it was not run; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<SampleLoad>,
    pub(crate) steps: Vec<Step>,
    /// Pending migrations that its sample already had, by version: they were not tested on this unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) already_applied: Vec<Arc<str>>,
    /// Migrations are pending, and its sample has all of them: none was run on it, so `passed` does not cover them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) nothing_applied: bool,
    /// The comparison of its shape with an earlier unit with the same start; absent if there is none that completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shape: Option<ShapeComparison>,
    /// Changes outside of the tenants' schemas by its migrations, or by those of concurrent tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outside: Option<Outside>,
    /// A failure outside of any step: its sample, its target, its ledger, the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

/// Two catalogs, compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Compared {
    Same,
    Different,
    /// At least one of them could not be read.
    NotChecked,
}

/// The shape of a unit compared with that of another one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShapeComparison {
    /// The name of the unit whose shape is expected.
    pub(crate) expected: String,
    pub(crate) result: Compared,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) differences: Vec<String>,
    /// Why it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The database around the tenants' schemas, before and after.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outside {
    pub(crate) result: Compared,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changes: Vec<String>,
    /// Why it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Unit {
    /// It completed, and no pending migration was run on it although there are some.
    pub(crate) fn is_untested(&self) -> bool {
        self.verdict == Verdict::Passed && self.nothing_applied
    }
}

/// Where a unit starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Start {
    /// Empty.
    Fresh,
    /// The state that the base branch's migrations create.
    Base,
    /// A file.
    Sample { path: String },
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SampleLoad {
    pub(crate) statements: usize,
    pub(crate) copied_rows: u64,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    pub(crate) skipped: Vec<Skipped>,
}

/// Statements of a sample that were skipped intentionally.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skipped {
    pub(crate) reason: String,
    pub(crate) count: usize,
}

/// One migration in one unit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) version: Arc<str>,
    pub(crate) path: Arc<str>,
    pub(crate) phase: Phase,
    pub(crate) outcome: Outcome,
    pub(crate) duration_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notices: Vec<Notice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// A check that could not be made on this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_checked: Option<NotChecked>,
    /// Only in reports of version 0.1: the step failed while others ran, and this is the outcome of a second attempt. Now the
    /// whole database is replayed again (see `replayed` of the database).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) replayed_alone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Phase {
    Prepare,
    Base,
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Outcome {
    Applied,
    Failed,
    NotRun,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notice {
    /// `notice` or `warning`.
    pub(crate) level: String,
    pub(crate) message: String,
}

/// A check that was not made, and why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotChecked {
    /// Its code.
    pub(crate) check: String,
    pub(crate) reason: String,
}

/// Why something failed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    /// `sql`, `refused`, `file`, `search-path`, `ledger`, `environment`, `server-lost`, `connection-lost`,
    /// `program` (a migration program, such as Alembic, failed or did not do what it reported), or (on real databases)
    /// `target`: its name, address or schema cannot be used. Those of the kinds `environment` and `server-lost` say nothing
    /// about the migrations.
    pub(crate) kind: String,
    /// What exactly, of the kinds `environment`, `target` and `program`: `disk-full`, `lock-not-acquired`, `not-committed`
    /// and so on. New words may be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// The SQLSTATE, if the server sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// The server's call stack, for errors inside functions and DO blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Place>,
}

/// A place in a file of the project.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1; absent if only the statement is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) excerpt: Option<Excerpt>,
}

/// Some lines around a place.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Excerpt {
    pub(crate) first_line: usize,
    /// Long lines are truncated, with `…`.
    pub(crate) lines: Vec<String>,
    /// The number of characters that were removed at the start of the place's own line: column `n` of the file
    /// is column `n - shift` of it. Absent for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) shift: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One problem with one cause, and all units that it concerns.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    /// `migration-failed`; see `mig-ci explain CODE`.
    pub(crate) code: String,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    /// Empty if it concerns the whole project.
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    /// Names of the units, in plan order. Empty if it concerns the project or a whole track.
    pub(crate) units: Vec<String>,
    /// A finding without units that fails the run. Absent if it does not, or if it has units.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fails_run: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<Phase>,
    /// The failure of the first unit, if the finding is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Place>,
    /// Why there is no location, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unplaced: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
    /// A command that replays one of the units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reproduce: Option<String>,
}

#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Severity {
    Info,
    Warning,
    Error,
}

/// Something about the run as a whole.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// `info` or `warning`.
    pub(crate) severity: Severity,
    pub(crate) message: String,
}

/// Durations of the phases (`--timings`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timings {
    /// In the order of execution; their sum is about the total.
    pub(crate) phases: Vec<PhaseTime>,
    /// The total time of all units up to the base. Units run concurrently.
    pub(crate) units_to_base_ms: u64,
    /// The same from the base to the head: the duration of the pull request's migrations.
    pub(crate) units_to_head_ms: u64,
    /// User and system time of mig-ci itself.
    pub(crate) tool_cpu_ms: u64,
    /// The same for the server's processes, if the provider can measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server_cpu_ms: Option<u64>,
    /// The peak resident set of mig-ci itself, in KiB, without that of the process that started it.
    pub(crate) tool_peak_rss_kib: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhaseTime {
    pub(crate) name: String,
    pub(crate) ms: u64,
}
