//! How to mend each kind of problem: the line after `help:`.

use super::problem::ConfigProblem;
use crate::model::{MAX_IDENTIFIER_BYTES, ProviderChoice, TargetError};

impl ConfigProblem {
    /// What to change, in one or two sentences; `None` where the problem says it all.
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
                "correct `--config`, or leave it out: mig-ci then looks for `mig-ci.toml` in this \
                 folder and in those above it"
                    .to_owned()
            }
            Self::NothingRecognised { root, looked_for } => format!(
                "looked in {root} for {}. Say where the migrations are in a `mig-ci.toml` there \
                 (docs/configuration.md), or run mig-ci in the folder that has them",
                looked_for.join("; ")
            ),
            Self::TwoSharedFolders { .. } => {
                "move them into one folder, or say in a `mig-ci.toml` which of them counts"
                    .to_owned()
            }
            Self::Unreadable(error) if error.reason.contains("UTF-8") => {
                "rename it, or keep it elsewhere: names are compared, and shown, as UTF-8"
                    .to_owned()
            }
            Self::Unreadable(error) if error.reason.contains("symlink") => {
                "mend the symlink, or take it away".to_owned()
            }
            Self::Unreadable(_) => "check the file's permissions".to_owned(),
            Self::NoConfigurationFile { .. } => {
                "mend it or take it away, or name another file with `--config`".to_owned()
            }
            Self::FileForFolder { .. } => "name the folder that it lies in".to_owned(),
            Self::FolderForFile { .. } => "name one file in it".to_owned(),
            Self::OutsideProject { .. } => {
                "paths are relative to the folder of `mig-ci.toml`, and stay inside it: move the \
                 file up"
                    .to_owned()
            }
            Self::NoMigrations { nearest, .. } | Self::NoFile { nearest, .. } => match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "paths are relative to the folder of `mig-ci.toml`".to_owned(),
            },
            Self::BadPattern { .. } => {
                "`*` stands for a part of a name, `**` for folders, `{a,b}` for alternatives; a \
                 `\\` takes the meaning from the next character"
                    .to_owned()
            }
            Self::NoMatch { folder, files: 0, .. } => {
                format!("the folder `{folder}` does not exist, or holds no files")
            }
            Self::NoMatch { folder, files, .. } => format!(
                "none of the {files} files below `{folder}` fits; `*` does not go into folders, \
                 `**` does"
            ),
            Self::BadVersion { .. } => {
                "give the major version alone, 14 or later: `version = \"17\"`".to_owned()
            }
            Self::NoServerUrl => {
                "set MIG_CI_POSTGRES_URL, give `--postgres-url`, or add `url = \"${VARIABLE}\"` to \
                 [postgres]; or choose another `provider`"
                    .to_owned()
            }
            Self::BadSetting { .. } => {
                "a setting of your own has a dot in its name: `\"app.region\" = \"eu\"`".to_owned()
            }
            Self::BadSettingValue { .. } => {
                "keep it on one line, with blanks alone between words".to_owned()
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
            Self::EmptyDatabaseName => "give it the name that `-n` should take".to_owned(),
            Self::NoTrack { database } => format!(
                "add `migrations = \"…\"` to [databases.{database}], or a `shared` or `tenants` \
                 table with one"
            ),
            Self::TwoSharedTracks { .. } => {
                "keep one of the two: `migrations` is the short form of `shared`".to_owned()
            }
            Self::WithoutMigrations { name, .. } => {
                format!("move `{name}` into the table whose `migrations` it is about")
            }
            Self::BadName { source, .. } => name_help(source)?,
            Self::NoReason { .. } => "say in `reason` why it is checked no more".to_owned(),
            Self::NotOnePart { .. } => "give `database`, `database` and `track`, `tenant` (with its `database`, if several \
                 have one of that name), `check`, or `setting`"
                .to_owned(),
            Self::EmptySearchPath { .. } => "name its schemas, or leave the key out".to_owned(),
            Self::SearchPathStart { expected, .. } => format!(
                "put {expected} first: that is where migrations create their tables, and where \
                 the ledger is"
            ),
            Self::TargetInSearchPath { .. } => {
                "name the schemas themselves; `{target}` is a tenant's schema, and belongs into \
                 the `search_path` of tenants that have one each"
                    .to_owned()
            }
            Self::TenantInSearchPath { .. } => {
                "write `{target}`: the tenant's schema, as the key `target` makes it".to_owned()
            }
            Self::UnknownPlaceholder { .. } => {
                "in a tenant's `search_path`, `{target}` is the tenant's schema; there is no other \
                 such name"
                    .to_owned()
            }
            Self::ServersSchema { .. } => "name a schema of your own".to_owned(),
            Self::BadTemplate { source, .. } => match source {
                TargetError::NoPlaceholder { template } => {
                    format!(
                        "put `{{tenant}}` where the tenant's name belongs: `{template}_{{tenant}}`"
                    )
                }
                other => name_help(other)?,
            },
            Self::BadTarget { source, .. } => name_help(source)?,
            Self::TakenTarget { .. } => {
                "set a `target` that keeps tenants apart from it, such as `tenant_{tenant}`"
                    .to_owned()
            }
            Self::SameTarget { .. } => {
                "rename one of the files, or give one another tenant's name: \
                 `sample.NAME = { file = \"…\" }` beside `samples`"
                    .to_owned()
            }
            Self::ReservedName { .. } => {
                "rename the file: `base`, `fresh`, `fresh_1` and `fresh_2` are the starting states \
                 that mig-ci makes itself"
                    .to_owned()
            }
            Self::NotSql { .. } => {
                "narrow the pattern (`*.sql`), or make the sample with `pg_dump --format=plain`"
                    .to_owned()
            }
            Self::NoSuchSample { known, .. } if known.is_empty() => {
                "say which `file` it is, or add `samples`".to_owned()
            }
            Self::NoSuchSample { tenant, known } => {
                did_you_mean(tenant, known, "say which `file` it is; the samples found are")
            }
            Self::NotOneSource { .. } => {
                "give exactly one of `query`, `list`, `pattern`, `file` and `command`".to_owned()
            }
        };
        Some(help)
    }
}

