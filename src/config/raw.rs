//! `mig-ci.toml` exactly as it is written: no defaults, nothing expanded, nothing checked but shape.
//!
//! The doc comments of the fields are the descriptions in the JSON Schema and in error messages: the first sentence
//! says what the value is. Our own keys of several words have dashes; `search_path` is PostgreSQL's word.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use strum::VariantNames;

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
    /// What stands before any migration.
    #[serde(default)]
    pub(crate) prepare: RawPrepare,
    /// The named databases of the project, by the name that `-n` takes.
    #[serde(default)]
    pub(crate) databases: IndexMap<String, RawDatabase>,
    /// What counts how much.
    #[serde(default)]
    pub(crate) checks: RawChecks,
    /// What is checked no more, and why.
    #[serde(default)]
    pub(crate) coverage: RawCoverage,
}

/// The server on which migrations are replayed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPostgres {
    /// The major version that production runs: `"17"`.
    pub(crate) version: Option<RawVersion>,
    /// A container image in place of `postgres:<version>`. It wins over `version`, which then only says what to expect.
    pub(crate) image: Option<String>,
    /// What makes the server: Docker, local binaries, an existing server, or (`auto`) Docker if it works, else local binaries.
    #[serde(default)]
    #[schemars(schema_with = "choice::<ProviderChoice>")]
    pub(crate) provider: Option<String>,
    /// The role that migrations run as: a plain owner, as on managed Postgres, or a superuser.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Role>")]
    pub(crate) role: Option<String>,
    /// The locale of the databases, as production's have it: `en_US.UTF-8`. Without it, the server's own.
    pub(crate) locale: Option<String>,
    /// Who knows the locale: the machine's C library, ICU (from PostgreSQL 15 on), or PostgreSQL itself (from 17 on).
    #[serde(default, rename = "locale-provider")]
    #[schemars(schema_with = "choice::<LocaleProvider>")]
    pub(crate) locale_provider: Option<String>,
    /// Extensions that are made in each database by its administrator before the first migration.
    #[serde(default)]
    pub(crate) extensions: Vec<String>,
    /// Session settings that migrations read, by name.
    #[serde(default)]
    pub(crate) settings: IndexMap<String, String>,
    /// The server of the `url` provider. Not read with any other provider.
    pub(crate) url: Option<String>,
}

/// What stands before any migration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPrepare {
    /// SQL files that are run once on the server, as its administrator: roles that grants refer to.
    pub(crate) server: Option<OneOrMany>,
}

/// A named database: `migrations` alone, or `shared`, `tenants`, or both.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDatabase {
    /// The real database, for the commands on real databases (`upgrade`, `status` …). `verify` neither reads it nor connects to it.
    pub(crate) url: Option<String>,
    /// Version tables of other products in the database, by their names (`table` or `schema.table`): `upgrade` takes none of
    /// these for the ledger of its own migrations.
    #[serde(default, rename = "other-ledgers")]
    pub(crate) other_ledgers: Vec<String>,
    /// SQL files that are run once in the database, as the server's administrator, before its first migration.
    pub(crate) prepare: Option<OneOrMany>,
    /// The migration directory of a plain named database.
    pub(crate) migrations: Option<String>,
    /// The migration tool's name, where detection must not choose.
    pub(crate) format: Option<String>,
    /// The tool's version table, where it is not the tool's default.
    pub(crate) ledger: Option<String>,
    /// Who runs these migrations in production: the format's own tool, or `mig-ci upgrade`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Deploy>")]
    pub(crate) deploy: Option<String>,
    /// How plain SQL files are sorted: by bytes, or by the value of their numbers.
    #[serde(default)]
    #[schemars(schema_with = "choice::<FileOrder>")]
    pub(crate) order: Option<String>,
    /// Names of files that are meant to run forwards from their first line to their last, although something in them looks
    /// like a down migration; `"."` is the folder itself.
    #[serde(default, rename = "forward-only")]
    pub(crate) forward_only: Vec<String>,
    /// The schema that comes first in the search path and holds the ledger.
    pub(crate) schema: Option<String>,
    /// The search path of the migrations' sessions; begins with `schema`.
    pub(crate) search_path: Option<Vec<String>>,
    /// The state that the migrations start from, in place of the one that the base branch's migrations make.
    pub(crate) sample: Option<RawSharedSample>,
    /// The migrations that run once, before those of the tenants.
    pub(crate) shared: Option<RawShared>,
    /// The migrations that run once for each tenant, and who the tenants are.
    pub(crate) tenants: Option<RawTenants>,
}

