//! The kinds of failure, and the exact cause for the two kinds that are not failures of a migration: the environment and the
//! target. The names of causes (`disk-full`) are part of the JSON reports and do not change.

/// What caused a failure, if the SQLSTATE alone does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureOrigin {
    /// A statement of the script raised it (`RAISE … USING ERRCODE`).
    Script,
    /// The state of the server, independent of the script.
    Environment(EnvironmentCause),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The server refused a statement, with this SQLSTATE.
    Sql { sqlstate: String },
    /// The tool that owns the ledger would refuse to run: an edited or missing migration, a dirty row.
    Refused,
    /// An unusable file: a sample with an unfinished COPY block, a `\connect`.
    File,
    /// The session's effective search path is not the required one.
    SearchPath,
    /// The ledger could not be read or written.
    Ledger,
    /// The server failed at an operation of mig-ci itself, such as creating a database.
    Environment(EnvironmentCause),
    /// A real target cannot be upgraded: its name, address or schema is unusable, or another run holds its lock.
    Target(TargetCause),
    /// The connection broke, and the server is not available any more.
    ServerLost,
    /// The connection broke, and the server is still available.
    ConnectionLost,
    /// A migration program failed, or did not do what it reported.
    Program(ProgramCause),
}

/// What a migration program, such as Alembic, did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum ProgramCause {
    /// It could not be started: no interpreter, a module or a section is missing, env.py cannot be imported.
    NotStarted,
    /// It raised an error that is not the server's.
    Exception,
    /// Its process was ended by a signal, or by itself.
    Ended,
    /// It tried to connect to another server or database.
    OtherServer,
    /// It ended successfully without a connection to the server of the run.
    NoConnection,
    /// It ended successfully, and never committed its transaction.
    NotCommitted,
    /// It ended successfully, and worked in another schema or database.
    OtherTarget,
    /// It ended successfully, and the ledger does not show the revisions.
    LedgerNotMoved,
}

/// The part of the environment that failed: the server, the machine or the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum EnvironmentCause {
    DiskFull,
    OutOfMemory,
    TooManyConnections,
    /// A limit of the server's configuration, such as `temp_file_limit`.
    ConfigurationLimit,
    /// Another exhausted resource of the server: processes, open files.
    InsufficientResources,
    /// The server cannot read or write its own files, or they are corrupted.
    StorageError,
    /// The server is starting, stopping, or terminating the session.
    ServerUnavailable,
    /// The server was restarted, or recovered from a crash, during the operation.
    ServerRestarted,
    /// The server is read-only for the role.
    ReadOnly,
    /// No session could be opened within the time limit.
    SessionNotOpened,
    /// A connection pooler does not pass the session's settings on.
    Pooler,
    /// The scratch database of a replay could not be created.
    DatabaseNotCreated,
    /// A database with an inconclusive result could not be replayed again.
    NotReplayedAgain,
    /// A schema whose catalog was to be read does not exist.
    MissingSchema,
    /// A system catalog returned rows in an unexpected form.
    CatalogUnreadable,
    /// The run was interrupted.
    Interrupted,
}

/// Why a real target cannot be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum TargetCause {
    /// Another run, or a backend of a terminated run, holds the advisory lock of the ledger.
    LockNotAcquired,
    MissingSchema,
    /// `CREATE INDEX CONCURRENTLY` left an invalid index with a name that a migration needs.
    InvalidIndex,
    /// The tenant source returned an invalid name, or no name.
    InvalidName,
    /// The tenant source returned the name more than once.
    AmbiguousName,
    /// The tenant source no longer returns the tenant.
    NotInSource,
    InvalidAddress,
    /// The schema or database belongs to PostgreSQL, to a track or to another named database.
    ReservedTarget,
    /// Another tenant has the same schema or database.
    DuplicateTarget,
    /// `create` found an existing schema or database.
    AlreadyExists,
}
