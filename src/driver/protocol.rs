//! The messages between mig-ci and its driver, as JSON lines. The other side is `python/supervisor.py`; a test compares the
//! version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of this protocol.
pub(crate) const PROTOCOL: u32 = 1;

/// A message to the driver.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum DriverRequest {
    /// Runs Alembic on one target.
    Run(Box<RunRequest>),
    /// Runs a command on one target.
    Setup(Box<SetupRequest>),
    /// Ends a run at once.
    Cancel { id: u64 },
}

/// The processes of a target: where they run, and what they know.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ProcessContext {
    /// The working folder; absolute.
    pub(crate) cwd: String,
    /// `PYTHONPATH`; absolute folders.
    pub(crate) python_path: Vec<String>,
    /// All variables.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) server: ProgramServer,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunRequest {
    pub(crate) id: u64,
    /// `process`, `fork` or `warm`.
    pub(crate) level: String,
    #[serde(flatten)]
    pub(crate) context: ProcessContext,
    /// Those variables that do not depend on the target: modules are imported with these before a target is known.
    pub(crate) neutral_environment: BTreeMap<String, String>,
    pub(crate) program: &'static str,
    pub(crate) alembic: AlembicCommand,
    pub(crate) operation: AlembicOperation,
    pub(crate) expect: Expectation,
    /// A folder from which no module may be imported; absolute.
    pub(crate) foreign_root: Option<String>,
    pub(crate) limits: Limits,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct SetupRequest {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) context: ProcessContext,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
}

/// The command line of Alembic before the command.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AlembicCommand {
    /// The configuration files; absolute.
    pub(crate) configs: Vec<String>,
    pub(crate) section: String,
    pub(crate) arguments: Vec<String>,
    /// Main options of the `Config`.
    pub(crate) options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub(crate) enum AlembicOperation {
    Upgrade { revisions: Vec<String> },
}

/// The only server that may be used.
#[derive(Clone, Serialize)]
pub(crate) struct ProgramServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The folder of its Unix socket, if it is not reached by TCP; `host` is then this folder.
    pub(crate) socket_dir: Option<String>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password: String,
    /// With the session settings that the driver passes to each connection.
    pub(crate) url: String,
    /// For the project: not every driver knows the parameter `options`.
    #[serde(skip)]
    pub(crate) plain_url: String,
}

/// Without the password, which is also in the URL.
impl std::fmt::Debug for ProgramServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, database, user, .. } = self;
        write!(f, "ProgramServer({user}@{host}:{port}/{database})")
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Expectation {
    pub(crate) database: String,
}

/// What the driver keeps of a run at most.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Limits {
    /// Bytes of output for each step.
    pub(crate) output_bytes: usize,
    /// Bytes of the text of a statement.
    pub(crate) sql_bytes: usize,
    /// Statements with their texts; further ones are counted.
    pub(crate) statements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output_bytes: 64 * 1024, sql_bytes: 8 * 1024, statements: 100_000 }
    }
}

/// A line from the driver. `id` is absent in messages about the driver itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EventLine {
    pub(crate) id: Option<u64>,
    #[serde(flatten)]
    pub(crate) event: DriverEvent,
}

/// What happened. Unknown events are ignored: a driver of the same version never sends any.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum DriverEvent {
    Ready {
        protocol: u32,
        python: String,
    },
    Fatal {
        reason: String,
    },
    Level {
        level: String,
        reason: Option<String>,
    },
    Connection {},
    Refused(RefusedEvent),
    Configured(ConfiguredEvent),
    Plan {
        revisions: Vec<String>,
    },
    StepBegin {
        revision: String,
        path: Option<String>,
    },
    Statement(Box<StatementEvent>),
    Unobserved {
        revision: Option<String>,
        count: u64,
        place: Option<SourcePlace>,
    },
    Notice {
        revision: Option<String>,
        severity: String,
        message: String,
    },
    Transaction {
        action: String,
        revision: Option<String>,
    },
    StepEnd {
        revision: String,
        duration_ms: f64,
    },
    Output {
        revision: Option<String>,
        text: String,
    },
    End(EndEvent),
    Exit {
        code: Option<i32>,
        signal: Option<i32>,
        /// Why the process ended, if its exit code does not say.
        reason: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RefusedEvent {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<serde_json::Value>,
    pub(crate) database: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) place: Option<SourcePlace>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ConfiguredEvent {
    pub(crate) version_table: Option<String>,
    pub(crate) version_table_schema: Option<String>,
    pub(crate) database: Option<String>,
    #[serde(default)]
    pub(crate) current_schemas: Vec<String>,
    #[serde(default)]
    pub(crate) in_transaction: bool,
    pub(crate) begun_at: Option<SourcePlace>,
    pub(crate) place: Option<SourcePlace>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StatementEvent {
    pub(crate) revision: Option<String>,
    #[serde(default)]
    pub(crate) sql: String,
    pub(crate) place: Option<SourcePlace>,
    pub(crate) ok: bool,
    pub(crate) error: Option<ErrorEvent>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EndEvent {
    pub(crate) exit_code: Option<i32>,
    pub(crate) error: Option<ErrorEvent>,
    #[serde(default)]
    pub(crate) open_transactions: Vec<OpenTransaction>,
    /// Modules that were imported from the foreign root.
    #[serde(default)]
    pub(crate) foreign_modules: Vec<String>,
    /// Failures of a revision that env.py caught.
    #[serde(default)]
    pub(crate) unfinished: Vec<ErrorEvent>,
}

/// A transaction that was never committed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OpenTransaction {
    pub(crate) begun_at: Option<SourcePlace>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ErrorEvent {
    /// `database`, `alembic`, `import`, `python` or `exit`.
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(rename = "type", default)]
    pub(crate) type_name: String,
    #[serde(default)]
    pub(crate) message: String,
    pub(crate) sqlstate: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) statement: Option<String>,
    pub(crate) place: Option<SourcePlace>,
    pub(crate) revision: Option<String>,
    #[serde(default)]
    pub(crate) traceback: Vec<SourcePlace>,
}

/// A line of a Python file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct SourcePlace {
    /// Absolute.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) function: Option<String>,
    pub(crate) text: Option<String>,
}