/// The migrations that run once, before those of the tenants.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawShared {
    /// The directory of the shared migrations.
    pub(crate) migrations: String,
    /// The migration tool's name, where detection must not choose.
    pub(crate) format: Option<String>,
    /// The tool's version table, where it is not the tool's default.
    pub(crate) ledger: Option<String>,
    /// Who runs these migrations in production: the format's own tool, or `mig-ci upgrade`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Deploy>")]
    pub(crate) deploy: Option<String>,
    /// How plain SQL files are sorted: by bytes, or by the value of their numbers.
    #[serde(default)]
    #[schemars(schema_with = "choice::<FileOrder>")]
    pub(crate) order: Option<String>,
    /// Names of files that are meant to run forwards from their first line to their last, although something in them looks
    /// like a down migration; `"."` is the folder itself.
    #[serde(default, rename = "forward-only")]
    pub(crate) forward_only: Vec<String>,
    /// The schema that comes first in the search path and holds the ledger.
    pub(crate) schema: Option<String>,
    /// The search path of the migrations' sessions; begins with `schema`.
    pub(crate) search_path: Option<Vec<String>>,
    /// The state that the migrations start from, in place of the one that the base branch's migrations make.
    pub(crate) sample: Option<RawSharedSample>,
}

/// The migrations that run once for each tenant, and who the tenants are.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTenants {
    /// The directory of the tenants' migrations.
    pub(crate) migrations: String,
    /// The migration tool's name, where detection must not choose.
    pub(crate) format: Option<String>,
    /// The tool's version table, where it is not the tool's default. Each tenant has one.
    pub(crate) ledger: Option<String>,
    /// Who runs these migrations in production: the format's own tool, or `mig-ci upgrade`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Deploy>")]
    pub(crate) deploy: Option<String>,
    /// How plain SQL files are sorted: by bytes, or by the value of their numbers.
    #[serde(default)]
    #[schemars(schema_with = "choice::<FileOrder>")]
    pub(crate) order: Option<String>,
    /// Names of files that are meant to run forwards from their first line to their last, although something in them looks
    /// like a down migration; `"."` is the folder itself.
    #[serde(default, rename = "forward-only")]
    pub(crate) forward_only: Vec<String>,
    /// How tenants are kept apart: a schema each in one database, or a database each.
    #[serde(default)]
    #[schemars(schema_with = "choice::<Tenancy>")]
    pub(crate) tenancy: Option<String>,
    /// The name of a tenant's schema or database, with `{tenant}` where the tenant's name belongs.
    pub(crate) target: Option<String>,
    /// The search path of a tenant's sessions; begins with `{target}` where each tenant has a schema.
    pub(crate) search_path: Option<Vec<String>>,
    /// Where the real tenants' names come from, for the commands on real databases (`upgrade`, `status` …). `verify` does not read it.
    pub(crate) from: Option<RawFrom>,
    /// SQL files that are run once for each tenant, as the server's administrator, before its first migration.
    pub(crate) prepare: Option<OneOrMany>,
    /// Patterns of SQL files (plain or `.gz`), each a tenant's starting state; the file's name is the tenant's.
    pub(crate) samples: Option<OneOrMany>,
    /// What a sample file does not say of itself, by tenant.
    #[serde(default)]
    pub(crate) sample: IndexMap<String, RawSample>,
}

/// Where the real tenants' names come from: exactly one of these.
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

/// What a sample file does not say of itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSample {
    /// The tenant's sample file, where its name is not the tenant's.
    pub(crate) file: Option<String>,
    /// The migration at which the sample stands, where it has no ledger to say so.
    pub(crate) version: Option<RawVersion>,
}

/// The state that a shared track starts from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawSharedSample {
    /// An SQL file (plain or `.gz`).
    File(String),
    /// An SQL file, and what it does not say of itself.
    Table(RawSharedSampleTable),
}

/// An SQL file, and what it does not say of itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSharedSampleTable {
    /// An SQL file (plain or `.gz`).
    pub(crate) file: String,
    /// The migration at which the sample stands, where it has no ledger to say so.
    pub(crate) version: Option<RawVersion>,
}

/// What counts how much.
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
    /// What its findings weigh; `off` switches the check off.
    #[serde(default)]
    #[schemars(schema_with = "severity_or_off")]
    pub(crate) severity: Option<String>,
}

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
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

pub(super) fn choice<T: VariantNames>(_: &mut SchemaGenerator) -> Schema {
    choice_of(T::VARIANTS.to_vec())
}

fn severity_or_off(_: &mut SchemaGenerator) -> Schema {
    choice_of([Severity::VARIANTS, &[OFF]].concat())
}

/// One of these words, or a variable that will hold one.
fn choice_of(words: Vec<&'static str>) -> Schema {
    json_schema!({ "type": "string", "anyOf": [{ "enum": words }, { "pattern": "\\$\\{" }] })
}
