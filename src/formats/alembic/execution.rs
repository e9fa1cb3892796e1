//! What `alembic upgrade heads` would run. Revisions are programs: a driver in the project's own Python runs them, and nothing here
//! sends them to the server.

use super::Alembic;
use super::graph::RevisionGraph;
use crate::formats::{
    Decision, DownDecision, DownRefusal, DownTo, ExecutionRules, Ledger, LedgerRow, QueryBatch,
};
use crate::model::Migration;
use crate::sql::quote_literal;

impl ExecutionRules for Alembic {
    fn runs_programs(&self) -> bool {
        true
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        let graph = RevisionGraph::new(migrations);
        match graph.upgrade(rows.iter().map(|row| row.version.as_str())) {
            Ok(order) => Decision {
                apply: order.into_iter().map(|revision| graph.index(revision)).collect(),
                ..Decision::default()
            },
            Err(refusal) => Decision {
                refusal: Some(refusal.message),
                refused: refusal.revision.map(|revision| graph.index(revision)),
                ..Decision::default()
            },
        }
    }

    fn apply(&self, migration: &Migration, _: &Ledger) -> Vec<QueryBatch> {
        vec![refusal(migration)]
    }

    fn decide_down(
        &self,
        _: &[LedgerRow],
        _: &[Migration],
        _: &DownTo,
    ) -> Result<DownDecision, DownRefusal> {
        Err(DownRefusal::new("mig-ci does not revert Alembic revisions: run `alembic downgrade`"))
    }

    fn revert(&self, migration: &Migration, _: Option<&Migration>, _: &Ledger) -> Vec<QueryBatch> {
        vec![refusal(migration)]
    }
}

/// A message that the server refuses. A caller that forgets [`ExecutionRules::runs_programs`] fails, where an empty list of
/// messages would look like a revision that was applied.
fn refusal(migration: &Migration) -> QueryBatch {
    let text = format!(
        "internal error: revision {} is a program, and is run by Alembic only",
        migration.version
    );
    QueryBatch::tool(format!(
        "DO {}",
        quote_literal(&format!(
            "BEGIN RAISE EXCEPTION USING MESSAGE = {}; END",
            quote_literal(&text)
        ))
    ))
}
