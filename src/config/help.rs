//! How to fix each kind of problem: the line after `help:`.

use super::nearest::{did_you_mean, nearest};
use super::problem::ConfigProblem;
use crate::model::{MAX_IDENTIFIER_BYTES, ProviderChoice, TargetError};

impl ConfigProblem {
    /// What to change, in one or two sentences; `None` if the problem is self-explanatory.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of problem")]
    pub(crate) fn help(&self) -> Option<String> {
        let help = match self {
            Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::Syntax { message } => syntax(message)?.to_owned(),
            Self::UnknownKey { key, table, known, elsewhere } => {
                unknown_key(key, table, known, elsewhere)
            }
            Self::UnknownCheck { code, known } => did_you_mean(code, known, "the checks are"),
            Self::MissingKey { description, .. } => description.clone()?,
            Self::WrongType { key, expected, .. }
                if key.starts_with("checks.") && expected == "a table" =>
            {
                format!("write `{} = {{ severity = \"warning\" }}`", &key["checks.".len()..])
            }
            Self::WrongType { description, .. } => description.clone()?,
            Self::Shape { .. } => return None,
            Self::NotOneOf { value, choices, .. } => did_you_mean(value, choices, "it can be"),
            Self::Interpolation { source, .. } => interpolation(source),
            Self::NoSuchConfiguration { .. } => {
                "correct `--config`, or omit it: mig-ci then searches for `mig-ci.toml` in this folder and its parents"
                    .to_owned()
            }
            Self::NothingRecognised { root, looked_for } => format!(
                "searched {root} for {}. Set the folder of the migrations in a `mig-ci.toml` there (docs/configuration.md), \
                 or run mig-ci in the project's folder",
                looked_for.join("; ")
            ),
            Self::TwoSharedFolders { .. } => {
                "move them into one folder, or choose one of them in a `mig-ci.toml`"
                    .to_owned()
            }
            Self::Unreadable(error) if error.reason.contains("UTF-8") => {
                "rename it, or move it: names have to be UTF-8"
                    .to_owned()
            }
            Self::Unreadable(error) if error.reason.contains("symlink") => {
                "fix the symlink, or remove it".to_owned()
            }
            Self::Unreadable(_) => "check the file's permissions".to_owned(),
            Self::NoConfigurationFile { .. } => {
                "fix it, remove it, or use another file with `--config`".to_owned()
            }
            Self::FileForFolder { .. } => "name its folder".to_owned(),
            Self::FolderForFile { .. } => "name one file in it".to_owned(),
            Self::OutsideProject { .. } => {
                "paths are relative to the folder of `mig-ci.toml` and have to stay inside it: move `mig-ci.toml` to a \
                 parent folder"
                    .to_owned()
            }
            Self::NoMigrations { nearest, .. } | Self::NoFile { nearest, .. } => match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "paths are relative to the folder of `mig-ci.toml`".to_owned(),
            },
            Self::BadPattern { .. } => {
                "`*` matches a part of a name, `**` matches folders, `{a,b}` alternatives; `\\` escapes the next character"
                    .to_owned()
            }
            Self::NoMatch { folder, files: 0, .. } => {
                format!("the folder `{folder}` does not exist, or contains no files")
            }
            Self::NoMatch { folder, files, .. } => format!(
                "none of the {files} files below `{folder}` matches; `*` does not match folders, `**` does"
            ),
            Self::BadVersion { .. } => {
                "use only the major version, 14 or later: `version = \"17\"`".to_owned()
            }
            Self::NoServerUrl => {
                "set MIG_CI_POSTGRES_URL or `--postgres-url`, or add `url = \"${VARIABLE}\"` to [postgres]; or choose \
                 another `provider`"
                    .to_owned()
            }
            Self::BadSetting { .. } => {
                "a custom setting has a dot in its name: `\"app.region\" = \"eu\"`".to_owned()
            }
            Self::BadSettingValue { .. } => {
                "write it on one line, with only blanks between words".to_owned()
            }
            Self::ReservedSetting { instead, .. } => format!("use {instead}"),
            Self::VariableNotAllowed { .. }
            | Self::VariableIsCredential { .. }
            | Self::VariableInImage { .. }
            | Self::ProviderNotAllowed { .. }
            | Self::ServerOfFile
            | Self::SuperuserNotAllowed => limit(self)?,
            Self::NoDatabases => {
                "add one: `[databases.app]` with `migrations = \"migrations\"`".to_owned()
            }
            Self::EmptyDatabaseName => "give it a name for `-n`".to_owned(),
            Self::NoTrack { database } => format!(
                "add `migrations = \"…\"` or `alembic = {{ … }}` to [databases.{database}], or a `shared` or `tenants` \
                 table with one of them"
            ),
            Self::TwoSharedTracks { own, .. } => {
                format!("remove one of the two: `{own}` is the short form of `shared`")
            }
            Self::WithoutMigrations { name, .. } => {
                format!("move `{name}` into the table with its `migrations` or `alembic`")
            }
            Self::BadName { source, .. } => name_help(source)?,
            Self::Alembic(problem) => problem.help()?,
            Self::NoReason { .. } => "explain in `reason` why it is no longer verified".to_owned(),
            Self::NotOnePart { .. } => "set `database`, `database` and `track`, `tenant` (with its `database` if several \
                                        databases have a tenant of that name), `check`, or `setting`"
                .to_owned(),
            Self::EmptySearchPath { .. } => "list its schemas, or remove the key".to_owned(),
            Self::SearchPathStart { expected, .. } => format!(
                "put {expected} first: migrations create their tables there, and it contains the ledger"
            ),
            Self::TargetInSearchPath { .. } => {
                "list schema names; `{target}` is a tenant's schema, and is valid only in the `search_path` of tenants with \
                 a schema each"
                    .to_owned()
            }
            Self::TenantInSearchPath { .. } => {
                "write `{target}`: the tenant's schema, as defined by the key `target`".to_owned()
            }
            Self::UnknownPlaceholder { .. } => {
                "in a tenant's `search_path`, `{target}` is the tenant's schema; there is no other placeholder"
                    .to_owned()
            }
            Self::ServersSchema { .. } => "use one of your own schemas".to_owned(),
            Self::BadTemplate { source, .. } => match source {
                TargetError::NoPlaceholder { template } => {
                    format!(
                        "insert `{{tenant}}` for the tenant's name: `{template}_{{tenant}}`"
                    )
                }
                other => name_help(other)?,
            },
            Self::BadTarget { source, .. } => name_help(source)?,
            Self::TakenTarget { .. } => {
                "set a `target` that cannot produce this name, such as `tenant_{tenant}`"
                    .to_owned()
            }
            Self::SameTarget { .. } => {
                "rename one of the files, or set another tenant's name for it: `sample.NAME = { file = \"…\" }` next to \
                 `samples`"
                    .to_owned()
            }
            Self::ReservedName { .. } => {
                "rename the file: `base`, `fresh`, `fresh_1` and `fresh_2` are the starting states that mig-ci creates \
                 itself"
                    .to_owned()
            }
            Self::NotSql { .. } => {
                "restrict the pattern (`*.sql`), or create the sample with `pg_dump --format=plain`"
                    .to_owned()
            }
            Self::NoSuchSample { known, .. } if known.is_empty() => {
                "set its `file`, or add `samples`".to_owned()
            }
            Self::NoSuchSample { tenant, known } => {
                did_you_mean(tenant, known, "set its `file`; the samples found are")
            }
            Self::NotOneSource { .. } => {
                "set exactly one of `query`, `list`, `pattern`, `file` and `command`".to_owned()
            }
        };
        Some(help)
    }
}

