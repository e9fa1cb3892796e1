//! The nouns of the project (see `ARCHITECTURE.md`, "The words"). Plain data: no IO, and no use of any other room.

mod evidence;
mod files;
mod finding;
mod migration;
mod project;
mod target;

pub(crate) use evidence::{
    Excerpt, Failure, FailureKind, Notice, NoticeLevel, PassedOver, Phase, Place, SampleLoad,
    SkippedStatements, StepOutcome, StepRecord, UnitEnd, UnitRecord,
};
pub(crate) use files::{Files, FilesError};
pub(crate) use finding::{Finding, Severity, Verdict};
pub(crate) use migration::{Migration, Script};
pub(crate) use project::{
    CheckSettings, Database, FileOrder, Origin, PostgresSettings, Project, ProviderChoice, Role,
    Sample, Tenancy, TenantTrack, Track, TrackKind,
};
pub(crate) use target::{MAX_IDENTIFIER_BYTES, TargetError, TargetTemplate, check_identifier};
