//! Checks before the commit that the ledger shows the migration. A function can change the search path or the role without a
//! trace in the migration's text. The tool's row is then in another ledger or in none, and once committed this needs a
//! manual fix.

use crate::formats::{Fragment, QueryBatch};
use crate::model::{Failure, FailureKind};
use crate::sql::effects;

/// The start of the guard query. [`guard_failure`] recognizes it.
const GUARD: &str = "SELECT 1 / (/* does the ledger show it? */ ";
/// Adds a guard query before the `COMMIT` of a step, which fails unless `is_applied_expr` is true. The messages stay
/// unchanged if no statement needs the guard, or if the tool does not put script and ledger row into one transaction.
pub(crate) fn with_commit_guard(
    mut messages: Vec<QueryBatch>,
    is_applied_expr: &str,
) -> Vec<QueryBatch> {
    let is_commit =
        |fragment: &Fragment| matches!(fragment, Fragment::Tool(sql) if sql == "COMMIT");
    let Some(last) = messages.last() else { return messages };
    let ends = last.fragments().last().is_some_and(is_commit);
    if !ends || !messages.iter().flat_map(QueryBatch::fragments).any(may_move_unseen) {
        return messages;
    }
    let guard = format!("{GUARD}{is_applied_expr})::pg_catalog.int4");
    match last.fragments() {
        [_commit] => messages.insert(messages.len() - 1, QueryBatch::tool(guard)),
        [rest @ .., commit] => {
            let fragments = [rest, &[Fragment::Tool(guard), commit.clone()]].concat();
            let fused = QueryBatch::new(fragments).with_precondition(last.precondition());
            messages.pop();
            messages.push(fused);
        }
        [] => {}
    }
    messages
}

/// Whether a script runs code that its text does not show. Effects of triggers and defaults are checked after the
/// transaction.
fn may_move_unseen(fragment: &Fragment) -> bool {
    matches!(fragment, Fragment::Script(script) if effects(script).may_run_code())
}

/// Translates the division by zero of the guard query: see [`with_commit_guard`].
pub(crate) fn guard_failure(failure: Failure) -> Failure {
    let is_ours = failure.kind == FailureKind::Sql { sqlstate: "22012".to_owned() }
        && failure.statement.as_deref().is_some_and(|sql| sql.contains(GUARD));
    if !is_ours {
        return failure;
    }
    Failure {
        hint: Some(
            "its transaction was rolled back. Set parameters that a function needs with SET LOCAL, or with a SET clause of \
             the function"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::Ledger,
            "rolled back: the migration changed search_path, role or the ledger, so its version row would be lost",
        )
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::Script;

    fn guarded(script: &str, fused: bool) -> Vec<String> {
        let tool = |sql: &str| Fragment::Tool(sql.to_owned());
        let script = Fragment::Script(Script::whole("1.sql", script));
        let fragments = [tool("BEGIN"), script, tool("ROW"), tool("COMMIT")];
        let messages = match fused {
            true => vec![QueryBatch::new(fragments.to_vec())],
            false => fragments.map(|fragment| QueryBatch::new(vec![fragment])).to_vec(),
        };
        let guarded = with_commit_guard(messages, "r");
        let fragments = guarded.iter().flat_map(QueryBatch::fragments);
        fragments.map(|fragment| fragment.text().to_owned()).collect()
    }

    #[test]
    fn calls_are_guarded_and_definitions_are_not() {
        let guard = "SELECT 1 / (/* does the ledger show it? */ r)::pg_catalog.int4";
        for fused in [true, false] {
            for script in [
                "select f();",
                "do $$begin perform f(); end$$;",
                "create table a(); call p();",
                "INSERT INTO a SELECT f();",
                "create table b as select f();",
            ] {
                assert_eq!(guarded(script, fused), ["BEGIN", script, "ROW", guard, "COMMIT"]);
            }
            for script in [
                "",
                "create table a(); comment on table a is 'select';",
                "INSERT INTO a VALUES (1)",
            ] {
                assert_eq!(guarded(script, fused), ["BEGIN", script, "ROW", "COMMIT"]);
            }
        }
    }

    #[test]
    fn a_script_without_a_transaction_gets_no_guard() {
        let script = QueryBatch::script(Script::whole("1.sql", "select f()"));
        assert_eq!(with_commit_guard(vec![script, QueryBatch::tool("ROW")], "r").len(), 2);
    }
}
