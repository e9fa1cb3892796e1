//! How an Alembic project's track is run, as it is configured or read from `alembic.ini`. Paths are relative to the project's
//! root.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8PathBuf;
use indexmap::IndexMap;

/// The Alembic environment of a track, and how mig-ci runs it.
///
/// Texts of [`environment`](Self::environment), [`arguments`](Self::arguments) and [`options`](Self::options) may contain
/// placeholders of the target: see [`PLACEHOLDERS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AlembicTrack {
    /// The configuration file (`-c`); `None` if the project has none.
    pub(crate) ini: Option<Utf8PathBuf>,
    /// The `pyproject.toml` with `[tool.alembic]`, if there is one.
    pub(crate) pyproject: Option<Utf8PathBuf>,
    /// The section of the ini file (`-n`).
    pub(crate) section: String,
    /// `script_location`, if the configuration of mig-ci sets it: a folder relative to [`folder`](Self::folder), or
    /// `package:folder`.
    pub(crate) script_location: Option<String>,
    /// Folders of revisions that only env.py knows; else they are read from the ini file.
    pub(crate) version_locations: Vec<Utf8PathBuf>,
    /// Variables of the process, besides the few that every process gets.
    pub(crate) environment: IndexMap<String, String>,
    /// Arguments before the command: `-x tenant=…`.
    pub(crate) arguments: Vec<String>,
    /// Main options of the `Config`, where a project sets them in code.
    pub(crate) options: IndexMap<String, String>,
    /// What to upgrade to, one command after the other; never empty.
    pub(crate) revisions: Vec<String>,
    /// What makes the state that the first revision expects.
    pub(crate) setup: Option<AlembicSetup>,
    /// The interpreter; by default it is searched for.
    pub(crate) python: Option<String>,
    /// The working folder of the process.
    pub(crate) folder: Utf8PathBuf,
    /// Folders of `PYTHONPATH`.
    pub(crate) python_path: Vec<Utf8PathBuf>,
    pub(crate) isolation: ProcessIsolation,
    /// The container image in which the driver runs, instead of this machine.
    pub(crate) image: Option<String>,
    /// What env.py reads by name and nothing above sets.
    pub(crate) undeclared: Vec<UndeclaredRead>,
    /// env.py and the modules from which its reads were found: what they contain at the base decides what the base is.
    pub(crate) read_files: Vec<Utf8PathBuf>,
    /// The folders of the revisions.
    pub(crate) version_folders: Vec<Utf8PathBuf>,
    /// What discovery has derived from the files, in sentences; empty if a configuration sets it.
    pub(crate) inferred: Vec<String>,
}

/// A value that env.py, or a module that it imports, reads by name, and that has no value when mig-ci runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UndeclaredRead {
    pub(crate) kind: UndeclaredKind,
    pub(crate) name: String,
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// Whether the program goes on without the value.
    pub(crate) has_default: bool,
}

/// Where a value would come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UndeclaredKind {
    /// An environment variable.
    Variable,
    /// An `-x key=value`.
    Argument,
    /// A main option of Alembic's configuration.
    MainOption,
}

/// What the texts of an [`AlembicTrack`] may contain.
pub(crate) const PLACEHOLDERS: [&str; 8] =
    ["target", "tenant", "url", "host", "port", "user", "password", "dbname"];

/// What runs before the first revision of an empty target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AlembicSetup {
    /// A program and its arguments, without a shell.
    Command(Vec<String>),
    /// An SQL file, run with the target's search path.
    SqlFile(Utf8PathBuf),
}

/// How separate the Python processes of two targets are.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum ProcessIsolation {
    /// A new interpreter for each target, as if a script started `alembic` for each.
    Process,
    /// Forked from a process that has imported Alembic, SQLAlchemy and the database drivers.
    Fork,
    /// Forked from a process that has also imported the modules that env.py imports.
    #[default]
    Warm,
}

/// A revision's place in Alembic's graph, as its file states it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RevisionNode {
    /// `down_revision`: empty for a base, several for a merge.
    pub(crate) down_revisions: Vec<String>,
    /// `depends_on`, each a revision, a part of one, or a branch label.
    pub(crate) depends_on: Vec<String>,
    pub(crate) branch_labels: Vec<String>,
    /// The line of `down_revision` in its file, from 1; that of `revision` if it has none.
    pub(crate) line: usize,
    /// The line of `revision`, from 1.
    pub(crate) revision_line: usize,
    /// The line of `depends_on`; 0 if it has none.
    pub(crate) depends_on_line: usize,
    /// Its position in the order in which Alembic reads the files: where several orders are possible, it decides.
    pub(crate) order: usize,
    pub(crate) lineage: RevisionLineage,
    /// The upgrade function's body does nothing: `pass`, or only a docstring.
    pub(crate) is_empty: bool,
}

/// The revisions of a directory and what follows each of them directly. It is derived from the nodes, so that all are equal in
/// comparisons of nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct RevisionLineage(Arc<BTreeMap<String, Vec<String>>>);

impl PartialEq for RevisionLineage {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for RevisionLineage {}

impl RevisionLineage {
    pub(crate) fn new(followers: BTreeMap<String, Vec<String>>) -> Self {
        Self(Arc::new(followers))
    }

    /// The revision and everything that is built on it.
    pub(crate) fn descendants<'l>(&'l self, revision: &'l str) -> BTreeSet<&'l str> {
        let mut found = BTreeSet::from([revision]);
        let mut to_do = vec![revision];
        while let Some(one) = to_do.pop() {
            let followers = self.0.get(one).into_iter().flatten().map(String::as_str);
            to_do.extend(followers.filter(|follower| found.insert(*follower)));
        }
        found
    }
}
