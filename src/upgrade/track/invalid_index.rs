//! Indexes that `CREATE INDEX CONCURRENTLY` has left invalid. `IF NOT EXISTS` accepts an invalid index of the same name, and
//! the ledger then shows a migration whose index is never used.

use super::directed_track::DirectedTrack;
use crate::execution::batch::Batch;
use crate::execution::batch_failure::BatchFailure;
use crate::execution::concurrent_index::{InvalidIndex, invalid_indexes};
use crate::model::{Failure, FailureKind, Migration, Script, TargetCause};
use crate::sql::{ConcurrentCommand, IndexChange, ObjectName, effects};
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::target::Target;

/// A batch and its migrations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchMigrations<'b> {
    pub(crate) track: &'b DirectedTrack<'b>,
    pub(crate) target: &'b Target,
    pub(crate) batch: &'b Batch,
    pub(crate) migrations: &'b [&'b Migration],
}

impl<'b> BatchMigrations<'b> {
    /// The invalid indexes before a batch that can leave some. Fails if the batch would accept an invalid one as its own.
    pub(crate) async fn invalid_before(
        self,
        session: &mut WorkerSession,
    ) -> Result<Vec<InvalidIndex>, BatchFailure> {
        let changes = self.index_changes();
        let takes_any = changes.iter().any(|change| {
            matches!(change, IndexChange::Create { if_not_exists: true, index: Some(_), .. })
        });
        if !takes_any && !self.builds_concurrently() {
            return Ok(Vec::new());
        }
        let before = self.invalid(session).await?;
        match before.iter().find(|index| is_taken(index, &self.target.search_path, &changes)) {
            Some(index) => Err(self.failed(self.is_invalid(index))),
            None => Ok(before),
        }
    }

    /// Checks after the batch that it has left no invalid index without an error.
    pub(crate) async fn check_after(
        self,
        session: &mut WorkerSession,
        before: &[InvalidIndex],
    ) -> Result<(), BatchFailure> {
        if !self.builds_concurrently() {
            return Ok(());
        }
        let changes = self.index_changes();
        let path = &self.target.search_path;
        let after = self.invalid(session).await?;
        // In the other schemas other runs may be active.
        let is_of_batch = |index: &&InvalidIndex| {
            index.schema == path[0] && before.iter().all(|one| one.oid != index.oid)
                || changes.iter().any(|change| makes(change, index, path))
        };
        match after.iter().find(is_of_batch) {
            Some(index) => Err(self.failed(self.is_invalid(index))),
            None => Ok(()),
        }
    }

    /// The invalid indexes of the target's database.
    pub(crate) async fn invalid(
        self,
        session: &mut WorkerSession,
    ) -> Result<Vec<InvalidIndex>, BatchFailure> {
        let read = async { invalid_indexes(session.at_target(self.target).await?).await };
        read.await.map_err(|failure| self.failed(failure))
    }

    fn failed(self, failure: Failure) -> BatchFailure {
        BatchFailure::permanent(failure, self.batch)
    }

    fn scripts(self) -> impl Iterator<Item = &'b Script> {
        self.migrations.iter().map(move |migration| self.track.script(migration))
    }

    fn index_changes(self) -> Vec<&'b IndexChange> {
        self.scripts().flat_map(|script| effects(script).index_changes()).collect()
    }

    /// Whether they create or rebuild indexes outside of a transaction.
    fn builds_concurrently(self) -> bool {
        self.scripts().any(|script| {
            effects(script).concurrent_commands().any(ConcurrentCommand::is_of_indexes)
        })
    }

    fn is_invalid(self, index: &InvalidIndex) -> Failure {
        let index = &index.qualified;
        Failure {
            place: self.migrations.last().map(|migration| self.track.file_of(migration)),
            hint: Some(format!(
                "it is never used, but IF NOT EXISTS treats it as valid; drop it, and run again: DROP INDEX CONCURRENTLY \
                 {index};"
            )),
            ..Failure::new(
                FailureKind::Target(TargetCause::InvalidIndex),
                format!("the index {index} is invalid: CREATE INDEX CONCURRENTLY did not finish"),
            )
        }
    }
}

/// Whether the batch creates an index of this name without removing or rebuilding the invalid one first.
fn is_taken(index: &InvalidIndex, path: &[String], changes: &[&IndexChange]) -> bool {
    let mut changes = changes.iter();
    let first = changes.find(|change| creates(change, index, path) || repairs(change, index, path));
    first.is_some_and(|change| creates(change, index, path))
}

