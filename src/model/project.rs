//! A project as validated: what `mig-ci.toml` says, or what was discovered. Paths are relative to [`Project::root`].

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use secrecy::SecretString;

use super::{Acknowledgement, Severity, TargetTemplate, TrackKind};

/// A repository (or a part of one) with its named databases.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The absolute folder that all other paths are relative to: where `mig-ci.toml` lies.
    pub(crate) root: Utf8PathBuf,
    pub(crate) origin: ProjectOrigin,
    pub(crate) postgres: PostgresSettings,
    /// SQL files for the whole server, run once as its administrator, before any database is made.
    pub(crate) prepare: Vec<Utf8PathBuf>,
    /// In the order of the file.
    pub(crate) databases: Vec<Database>,
    pub(crate) checks: CheckSettings,
    /// What is checked no more, on purpose.
    pub(crate) removed: Vec<Acknowledgement>,
}

/// Where the project's description comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProjectOrigin {
    /// A configuration file.
    File(Utf8PathBuf),
    /// No file: understood from its folders.
    Discovered,
}

/// `[postgres]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct PostgresSettings {
    /// The major version that production runs.
    pub(crate) version: Option<u32>,
    /// A container image in place of `postgres:<version>`.
    pub(crate) image: Option<String>,
    pub(crate) provider: ProviderChoice,
    pub(crate) role: Role,
    /// The locale of the databases; by default that of the server.
    pub(crate) locale: Option<String>,
    pub(crate) locale_provider: LocaleProvider,
    /// Made in each database by the server's administrator, before the first migration.
    pub(crate) extensions: Vec<String>,
    /// Session settings that migrations read, as `-c name=value` of the connection.
    pub(crate) settings: IndexMap<String, String>,
    /// The server of the `url` provider.
    pub(crate) url: Option<SecretString>,
}

/// Which provider makes the server.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum ProviderChoice {
    /// Docker if it works, else local binaries.
    #[default]
    Auto,
    Docker,
    Local,
    Url,
}

/// Who runs a track's migrations in production.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Deploy {
    /// The format's own tool.
    #[default]
    Tool,
    /// `mig-ci upgrade`.
    MigCi,
}

/// The role that migrations run as.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Role {
    /// Owns its databases and schemas, and is nothing else: no superuser, no BYPASSRLS, no CREATEROLE.
    #[default]
    Owner,
    Superuser,
}

/// Who knows the locale of a database.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum LocaleProvider {
    /// The machine's C library.
    #[default]
    Libc,
    /// From PostgreSQL 15 on.
    Icu,
    /// PostgreSQL itself, from 17 on.
    Builtin,
}

/// A named database: a shared track, a tenant track, or both (at least one).
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) name: String,
    /// The real database, for the commands that connect to it; only where one of them has asked for it.
    pub(crate) url: Option<SecretString>,
    /// Version tables of other products, as `table` or `schema.table`.
    pub(crate) other_ledgers: Vec<String>,
    /// SQL files run once in each database that is made for it, as the server's administrator.
    pub(crate) prepare: Vec<Utf8PathBuf>,
    pub(crate) shared: Option<Track>,
    pub(crate) tenants: Option<TenantTrack>,
}

impl Database {
    /// Its tracks, the shared one first.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = (TrackKind, &Track)> {
        let kinds = [TrackKind::Shared, TrackKind::Tenant].into_iter();
        kinds.filter_map(|kind| Some((kind, self.track(kind)?)))
    }

    pub(crate) fn track(&self, kind: TrackKind) -> Option<&Track> {
        match kind {
            TrackKind::Shared => self.shared.as_ref(),
            TrackKind::Tenant => self.tenants.as_ref().map(|tenants| &tenants.track),
        }
    }

    /// The samples of one of its tracks.
    pub(crate) fn samples(&self, kind: TrackKind) -> impl Iterator<Item = &Sample> {
        let (shared, tenants) = match kind {
            TrackKind::Shared => (self.shared.as_ref(), None),
            TrackKind::Tenant => (None, self.tenants.as_ref()),
        };
        let of_shared = shared.and_then(|track| track.sample.as_ref());
        of_shared.into_iter().chain(tenants.into_iter().flat_map(|tenants| &tenants.samples))
    }
}

/// One migration directory.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) migrations: Utf8PathBuf,
    /// The format's name, where detection must not choose.
    pub(crate) format: Option<String>,
    /// The ledger's table, where it is not the format's default. May be `schema.table` where the format allows it.
    pub(crate) ledger: Option<String>,
    /// Who runs the migrations in production; `verify` sends what that sends.
    pub(crate) deploy: Deploy,
    /// How a format without an order of its own (plain SQL) sorts its files.
    pub(crate) order: Option<FileOrder>,
    /// Names of files that run forwards from their first line to their last, although they look like down migrations.
    pub(crate) forward_only: Vec<String>,
    /// The shared track's own schema: first in its search path, home of its ledger. For tenants it is each tenant's.
    pub(crate) schema: String,
    /// The search path of the track's sessions; may hold `{target}` in a tenant track.
    pub(crate) search_path: Vec<String>,
    /// The starting state of a shared track, in place of the one that the base branch's migrations make.
    pub(crate) sample: Option<Sample>,
}

/// The migrations that run once for each tenant, and who the tenants are.
#[derive(Debug, Clone)]
pub(crate) struct TenantTrack {
    pub(crate) track: Track,
    pub(crate) tenancy: Tenancy,
    pub(crate) target: TargetTemplate,
    /// SQL files run once for each tenant, in its search path, as the server's administrator.
    pub(crate) prepare: Vec<Utf8PathBuf>,
    /// In the order of their tenants' names; no two share a tenant or a target.
    pub(crate) samples: Vec<Sample>,
    /// Who the tenants are in production; only where a command has asked for it.
    pub(crate) from: Option<TenantSource>,
}

/// Where the names of the real tenants come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TenantSource {
    /// A query on the database: the names in its first column, and in a column `url`, if it has one, where each lives.
    Query(String),
    List(Vec<String>),
    /// A `LIKE` pattern on the names of schemas or databases.
    Pattern(String),
    /// A file with a name on each line.
    File(Utf8PathBuf),
    /// A program and its arguments; it prints a name on each line.
    Command(Vec<String>),
}

/// How tenants are kept apart.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Tenancy {
    /// A schema each, in one database.
    #[default]
    Schema,
    /// A database each.
    Database,
}

/// The order of plain SQL files.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum FileOrder {
    /// By bytes: `10.sql` before `9.sql`.
    Lexical,
    /// Runs of digits by their value: `9.sql` before `10.sql`.
    Natural,
}

/// A starting state, as an SQL file (plain or gzip).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) tenant: String,
    pub(crate) path: Utf8PathBuf,
    /// The version at which it stands, where the file has no ledger of its own to say so.
    pub(crate) version: Option<String>,
}

/// `[checks]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckSettings {
    /// Findings at or above this severity fail the run; `None` is the default, [`Severity::Error`].
    pub(crate) fail_on: Option<Severity>,
    /// By check code: `None` switches the check off.
    pub(crate) severities: BTreeMap<String, Option<Severity>>,
}