fn unknown_key(key: &str, table: &str, known: &[String], elsewhere: &[String]) -> String {
    if nearest(key, known).is_none() && !elsewhere.is_empty() {
        return format!("`{key}` is a key of {}", elsewhere.join(", "));
    }
    did_you_mean(key, known, &format!("the keys of {table} are"))
}

fn interpolation(error: &super::interpolate::InterpolationError) -> String {
    use super::interpolate::InterpolationError as E;
    match error {
        E::Unset { name } => format!("set it, or write a default: `${{{name}:-default}}`"),
        E::Unclosed | E::BadName { .. } => {
            "write a variable as `${NAME}` or `${NAME:-default}`; `$${` is a literal `${`"
                .to_owned()
        }
    }
}

/// The line of the workflow that allows what the file requires, and its consequences.
fn limit(problem: &ConfigProblem) -> Option<String> {
    Some(match problem {
        ConfigProblem::VariableNotAllowed { name, allowed, .. } => format!(
            "if everyone who can open a pull request may read its value, add `allow-variables: {}` to \
             the `with:` of the step, and the variable to its `env:`",
            allowed.iter().chain([name]).map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
        ConfigProblem::VariableIsCredential { .. } => {
            "files of a pull request can never read it, and no input allows it; put a public value into another variable"
                .to_owned()
        }
        ConfigProblem::VariableInImage { .. } => {
            "the name of an image is sent to its registry: write it without variables, or set `postgres-image: …` in the \
             `with:` of the step"
                .to_owned()
        }
        ConfigProblem::ProviderNotAllowed { provider: ProviderChoice::Local } => {
            "the SQL of a pull request could then run programs on the runner: leave `provider` at \
             `docker`, or add `provider: local` to the `with:` of the step if everyone who can open \
             a pull request may run programs there"
                .to_owned()
        }
        ConfigProblem::ProviderNotAllowed { .. } => {
            "add `provider: url` to the `with:` of the step, and `env: MIG_CI_POSTGRES_URL`, if \
             everyone who can open a pull request may run SQL on that server"
                .to_owned()
        }
        ConfigProblem::ServerOfFile => {
            "set the server in the step, as `env: MIG_CI_POSTGRES_URL: ${{ secrets.… }}`; the file's `url` is for local use"
                .to_owned()
        }
        ConfigProblem::SuperuserNotAllowed => {
            "add `allow-superuser: true` to the `with:` of the step: safe with the provider `docker`, \
             whose server holds no secrets; on any other server a superuser can run programs"
                .to_owned()
        }
        _ => return None,
    })
}

fn name_help(error: &TargetError) -> Option<String> {
    Some(match error {
        TargetError::Empty => "enter a name".to_owned(),
        TargetError::TooLong { bytes, .. } => format!(
            "shorten it by {} bytes: two names that PostgreSQL truncates to the same name would share one schema",
            bytes.saturating_sub(MAX_IDENTIFIER_BYTES)
        ),
        TargetError::Control { .. } => "remove it".to_owned(),
        TargetError::User => "choose another name".to_owned(),
        TargetError::Reserved { .. } => "choose a name that does not begin with `pg_`".to_owned(),
        TargetError::UnknownPlaceholder { .. } => "`{tenant}` is the only placeholder".to_owned(),
        TargetError::NoPlaceholder { .. } => return None,
    })
}

/// Help for the most common mistakes in TOML.
fn syntax(message: &str) -> Option<&'static str> {
    if message.contains("duplicate key") {
        Some("a key or a table header may occur only once in a table: merge the two, or remove one")
    } else if message.contains("string values must be quoted") {
        Some("put the value in quotes")
    } else {
        None
    }
}