fn creates(change: &IndexChange, index: &InvalidIndex, path: &[String]) -> bool {
    let IndexChange::Create { index: Some(name), table, .. } = change else { return false };
    // An index is created in the schema of its table.
    let exists = table.schema.is_some() || index.schema == path[0] || index.table == table.name;
    exists && is_it(name, &index.schema, &index.name, path)
}

fn makes(change: &IndexChange, index: &InvalidIndex, path: &[String]) -> bool {
    let rebuilds = matches!(change, IndexChange::RebuildIndex(name)
        if is_it(name, &index.schema, &index.name, path));
    rebuilds || creates(change, index, path)
}

/// The invalid index is removed or valid afterwards.
fn repairs(change: &IndexChange, index: &InvalidIndex, path: &[String]) -> bool {
    let is_index = |name: &ObjectName| is_it(name, &index.schema, &index.name, path);
    let is_table = |name: &ObjectName| is_it(name, &index.schema, &index.table, path);
    match change {
        IndexChange::Create { .. } => false,
        IndexChange::Drop(names) => names.iter().any(is_index),
        IndexChange::DropTables(names) => names.iter().any(is_table),
        IndexChange::RebuildIndex(name) => is_index(name),
        IndexChange::RebuildTable(name) => is_table(name),
    }
}

/// An unqualified name refers to an object in the search path.
fn is_it(name: &ObjectName, schema: &str, own: &str, path: &[String]) -> bool {
    name.name == own
        && match &name.schema {
            Some(named) => named == schema,
            None => path.iter().any(|one| one == schema),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Effects;

    fn taken(script: &str, name: &str) -> bool {
        let index = InvalidIndex {
            oid: 1,
            schema: "t".into(),
            name: name.into(),
            table: "orders".into(),
            table_schema: "t".into(),
            qualified: String::new(),
            is_in_use: false,
        };
        let effects = Effects::of(script);
        let changes: Vec<_> = effects.index_changes().collect();
        is_taken(&index, &["t".to_owned(), "shared".to_owned()], &changes)
    }

    const CREATE: &str = "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_email ON orders (email);";

    #[test]
    fn only_a_statement_for_the_same_index_repairs_it() {
        for before in [
            "",
            "-- drop index by_email; reindex\n",
            "/* REINDEX INDEX by_email; */",
            "DROP INDEX other;",
            "DROP INDEX by_email_2;",
            "DROP INDEX shared.by_email;",
            "DROP INDEX \"BY_EMAIL\";",
            "REINDEX INDEX CONCURRENTLY other;",
            "REINDEX TABLE CONCURRENTLY orders;",
            "REINDEX TABLE other;",
            "COMMENT ON INDEX by_email IS 'DROP INDEX by_email; REINDEX';",
            "INSERT INTO log VALUES ('reindex');",
            "DO $$ BEGIN EXECUTE 'DROP INDEX by_email'; END $$;",
        ] {
            assert!(taken(&format!("{before}{CREATE}"), "by_email"), "{before}");
        }
        assert!(taken(&format!("{CREATE} DROP INDEX by_email;"), "by_email"), "too late");
        for before in [
            "DROP INDEX CONCURRENTLY IF EXISTS by_email;",
            "drop index /* x */ a, t.BY_EMAIL cascade;",
            "DROP INDEX \"t\".\"by_email\";",
            "REINDEX INDEX CONCURRENTLY by_email;",
            "REINDEX (VERBOSE) INDEX t.by_email;",
            "REINDEX TABLE orders;",
            "DROP TABLE orders;",
        ] {
            assert!(!taken(&format!("{before}{CREATE}"), "by_email"), "{before}");
        }
    }

    #[test]
    fn index_names_are_compared_as_the_server_parses_them() {
        assert!(!taken(CREATE, "email"), "a part of a name");
        assert!(!taken(CREATE, "by_email_2"));
        let quoted = "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"By \"\"E\" ON t.orders (email)";
        assert!(taken(quoted, "By \"E") && !taken(quoted, "by \"e"));
        assert!(!taken(&CREATE.replace("orders", "other.orders"), "by_email"), "another schema");
        let long = "x".repeat(80);
        let script = CREATE.replace("by_email", &long);
        assert!(taken(&script, &long[..63]), "cut as the server cuts it");
        assert!(taken("create index if not exists By_Email on orders (email)", "by_email"));
        assert!(!taken("create index on orders (by_email)", "by_email"));
    }
}
