//! The kinds of failure, and what exactly failed, for the two kinds that are no failure of a migration: the environment and the
//! target. The words of causes (`disk-full`) are those of the JSON reports, and stay what they are.

/// What caused a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureOrigin {
    /// A script raised it by a statement of its own (`RAISE … USING ERRCODE`).
    Script,
    /// The state of the server, whatever the script does.
    Environment(EnvironmentCause),
}

/// The kinds of failure that are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The server refused a statement, with this SQLSTATE.
    Sql { sqlstate: String },
    /// The tool that owns the ledger would refuse to run: an edited or missing migration, a dirty row.
    Refused,
    /// A file that cannot be used as it is: a sample with an unfinished COPY block, a `\connect`.
    File,
    /// The session does not see the schemas that it must see.
    SearchPath,
    /// The ledger could not be read or written as it should.
    Ledger,
    /// The server could not do what mig-ci itself needs: make a database, for one.
    Environment(EnvironmentCause),
    /// A real target cannot be worked on: its name, its address or its schema is unusable, or another run works on it.
    Target(TargetCause),
    /// The connection broke, and the server is there no more.
    ServerLost,
    /// The connection broke, but the server is still there.
    ConnectionLost,
}

/// What of the server, of the machine or of the way to it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum EnvironmentCause {
    DiskFull,
    OutOfMemory,
    TooManyConnections,
    /// What the server's own configuration limits, such as `temp_file_limit`.
    ConfigurationLimit,
    /// Another resource of the server: processes, open files.
    InsufficientResources,
    /// The server cannot read or write its own files, or they are damaged.
    StorageError,
    /// The server is starting, stopping, or ends the session.
    ServerUnavailable,
    /// The server was restarted, or recovered from a crash, while something ran.
    ServerRestarted,
    /// The server takes no writes from the role.
    ReadOnly,
    /// No session could be opened within the time for that.
    SessionNotOpened,
    /// A connection pooler keeps the session's settings back.
    Pooler,
    /// The database for a replay could not be made.
    DatabaseNotCreated,
    /// A database with an inconclusive result could not be replayed again.
    NotReplayedAgain,
    /// A schema whose catalog was to be read is not there.
    MissingSchema,
    /// The answer of a system catalog does not have the form that it should have.
    CatalogUnreadable,
    /// The run was interrupted.
    Interrupted,
}

/// Why a real target cannot be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum TargetCause {
    /// Another run, or a backend of one that is gone, holds the advisory lock of the ledger.
    LockNotAcquired,
    MissingSchema,
    /// `CREATE INDEX CONCURRENTLY` has left an invalid index whose name a migration needs.
    InvalidIndex,
    /// The source gives a name that cannot be a tenant's, or none.
    InvalidName,
    /// The source gives the name more than once.
    AmbiguousName,
    /// The source does not give the tenant any more.
    NotInSource,
    InvalidAddress,
    /// The schema or database belongs to PostgreSQL, to a track or to another named database.
    ReservedTarget,
    /// Another tenant has the same schema or database.
    DuplicateTarget,
    /// `create` finds it there.
    AlreadyExists,
}
