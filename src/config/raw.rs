//! `mig-ci.toml` exactly as it is written: no defaults, nothing expanded, nothing checked but shape.
//!
//! The doc comments of the fields are the descriptions in the JSON Schema and in error messages: the first sentence
//! says what the value is. Our own keys of several words have dashes; `search_path` is PostgreSQL's word.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use strum::VariantNames as _;

use super::choice_schema::{choice, choice_of};
use super::one_or_many::OneOrMany;
use super::raw_alembic::RawAlembicKeys;
use super::raw_coverage::RawCoverage;
use crate::model::{Deploy, FileOrder, LocaleProvider, ProviderChoice, Role, Severity, Tenancy};

/// The databases of a project, and how mig-ci verifies their migrations.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mig-ci.toml")]
pub(crate) struct RawConfig {
    /// The server on which migrations are replayed.
    #[serde(default)]
    pub(crate) postgres: RawPostgres,
    /// What exists before any migration.
    #[serde(default)]
    pub(crate) prepare: RawPrepare,
    /// The named databases of the project, by the name for `-n`.
    #[serde(default)]
    pub(crate) databases: IndexMap<String, RawDatabase>,
    /// Severities of checks.
    #[serde(default)]
    pub(crate) checks: RawChecks,
    /// Intended reductions of coverage, with reasons.
    #[serde(default)]
    pub(crate) coverage: RawCoverage,
}

/// The server on which migrations are replayed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPostgres {
    /// The major version that production runs: `"17"`.
    pub(crate) version: Option<RawVersion>,
    /// A container image to use instead of `postgres:<version>`. `version` is then only compared with the server's version.
    pub(crate) image: Option<String>,
    /// Where the server comes from: Docker, local binaries, an existing server, or (`auto`) Docker if it works, else local binaries.
    #[serde(default)]
    #[schemars(schema_with = "choice::<ProviderChoice>")]
    pub(crate) provider: Option<String>,
    /// The role that runs migrations: a plain owner, as on managed PostgreSQL, or a superuser.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Role>")]
    pub(crate) role: Option<String>,
    /// The locale of the databases, as in production: `en_US.UTF-8`. Default: the server's own.
    pub(crate) locale: Option<String>,
    /// The provider of the locale: the machine's C library, ICU (from PostgreSQL 15 on), or PostgreSQL itself (from 17 on).
    #[serde(default, rename = "locale-provider")]
    #[schemars(schema_with = "choice::<LocaleProvider>")]
    pub(crate) locale_provider: Option<String>,
    /// Extensions that the administrator creates in each database before the first migration.
    #[serde(default)]
    pub(crate) extensions: Vec<String>,
    /// Session settings that migrations read, by name.
    #[serde(default)]
    pub(crate) settings: IndexMap<String, String>,
    /// The server of the `url` provider. Ignored for other providers.
    pub(crate) url: Option<String>,
}

/// What exists before any migration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPrepare {
    /// SQL files that the administrator runs once on the server, for example to create roles.
    pub(crate) server: Option<OneOrMany>,
}

/// A named database: only `migrations` or `alembic`, or `shared`, `tenants`, or both.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDatabase {
    /// The real database, for the commands on real databases (`upgrade`, `status` …). `verify` neither reads it nor connects to it.
    pub(crate) url: Option<String>,
    /// Version tables of other products in the database, by name (`table` or `schema.table`): `upgrade` ignores
    /// these ledgers.
    #[serde(default, rename = "other-ledgers")]
    pub(crate) other_ledgers: Vec<String>,
    /// SQL files that the administrator runs once in the database before its first migration.
    pub(crate) prepare: Option<OneOrMany>,
    /// The migration directory of a database without tenants.
    pub(crate) migrations: Option<String>,
    #[serde(flatten)]
    pub(crate) alembic_keys: RawAlembicKeys,
    /// The migration tool; overrides detection.
    pub(crate) format: Option<String>,
    /// The tool's version table, if it is not the tool's default.
    pub(crate) ledger: Option<String>,
    /// Who runs these migrations in production: the format's own tool, or `mig-ci upgrade`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Deploy>")]
    pub(crate) deploy: Option<String>,
    /// How plain SQL files are sorted: by bytes, or by the value of their numbers.
    #[serde(default)]
    #[schemars(schema_with = "choice::<FileOrder>")]
    pub(crate) order: Option<String>,
    /// Names of files to run as up migrations from their first line to their last, although their content or name looks
    /// like a down migration; `"."` is the folder itself.
    #[serde(default, rename = "forward-only")]
    pub(crate) forward_only: Vec<String>,
    /// The first schema of the search path, which contains the ledger.
    pub(crate) schema: Option<String>,
    /// The search path of the migrations' sessions; has to begin with `schema`.
    pub(crate) search_path: Option<Vec<String>>,
    /// The starting state, instead of the one that the base branch's migrations create.
    pub(crate) sample: Option<RawSharedSample>,
    /// The migrations that run once, before those of the tenants.
    pub(crate) shared: Option<RawShared>,
    /// The migrations that run once for each tenant, and the source of the tenants.
    pub(crate) tenants: Option<RawTenants>,
}

