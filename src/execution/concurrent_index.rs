//! Commands that build indexes without blocking writes (`CREATE INDEX CONCURRENTLY`, `REINDEX … CONCURRENTLY`). They run
//! without a lock timeout, and an invalid index that this run left is dropped.
//!
//! Such a command waits until all transactions of the database that could see the old state have ended. No other session
//! waits for it meanwhile, but PostgreSQL counts this as waiting for a lock. (`DETACH PARTITION … CONCURRENTLY` takes a
//! strong lock in its second phase, which does block others.)

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::batch::Batch;
use crate::formats::{Fragment, QueryBatch};
use crate::model::{EnvironmentCause, Failure, FailureKind, Script};
use crate::postgres::Session;
use crate::sql::{Certainty, ConcurrentCommand, ObjectName, ReindexKind, effects, quote_literal};

/// Saves the session's current lock timeout, and disables it.
const UNLIMITED: &str = "SELECT pg_catalog.set_config('mig_ci.lock_timeout', pg_catalog.current_setting('lock_timeout'), \
    false); SET lock_timeout TO 0";
const LIMITED: &str = "SELECT pg_catalog.set_config('lock_timeout', pg_catalog.current_setting('mig_ci.lock_timeout'), false)";

/// Wraps each message that builds or drops an index concurrently, so that no lock timeout applies to it, unless the script
/// sets one itself.
pub(crate) fn without_lock_timeout(messages: Vec<QueryBatch>, script: &Script) -> Vec<QueryBatch> {
    if effects(script).sets_lock_timeout() == Certainty::Yes {
        return messages;
    }
    let mut all = Vec::with_capacity(messages.len());
    for message in messages {
        let is_concurrent = commands(&message).any(ConcurrentCommand::is_of_indexes);
        let around = |sql: &str| is_concurrent.then(|| QueryBatch::tool(sql));
        let after = around(LIMITED);
        all.extend(around(UNLIMITED));
        all.push(message);
        all.extend(after);
    }
    all
}

fn commands(message: &QueryBatch) -> impl Iterator<Item = &ConcurrentCommand> {
    let scripts = message.fragments().iter().filter_map(|fragment| match fragment {
        Fragment::Script(script) => Some(script),
        Fragment::Tool(_) => None,
    });
    scripts.flat_map(|script| effects(script).concurrent_commands())
}

/// Whether one such command is the whole script of a message.
pub(crate) fn is_lone_index_command(message: &QueryBatch) -> bool {
    let [Fragment::Script(script)] = message.fragments() else { return false };
    let all = effects(script);
    all.statements().len() == 1 && all.concurrent_commands().any(ConcurrentCommand::is_of_indexes)
}

/// Whether a batch can leave an invalid index that has to be dropped. An index that `DROP INDEX CONCURRENTLY` leaves is
/// dropped by the next attempt.
pub(crate) fn may_leave_invalid_index(batch: &Batch) -> bool {
    let makes = |command: &ConcurrentCommand| {
        matches!(command, ConcurrentCommand::CreateIndex { .. } | ConcurrentCommand::Reindex { .. })
    };
    batch.messages.iter().flat_map(commands).any(makes)
}

/// An index with `indisvalid = false`.
#[derive(Debug, Clone)]
pub(crate) struct InvalidIndex {
    pub(crate) oid: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) table: String,
    /// The schema of that table. For an index of a TOAST table, `table` is the table that owns it.
    pub(crate) table_schema: String,
    /// Schema and name, quoted.
    pub(crate) qualified: String,
    /// A backend is building or dropping it.
    pub(crate) is_in_use: bool,
}

/// All invalid indexes of the database. Locks tell whether a backend uses one: a build is reported in
/// `pg_stat_progress_create_index` and locks the table; a drop or a rebuild locks the index.
const INVALID: &str = "SELECT c.oid::pg_catalog.int8 AS oid, n.nspname::pg_catalog.text AS schema, \
    c.relname::pg_catalog.text AS name, t.relname::pg_catalog.text AS of_table, \
    m.nspname::pg_catalog.text AS of_schema, \
    pg_catalog.format('%I.%I', n.nspname, c.relname) AS qualified, EXISTS (SELECT FROM pg_catalog.pg_locks AS l \
    WHERE l.locktype = 'relation' AND l.pid <> pg_catalog.pg_backend_pid() \
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) \
    AND (l.relation = c.oid AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock') \
    OR l.relation = i.indrelid AND l.pid IN (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index AS p))) AS in_use \
    FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
    LEFT JOIN pg_catalog.pg_class AS toasted ON n.nspname = 'pg_toast' AND toasted.reltoastrelid = i.indrelid \
    JOIN pg_catalog.pg_class AS t ON t.oid = coalesce(toasted.oid, i.indrelid) \
    JOIN pg_catalog.pg_namespace AS m ON m.oid = t.relnamespace \
    WHERE NOT i.indisvalid AND c.relkind = 'i' ORDER BY n.nspname, c.relname";

