//! The keys of an Alembic track in `mig-ci.toml` exactly as they are written: see `raw`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::choice_schema::choice;
use super::one_or_many::OneOrMany;
use crate::model::ProcessIsolation;

/// The keys that a track has if Alembic runs it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(crate) struct RawAlembicKeys {
    /// The Alembic environment of the track, instead of `migrations`: its configuration file and section, or its script folder.
    pub(crate) alembic: Option<RawAlembic>,
    /// Environment variables of Alembic's process, by name. Values may contain `{target}`, `{tenant}`, `{url}`, `{host}`,
    /// `{port}`, `{user}`, `{password}` and `{dbname}`.
    #[serde(default)]
    pub(crate) env: IndexMap<String, String>,
    /// Arguments of `alembic` before its command: `["-x", "tenant={tenant}"]`.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Main options of Alembic's configuration, where a project sets them in code.
    #[serde(default)]
    pub(crate) options: IndexMap<String, String>,
    /// The revision that the track is upgraded to, or a list of them, one upgrade after the other.
    pub(crate) revision: Option<OneOrMany>,
    /// What creates the state that the first revision expects: a command as a list of words, or the path of an SQL file.
    pub(crate) setup: Option<OneOrMany>,
    /// The Python interpreter that has the project's packages.
    pub(crate) python: Option<String>,
    /// The working folder of Alembic's process.
    pub(crate) cwd: Option<String>,
    /// Folders of `PYTHONPATH`.
    #[serde(default, rename = "python-path")]
    pub(crate) python_path: Vec<String>,
    /// How separate the Python processes of two targets are.
    #[serde(default)]
    #[schemars(schema_with = "choice::<ProcessIsolation>")]
    pub(crate) isolation: Option<String>,
    /// The container image in which Alembic runs, instead of this machine.
    pub(crate) image: Option<String>,
    /// What discovery has derived from the files, in sentences. Not a key.
    #[serde(skip)]
    pub(crate) inferred: Vec<String>,
}

/// The Alembic environment of a track.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAlembic {
    /// Alembic's configuration file, as in `alembic -c`.
    pub(crate) ini: Option<String>,
    /// The `pyproject.toml` with `[tool.alembic]`.
    pub(crate) pyproject: Option<String>,
    /// The section of the file, as in `alembic -n`.
    pub(crate) section: Option<String>,
    /// The script folder, or `package:folder`, if no file contains it.
    pub(crate) script_location: Option<String>,
    /// The folders of the revisions, if only env.py knows them.
    #[serde(default)]
    pub(crate) version_locations: Vec<String>,
}

impl RawAlembicKeys {
    /// The keys that are set, except `alembic` itself.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let keys = [
            ("env", !self.env.is_empty()),
            ("args", !self.args.is_empty()),
            ("options", !self.options.is_empty()),
            ("revision", self.revision.is_some()),
            ("setup", self.setup.is_some()),
            ("python", self.python.is_some()),
            ("cwd", self.cwd.is_some()),
            ("python-path", !self.python_path.is_empty()),
            ("isolation", self.isolation.is_some()),
            ("image", self.image.is_some()),
        ];
        keys.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}