/// The migrations that run once, before those of the tenants.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["migrations"]}, {"required": ["alembic"]}]))]
pub(crate) struct RawShared {
    /// The directory of the shared migrations; not with `alembic`.
    pub(crate) migrations: Option<String>,
    #[serde(flatten)]
    pub(crate) alembic_keys: RawAlembicKeys,
    /// The migration tool; overrides detection.
    pub(crate) format: Option<String>,
    /// The tool's version table, if it is not the tool's default.
    pub(crate) ledger: Option<String>,
    /// Who runs these migrations in production: the format's own tool, or `mig-ci upgrade`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Deploy>")]
    pub(crate) deploy: Option<String>,
    /// How plain SQL files are sorted: by bytes, or by the value of their numbers.
    #[serde(default)]
    #[schemars(schema_with = "choice::<FileOrder>")]
    pub(crate) order: Option<String>,
    /// Names of files to run as up migrations from their first line to their last, although their content or name looks
    /// like a down migration; `"."` is the folder itself.
    #[serde(default, rename = "forward-only")]
    pub(crate) forward_only: Vec<String>,
    /// The first schema of the search path, which contains the ledger.
    pub(crate) schema: Option<String>,
    /// The search path of the migrations' sessions; has to begin with `schema`.
    pub(crate) search_path: Option<Vec<String>>,
    /// The starting state, instead of the one that the base branch's migrations create.
    pub(crate) sample: Option<RawSharedSample>,
}

/// The migrations that run once for each tenant, and the source of the tenants.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["migrations"]}, {"required": ["alembic"]}]))]
pub(crate) struct RawTenants {
    /// The directory of the tenants' migrations; not with `alembic`.
    pub(crate) migrations: Option<String>,
    #[serde(flatten)]
    pub(crate) alembic_keys: RawAlembicKeys,
    /// The migration tool; overrides detection.
    pub(crate) format: Option<String>,
    /// The tool's version table, if it is not the tool's default. Each tenant has one.
    pub(crate) ledger: Option<String>,
    /// Who runs these migrations in production: the format's own tool, or `mig-ci upgrade`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Deploy>")]
    pub(crate) deploy: Option<String>,
    /// How plain SQL files are sorted: by bytes, or by the value of their numbers.
    #[serde(default)]
    #[schemars(schema_with = "choice::<FileOrder>")]
    pub(crate) order: Option<String>,
    /// Names of files to run as up migrations from their first line to their last, although their content or name looks
    /// like a down migration; `"."` is the folder itself.
    #[serde(default, rename = "forward-only")]
    pub(crate) forward_only: Vec<String>,
    /// How tenants are separated: a schema for each in one database, or a database for each.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Tenancy>")]
    pub(crate) tenancy: Option<String>,
    /// The name of a tenant's schema or database, with `{tenant}` for the tenant's name.
    pub(crate) target: Option<String>,
    /// The search path of a tenant's sessions; has to begin with `{target}` if each tenant has a schema.
    pub(crate) search_path: Option<Vec<String>>,
    /// The source of the real tenants' names, for the commands on real databases (`upgrade`, `status` …). `verify` does not read it.
    pub(crate) from: Option<RawFrom>,
    /// SQL files that the administrator runs once for each tenant before its first migration.
    pub(crate) prepare: Option<OneOrMany>,
    /// Patterns of SQL files (plain or `.gz`), each with a tenant's starting state; the file is named after the tenant.
    pub(crate) samples: Option<OneOrMany>,
    /// Properties of a sample that its file does not contain, by tenant.
    #[serde(default)]
    pub(crate) sample: IndexMap<String, RawSample>,
}

/// The source of the real tenants' names: exactly one of these.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFrom {
    /// A query on the database that returns the names in its first column.
    pub(crate) query: Option<String>,
    /// The names.
    pub(crate) list: Option<Vec<String>>,
    /// A `LIKE` pattern on the names of schemas or databases.
    pub(crate) pattern: Option<String>,
    /// A file with a name on each line.
    pub(crate) file: Option<String>,
    /// A command that prints a name on each line.
    pub(crate) command: Option<OneOrMany>,
}

/// Properties of a sample that its file does not contain.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSample {
    /// The tenant's sample file, if it is not named after the tenant.
    pub(crate) file: Option<String>,
    /// The version of the sample, if it has no ledger.
    pub(crate) version: Option<RawVersion>,
}

/// The state that a shared track starts from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawSharedSample {
    /// An SQL file (plain or `.gz`).
    File(String),
    /// An SQL file, and its properties that it does not contain.
    Table(RawSharedSampleTable),
}

/// An SQL file, and its properties that it does not contain.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSharedSampleTable {
    /// An SQL file (plain or `.gz`).
    pub(crate) file: String,
    /// The version of the sample, if it has no ledger.
    pub(crate) version: Option<RawVersion>,
}

/// Severities of checks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(crate) struct RawChecks {
    /// Findings at or above this severity fail the run.
    #[serde(default, rename = "fail-on")]
    #[schemars(schema_with = "choice::<Severity>")]
    pub(crate) fail_on: Option<String>,
    /// By check code. Which codes there are is checked against the checks themselves.
    #[serde(flatten)]
    pub(crate) codes: IndexMap<String, RawCheck>,
}

/// One check.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCheck {
    /// The severity of its findings; `off` disables the check.
    #[serde(default)]
    #[schemars(schema_with = "severity_or_off")]
    pub(crate) severity: Option<String>,
}

/// A version: people write it with quotes and without.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawVersion {
    Number(i64),
    Text(String),
}

/// What `[checks]` accepts as a check's severity.
pub(crate) const OFF: &str = "off";

fn severity_or_off(_: &mut SchemaGenerator) -> Schema {
    choice_of([Severity::VARIANTS, &[OFF]].concat())
}
