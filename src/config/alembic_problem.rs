//! The problems of Alembic tracks in the configuration: each with its sentence, and how to fix it.

use camino::Utf8PathBuf;

use super::nearest::{did_you_mean, nearest};
use crate::formats::FormatError;
use crate::model::PLACEHOLDERS;

/// One kind of problem with the keys of an Alembic track.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AlembicProblem {
    #[error("`{key}` has no effect without `alembic`")]
    WithoutAlembic { key: String, table: String },
    #[error("`{key}` is set, but Alembic runs this track")]
    NotWithAlembic { key: String, instead: &'static str },
    #[error(
        "`{key}`: neither an `ini` nor a `script_location` is set, and {folder} has no `alembic.ini`"
    )]
    NoEnvironment { key: String, folder: String },
    #[error("`{key}` is set without `ini`: only an ini file has sections")]
    SectionWithoutIni { key: String },
    #[error("`{key}`: {ini} has no section `{section}` with a `script_location`")]
    NoSection { key: String, ini: Utf8PathBuf, section: String, known: Vec<String> },
    #[error("`{key}`: {source}")]
    Environment { key: String, source: FormatError },
    #[error(transparent)]
    Discovered { source: FormatError },
    #[error("{ini} has no section with a `script_location`")]
    NoScriptLocation { ini: Utf8PathBuf },
    #[error(
        "{ini} describes an Alembic environment, and {sql} contains SQL migrations of another tool"
    )]
    TwoTools { ini: Utf8PathBuf, sql: String, instead: String },
    #[error("`{key}`: the folder `{path}` is an Alembic environment, and `alembic` is not set")]
    AlembicFolder { key: String, path: Utf8PathBuf, instead: String },
    #[error("`{key}` contains `{{{placeholder}}}`, which is not a placeholder")]
    UnknownPlaceholder { key: String, placeholder: String },
    #[error(
        "`{key}` contains `{{{placeholder}}}`, but shared migrations do not belong to a tenant"
    )]
    TenantInShared { key: String, placeholder: String },
    #[error("`{key}` is empty")]
    Empty { key: String, help: &'static str },
    #[error("`{key}`: `{revision}` is relative to the state of a target")]
    RelativeRevision { key: String, revision: String },
    #[error("`{key}`: `{name}` is not the name of an environment variable")]
    BadVariable { key: String, name: String },
    #[error("`{key}`: mig-ci sets `{name}` itself")]
    SetByMigCi { key: String, name: String, instead: &'static str },
    #[error("`{key}` cannot be `{image}` in the action unless its input allows it")]
    ImageNotAllowed { key: String, image: String },
    #[error("`{key}` cannot be `{path}` in the action: it is not in the checkout")]
    PythonNotAllowed { key: String, path: String },
}

impl AlembicProblem {
    /// What to change.
    pub(crate) fn help(&self) -> Option<String> {
        Some(match self {
            Self::WithoutAlembic { table, .. } => format!(
                "add `alembic = {{ ini = \"alembic.ini\", section = \"…\" }}` to {table} if Alembic runs these migrations, or \
                 remove the key"
            ),
            Self::NotWithAlembic { instead, .. } | Self::SetByMigCi { instead, .. } => {
                (*instead).to_owned()
            }
            Self::NoEnvironment { .. } => {
                "write `alembic = { ini = \"alembic.ini\", section = \"alembic\" }`, or `{ script_location = \"migrations\" }` for \
                 a project without a configuration file of Alembic"
                    .to_owned()
            }
            Self::SectionWithoutIni { .. } => "add the `ini`, or remove the `section`".to_owned(),
            Self::NoSection { known, .. } if known.is_empty() => {
                "set `script_location` next to `ini` if the project sets it in code".to_owned()
            }
            Self::NoSection { section, known, .. } => {
                did_you_mean(section, known, "the sections with a `script_location` are")
            }
            Self::Environment { source, .. } | Self::Discovered { source } => {
                source.help()?.to_owned()
            }
            Self::NoScriptLocation { ini } => format!(
                "if the project sets it in code, write a `mig-ci.toml` with `[databases.app]` and `alembic = {{ ini = \"{ini}\", \
                 script_location = \"…\" }}`"
            ),
            Self::TwoTools { instead, .. } => format!(
                "write a `mig-ci.toml` with those that production uses: {instead}; `mig-ci init` writes one after the other folder \
                 is moved away"
            ),
            Self::AlembicFolder { instead, .. } => {
                format!("replace `migrations` by `{instead}`")
            }
            Self::UnknownPlaceholder { placeholder, .. } => placeholders(placeholder),
            Self::TenantInShared { .. } => {
                "write the value itself, or move the key to the track of the tenants".to_owned()
            }
            Self::Empty { help, .. } => (*help).to_owned(),
            Self::RelativeRevision { .. } => {
                "write a revision, a branch (`label@head`), `head` or `heads`".to_owned()
            }
            Self::BadVariable { .. } => {
                "a name has letters, digits and `_`, and does not begin with a digit".to_owned()
            }
            Self::ImageNotAllowed { image, .. } => format!(
                "the code of a pull request could read everything in an image that the runner may pull: add `runner-image: \
                 {image}` to the `with:` of the step; with several, one per line, `image` selects one of them"
            ),
            Self::PythonNotAllowed { .. } => {
                "set a path in the checkout (`.venv/bin/python`) or the name of a program (`python3.12`); without the key, the \
                 active virtual environment is used"
                    .to_owned()
            }
        })
    }
}

fn placeholders(written: &str) -> String {
    let known: Vec<String> = PLACEHOLDERS.iter().map(|name| format!("{{{name}}}")).collect();
    let known = known.join(", ");
    match nearest(written, &PLACEHOLDERS) {
        Some(near) => format!("did you mean `{{{near}}}`? The placeholders are {known}"),
        None => format!("the placeholders are {known}"),
    }
}
