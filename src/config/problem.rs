//! The kinds of configuration problems, each with its sentence; [`super::help`] says how to fix them.

use camino::Utf8PathBuf;

use super::alembic_problem::AlembicProblem;
use super::interpolate::InterpolationError;
use crate::model::{FilesError, ProviderChoice, TargetError};

/// One kind of problem. Sentences begin in lower case and name the key, the file and the tenant that they refer to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigProblem {
    // The text, its keys and types.
    #[error("{} is not UTF-8 text", .path)]
    NotUtf8 { path: Utf8PathBuf },
    #[error("not valid TOML: {message}")]
    Syntax { message: String },
    #[error("unknown key `{key}` in {table}")]
    UnknownKey { key: String, table: String, known: Vec<String>, elsewhere: Vec<String> },
    #[error("there is no check `{code}`")]
    UnknownCheck { code: String, known: Vec<String> },
    #[error("{table} has no `{key}`")]
    MissingKey { key: String, table: String, description: Option<String> },
    #[error("`{key}` must be {expected}, and is {found}")]
    WrongType { key: String, expected: String, found: String, description: Option<String> },
    /// Missed by the other checks of the structure: in serde's words.
    #[error("{message}")]
    Shape { message: String },
    #[error("`{key}` cannot be `{value}`")]
    NotOneOf { key: String, value: String, choices: Vec<&'static str> },
    #[error("`{key}`: {source}")]
    Interpolation { key: String, source: InterpolationError },

    // Files and folders.
    #[error("there is no configuration file {path}")]
    NoSuchConfiguration { path: Utf8PathBuf },
    #[error("{path} exists, but {reason}")]
    NoConfigurationFile { path: Utf8PathBuf, reason: String },
    #[error("no `mig-ci.toml`, and no migrations that could be detected without one")]
    NothingRecognised { root: Utf8PathBuf, looked_for: &'static [&'static str] },
    #[error("shared migrations are both in `{folder}` itself and in `{folder}/shared`")]
    TwoSharedFolders { folder: Utf8PathBuf },
    #[error(transparent)]
    Unreadable(#[from] FilesError),
    #[error("`{key}`: `{path}` leads out of the project")]
    OutsideProject { key: String, path: String },
    #[error("`{key}`: the folder `{path}` does not exist, or contains no files")]
    NoMigrations { key: String, path: Utf8PathBuf, nearest: Option<String> },
    #[error("`{key}`: `{path}` is a file, not a folder")]
    FileForFolder { key: String, path: Utf8PathBuf },
    #[error("`{key}`: `{path}` is a folder, not a file")]
    FolderForFile { key: String, path: Utf8PathBuf },
    #[error("`{key}`: there is no file `{path}`")]
    NoFile { key: String, path: Utf8PathBuf, nearest: Option<String> },
    #[error("`{key}`: `{pattern}` is not a pattern: {reason}")]
    BadPattern { key: String, pattern: String, reason: String },
    #[error("`{key}`: no file matches `{pattern}`")]
    NoMatch { key: String, pattern: String, folder: Utf8PathBuf, files: usize },

    // The server.
    #[error("`{value}` is not a major version of PostgreSQL that mig-ci supports")]
    BadVersion { value: String },
    #[error("the provider is `url`, but the server's URL is not set")]
    NoServerUrl,
    #[error("`{name}` is not the name of a setting")]
    BadSetting { name: String },
    #[error(
        "the value of the setting `{name}` has a control character, such as a tab or a line end"
    )]
    BadSettingValue { name: String },
    #[error("the setting `{name}` would override what mig-ci sets for each session")]
    ReservedSetting { name: String, instead: &'static str },

    // Settings that a pull request's file may not choose.
    #[error("`{key}` may not read the environment variable `{name}` in the action")]
    VariableNotAllowed { key: String, name: String, allowed: Vec<String> },
    #[error("`{key}`: the environment variable `{name}` is a credential")]
    VariableIsCredential { key: String, name: String },
    #[error(
        "`postgres.image` contains the variable `{name}`, which the action does not read there"
    )]
    VariableInImage { name: String },
    #[error("`postgres.provider` cannot be `{provider}` in the action unless its input selects it")]
    ProviderNotAllowed { provider: ProviderChoice },
    #[error("`postgres.url` is not used in the action: the workflow names the server")]
    ServerOfFile,
    #[error("`postgres.role` cannot be `superuser` in the action unless its input allows it")]
    SuperuserNotAllowed,

    // Databases and their tracks.
    #[error("the file contains no database")]
    NoDatabases,
    #[error("a database has an empty name")]
    EmptyDatabaseName,
    #[error("the database `{database}` has no migrations")]
    NoTrack { database: String },
    #[error("the database `{database}` has two keys for its migrations: `{own}` and `shared`")]
    TwoSharedTracks { database: String, own: &'static str },
    #[error(transparent)]
    Alembic(#[from] AlembicProblem),
    #[error("`{key}` is in a table without `migrations` or `alembic`")]
    WithoutMigrations { key: String, name: &'static str },
    #[error("`{key}`: {source}")]
    BadName { key: String, source: TargetError },
    #[error("`{key}` is empty")]
    EmptySearchPath { key: String },
    #[error("`{key}` begins with `{first}`, not with {expected}")]
    SearchPathStart { key: String, first: String, expected: String },
    #[error("`{key}` contains `{{target}}`, but {reason}")]
    TargetInSearchPath { key: String, reason: &'static str },
    #[error("`{key}` contains `{{tenant}}`, which has no meaning there")]
    TenantInSearchPath { key: String },

    #[error("`{key}` contains `{placeholder}`, which has no meaning there")]
    UnknownPlaceholder { key: String, placeholder: String },
    #[error("`{key}`: `{name}` is a schema of PostgreSQL's own")]
    ServersSchema { key: String, name: String },

    // Coverage.
    #[error("[[coverage.removed]] has an entry without a reason (`{key}`)")]
    NoReason { key: String },
    #[error("[[coverage.removed]] has an entry that does not name one part (`{key}`)")]
    NotOnePart { key: String },

    // Tenants and samples.
    #[error("`{key}`: {source}")]
    BadTemplate { key: String, source: TargetError },
    #[error("the target of the tenant `{tenant}` ({origin}) is invalid: {source}")]
    BadTarget { tenant: String, origin: String, source: TargetError },
    #[error(
        "the tenant `{tenant}` ({origin}) would have the target `{target}`, which is {taken_by}"
    )]
    TakenTarget { tenant: String, origin: String, target: String, taken_by: String },
    #[error("two samples have the target `{target}`: {first} and {second}")]
    SameTarget { target: String, first: Utf8PathBuf, second: Utf8PathBuf },
    #[error("the name `{name}` of the sample {path} is reserved by mig-ci")]
    ReservedName { name: String, path: Utf8PathBuf },
    #[error("`{key}`: {path} is not an `.sql` or `.sql.gz` file")]
    NotSql { key: String, path: Utf8PathBuf },
    #[error("no sample file belongs to the tenant `{tenant}`")]
    NoSuchSample { tenant: String, known: Vec<String> },
    #[error("{table} has {}", if .given.is_empty() { "no source of names".to_owned() } else { format!("{} sources of names: {}", .given.len(), .given.join(", ")) })]
    NotOneSource { table: String, given: Vec<&'static str> },
}