/// The name in `known` that `name` was most likely meant to be.
pub(crate) fn nearest<'a, S: AsRef<str>>(name: &str, known: &'a [S]) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace('_', "-");
    known
        .iter()
        .map(|candidate| {
            let lower = candidate.as_ref().to_lowercase().replace('_', "-");
            (strsim::damerau_levenshtein(&wanted, &lower), candidate.as_ref())
        })
        .filter(|(distance, _)| *distance <= (wanted.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn did_you_mean<S: AsRef<str>>(name: &str, known: &[S], introduction: &str) -> String {
    let list: Vec<String> = known.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    let list = format!("{introduction} {}", list.join(", "));
    match nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`? {}", capitalised(&list)),
        None => list,
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
        E::Unset { name } => format!("set it, or give a default: `${{{name}:-default}}`"),
        E::Unclosed | E::BadName { .. } => {
            "a variable is written `${NAME}` or `${NAME:-default}`; `$${` stands for `${` itself"
                .to_owned()
        }
    }
}

/// The line of the workflow that allows what the file asks for, and what that means.
fn limit(problem: &ConfigProblem) -> Option<String> {
    Some(match problem {
        ConfigProblem::VariableNotAllowed { name, allowed, .. } => format!(
            "if everyone who can open a pull request may read its value, add `allow-variables: {}` to \
             the `with:` of the step, and the variable to its `env:`",
            allowed.iter().chain([name]).map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
        ConfigProblem::VariableIsCredential { .. } => {
            "files of a pull request never read it, and no input allows it; put a value that may be \
             public into another variable"
                .to_owned()
        }
        ConfigProblem::VariableInImage { .. } => {
            "the name of an image goes to its registry: write it out, or give it by the input, as \
             `postgres-image: …` in the `with:` of the step"
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
            "set the server in the step, as `env: MIG_CI_POSTGRES_URL: ${{ secrets.… }}`; the file's \
             own `url` serves at a desk"
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
        TargetError::Empty => "give a name".to_owned(),
        TargetError::TooLong { bytes, .. } => format!(
            "shorten it by {} bytes: two names that PostgreSQL cuts alike would share one schema",
            bytes.saturating_sub(MAX_IDENTIFIER_BYTES)
        ),
        TargetError::Control { .. } => "take it out".to_owned(),
        TargetError::User => "choose another name".to_owned(),
        TargetError::Reserved { .. } => "choose a name that does not begin with `pg_`".to_owned(),
        TargetError::UnknownPlaceholder { .. } => "`{tenant}` is the only such name".to_owned(),
        TargetError::NoPlaceholder { .. } => return None,
    })
}

/// Help for the mistakes that people make most in TOML.
fn syntax(message: &str) -> Option<&'static str> {
    if message.contains("duplicate key") {
        Some("a key, or a table's header, may stand in a table once: join the two, or remove one")
    } else if message.contains("string values must be quoted") {
        Some("put the value between quotes")
    } else {
        None
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["migrations", "search_path", "fail-on", "order"];
        assert_eq!(nearest("migration", &known), Some("migrations"));
        assert_eq!(nearest("searchpath", &known), Some("search_path"));
        assert_eq!(nearest("fail_on", &known), Some("fail-on"));
        assert_eq!(nearest("Order", &known), Some("order"));
        assert_eq!(nearest("tenancy", &known), None);
        assert_eq!(nearest("x", &["y"; 0]), None);
    }
}