/// Reads the invalid indexes of the session's database.
pub(crate) async fn invalid_indexes(session: &mut Session) -> Result<Vec<InvalidIndex>, Failure> {
    let rows = session.query(INVALID).await?;
    let read = |row: &PgRow| -> Result<InvalidIndex, sqlx::Error> {
        Ok(InvalidIndex {
            oid: row.try_get("oid")?,
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
            table: row.try_get("of_table")?,
            table_schema: row.try_get("of_schema")?,
            qualified: row.try_get("qualified")?,
            is_in_use: row.try_get("in_use")?,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| {
        let words = format!("the invalid indexes cannot be read: {error}");
        Failure::new(FailureKind::Environment(EnvironmentCause::CatalogUnreadable), words)
    })
}

/// Invalid indexes of a schema, left by a failed `CREATE INDEX CONCURRENTLY`: quoted, with their schema.
pub(crate) async fn invalid_in_schema(
    session: &mut Session,
    schema: &str,
) -> Result<Vec<String>, Failure> {
    let query = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname = {} ORDER BY 1",
        quote_literal(schema)
    );
    session.column(&query).await
}

/// Statements that complete the interrupted `DETACH … CONCURRENTLY` of a schema's partitions.
pub(crate) async fn pending_detaches(
    session: &mut Session,
    schema: &str,
) -> Result<Vec<String>, Failure> {
    let query = format!(
        "SELECT pg_catalog.format('ALTER TABLE %I.%I DETACH PARTITION %I.%I FINALIZE;', n.nspname, c.relname, \
         m.nspname, p.relname) FROM pg_catalog.pg_inherits AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid = i.inhparent \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_class AS p ON p.oid = i.inhrelid \
         JOIN pg_catalog.pg_namespace AS m ON m.oid = p.relnamespace \
         WHERE i.inhdetachpending AND n.nspname = {} ORDER BY 1",
        quote_literal(schema)
    );
    session.column(&query).await
}

impl InvalidIndex {
    /// Whether this command, with this search path, can have left the index.
    fn may_be_left_by(&self, command: &ConcurrentCommand, search_path: &[String]) -> bool {
        let is_in_schema = |name: &ObjectName| match &name.schema {
            Some(schema) => self.table_schema == *schema,
            None => search_path.contains(&self.table_schema),
        };
        match command {
            ConcurrentCommand::CreateIndex { index, table: Some(table) } => {
                let has_name = |index: &ObjectName| index.name == self.name;
                is_in_schema(table)
                    && self.table == table.name
                    && index.as_ref().is_none_or(has_name)
            }
            ConcurrentCommand::Reindex { kind, name: Some(name) } => match kind {
                ReindexKind::Index => is_in_schema(name) && self.is_copy(Some(&name.name)),
                ReindexKind::Table => {
                    is_in_schema(name) && self.table == name.name && self.is_copy(None)
                }
                ReindexKind::Schema => self.table_schema == name.name && self.is_copy(None),
                ReindexKind::Database => self.is_copy(None),
            },
            ConcurrentCommand::Reindex { kind: ReindexKind::Database, name: None } => {
                self.is_copy(None)
            }
            _ => false,
        }
    }

    /// Whether the name is one that `REINDEX CONCURRENTLY` gives to the new or the old copy of an index. Long names are
    /// truncated, and a number is appended if the name is taken.
    fn is_copy(&self, of: Option<&str>) -> bool {
        let name = self.name.trim_end_matches(|last: char| last.is_ascii_digit());
        let rest = ["_ccnew", "_ccold"].iter().find_map(|end| name.strip_suffix(end));
        rest.is_some_and(|rest| !rest.is_empty() && of.is_none_or(|of| of.starts_with(rest)))
    }
}

/// The invalid indexes that a batch left.
#[derive(Debug)]
pub(crate) struct Leftovers {
    pub(crate) dropped: Vec<String>,
    /// They could not be dropped.
    pub(crate) left: Vec<String>,
    /// The catalog could be read.
    pub(crate) is_known: bool,
}

impl Default for Leftovers {
    /// For a batch that cannot leave any.
    fn default() -> Self {
        Self { dropped: Vec::new(), left: Vec::new(), is_known: true }
    }
}

impl Leftovers {
    /// The catalog could not be read.
    pub(crate) fn unknown() -> Self {
        Self { is_known: false, ..Self::default() }
    }
}

/// Drops indexes that a batch left invalid and that were absent or valid before. `limit` is the lock timeout for the drop.
pub(crate) async fn clean_up(
    session: &mut Session,
    search_path: &[String],
    batch: &Batch,
    before: &[InvalidIndex],
    limit: Option<&str>,
) -> Leftovers {
    let mut leftovers = Leftovers::default();
    let Ok(after) = invalid_indexes(session).await else { return Leftovers::unknown() };
    if let Some(limit) = limit {
        // If this fails, the drop also fails, or takes longer.
        let _ = session.execute(format!("SET lock_timeout TO '{limit}'")).await;
    }
    let all: Vec<&ConcurrentCommand> = batch.messages.iter().flat_map(commands).collect();
    for index in after {
        let was_before = before.iter().any(|one| one.oid == index.oid);
        if was_before || !all.iter().any(|command| index.may_be_left_by(command, search_path)) {
            continue;
        }
        let drop = format!("DROP INDEX CONCURRENTLY {}", index.qualified);
        match !index.is_in_use && session.execute(drop).await.is_ok() {
            true => leftovers.dropped.push(index.qualified),
            false => leftovers.left.push(index.qualified),
        }
    }
    leftovers
}
