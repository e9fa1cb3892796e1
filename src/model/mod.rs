//! The data types of the project (see `ARCHITECTURE.md`, "Terms"). Plain data: no IO, and no use of any other module.

mod alembic;
mod catalog;
mod cause;
mod coverage;
mod environment;
mod event;
mod evidence;
mod failure;
mod files;
mod finding;
mod migration;
mod notice;
mod partition;
mod place;
mod project;
mod project_record;
mod reserved;
mod revision_graph;
mod severity;
mod shape;
mod span;
mod target;
mod track_kind;

pub(crate) use alembic::{
    AlembicSetup, AlembicTrack, PLACEHOLDERS, ProcessIsolation, RevisionLineage, RevisionNode,
    UndeclaredKind, UndeclaredRead,
};
pub(crate) use catalog::{
    Catalog, Difference, Digests, Fingerprint, Item, ItemKind, LeaveOut, SEPARATOR,
};
pub(crate) use cause::{EnvironmentCause, FailureKind, FailureOrigin, ProgramCause, TargetCause};
pub(crate) use coverage::{Acknowledgement, CoverageChange, CoveragePart, CoverageReduction};
pub(crate) use event::{RunEvent, UnitName};
pub(crate) use evidence::{
    AppliedBefore, ChangedMigration, MigrationChange, Phase, ProgramStep, SampleLoad,
    SkippedMigration, SkippedStatements, StepOutcome, StepRecord, SwallowedFailure, UnitEnd,
    UnitRecord,
};
pub(crate) use failure::Failure;
#[cfg(test)]
pub(crate) use files::MemoryFiles;
pub(crate) use files::{Files, FilesError};
pub(crate) use finding::{Finding, Verdict};
pub(crate) use migration::{Migration, Script, ScriptLanguage};
pub(crate) use notice::{NotChecked, Notice, NoticeLevel};
pub(crate) use partition::Partition;
pub(crate) use place::{Excerpt, Place};
pub(crate) use project::{
    CheckSettings, Database, Deploy, FileOrder, LocaleProvider, PostgresSettings, Project,
    ProjectOrigin, ProviderChoice, Role, Sample, Tenancy, TenantSource, TenantTrack, Track,
};
pub(crate) use project_record::{ProjectRecord, UnreadFile, WithoutEffect};
pub(crate) use reserved::{ReservedSchemas, SchemaOwner};
pub(crate) use revision_graph::{
    GraphHead, GraphProblem, GraphProblemKind, GraphTargets, NotOnBase, RevisionGraphRecord,
};
pub(crate) use severity::Severity;
pub(crate) use shape::{CatalogComparison, PlacedDifference, ShapeComparison};
pub(crate) use span::{attempt_span, database_span, step_span};
pub(crate) use target::{
    MAX_IDENTIFIER_BYTES, TargetError, TargetTemplate, check_identifier, placeholder,
};
pub(crate) use track_kind::TrackKind;
