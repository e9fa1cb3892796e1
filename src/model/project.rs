//! A validated project: read from `mig-ci.toml`, or discovered. Paths are relative to [`Project::root`].

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use secrecy::SecretString;

use super::{Acknowledgement, AlembicTrack, Severity, TargetTemplate, TrackKind};

/// A repository (or a part of one) with its named databases.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The absolute folder that all other paths are relative to: the folder of `mig-ci.toml`.
    pub(crate) root: Utf8PathBuf,
    pub(crate) origin: ProjectOrigin,
    pub(crate) postgres: PostgresSettings,
    /// SQL files for the whole server, run once as its administrator, before any database is created.
    pub(crate) prepare: Vec<Utf8PathBuf>,
    /// In the order of the file.
    pub(crate) databases: Vec<Database>,
    pub(crate) checks: CheckSettings,
    /// Acknowledged reductions of the checks.
    pub(crate) removed: Vec<Acknowledgement>,
}

/// The source of the project's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProjectOrigin {
    /// A configuration file.
    File(Utf8PathBuf),
    /// No file: derived from its folders.
    Discovered,
}

/// `[postgres]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct PostgresSettings {
    /// The major version of production.
    pub(crate) version: Option<u32>,
    /// A container image instead of `postgres:<version>`.
    pub(crate) image: Option<String>,
    pub(crate) provider: ProviderChoice,
    pub(crate) role: Role,
    /// The locale of the databases; by default that of the server.
    pub(crate) locale: Option<String>,
    pub(crate) locale_provider: LocaleProvider,
    /// Created in each database by the server's administrator, before the first migration.
    pub(crate) extensions: Vec<String>,
    /// Session settings that migrations read, as `-c name=value` of the connection.
    pub(crate) settings: IndexMap<String, String>,
    /// The server of the `url` provider.
    pub(crate) url: Option<SecretString>,
}

/// The provider that starts the server.
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
    /// Docker if it is available, else local binaries.
    #[default]
    Auto,
    Docker,
    Local,
    Url,
}

/// Which program runs a track's migrations in production.
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

/// The role that runs migrations.
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
    /// Owns its databases and schemas, and has no other privileges: no superuser, no BYPASSRLS, no CREATEROLE.
    #[default]
    Owner,
    Superuser,
}

/// The provider of a database's locale.
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
    /// The address of the real database; only set for commands that connect to it.
    pub(crate) url: Option<SecretString>,
    /// Version tables of other products, as `table` or `schema.table`.
    pub(crate) other_ledgers: Vec<String>,
    /// SQL files run once in each scratch database, as the server's administrator.
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
    /// The format's name; by default it is detected.
    pub(crate) format: Option<String>,
    /// The ledger's table, if it is not the format's default. May be `schema.table` if the format allows it.
    pub(crate) ledger: Option<String>,
    /// Which program runs the migrations in production; `verify` sends what that program sends.
    pub(crate) deploy: Deploy,
    /// The order of files in a format without an order of its own (plain SQL).
    pub(crate) order: Option<FileOrder>,
    /// Names of files that are up migrations from their first to their last line, although they look like down migrations.
    pub(crate) forward_only: Vec<String>,
    /// The shared track's own schema: the first in its search path, and the schema of its ledger. Each tenant has its own.
    pub(crate) schema: String,
    /// The search path of the track's sessions; may contain `{target}` in a tenant track.
    pub(crate) search_path: Vec<String>,
    /// The starting state of a shared track, instead of the one that the base branch's migrations create.
    pub(crate) sample: Option<Sample>,
    /// How Alembic runs it, if it is an Alembic project; `migrations` is then the folder of env.py.
    pub(crate) alembic: Option<Box<AlembicTrack>>,
}

/// The migrations that run once for each tenant, and the source of the tenants.
#[derive(Debug, Clone)]
pub(crate) struct TenantTrack {
    pub(crate) track: Track,
    pub(crate) tenancy: Tenancy,
    pub(crate) target: TargetTemplate,
    /// SQL files run once for each tenant, with its search path, as the server's administrator.
    pub(crate) prepare: Vec<Utf8PathBuf>,
    /// Sorted by tenant name; tenants and targets are unique.
    pub(crate) samples: Vec<Sample>,
    /// The source of the tenants in production; only set for commands that need it.
    pub(crate) from: Option<TenantSource>,
}

/// The source of the real tenants' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TenantSource {
    /// A query on the database: names in the first column, and optionally the address of each tenant's database in a column
    /// `url`.
    Query(String),
    List(Vec<String>),
    /// A `LIKE` pattern on the names of schemas or databases.
    Pattern(String),
    /// A file with a name on each line.
    File(Utf8PathBuf),
    /// A program and its arguments; it prints a name on each line.
    Command(Vec<String>),
}

/// How tenants are isolated.
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
    /// One schema per tenant, in one database.
    #[default]
    Schema,
    /// One database per tenant.
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
    /// Digits by their numeric value: `9.sql` before `10.sql`.
    Natural,
}

/// A starting state, as an SQL file (plain or gzip).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) tenant: String,
    pub(crate) path: Utf8PathBuf,
    /// Its migration version, if the file does not contain a ledger.
    pub(crate) version: Option<String>,
}

/// `[checks]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckSettings {
    /// Findings at or above this severity fail the run; `None` is the default, [`Severity::Error`].
    pub(crate) fail_on: Option<Severity>,
    /// By check code: `None` disables the check.
    pub(crate) severities: BTreeMap<String, Option<Severity>>,
}
