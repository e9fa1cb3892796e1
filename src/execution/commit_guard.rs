//! Whether the ledger shows a migration, asked before its transaction ends. A function can move the search path or the role
//! without a word in the migration's text: the tool's row is in another ledger then, or in none, and once that is committed
//! somebody has to mend it by hand.

use crate::formats::{Fragment, QueryBatch};
use crate::model::{Failure, FailureKind};
use crate::sql::effects;

/// Where our own question begins.
const GUARD: &str = "SELECT 1 / (/* does the ledger show it? */ ";
/// The messages of a step, with a question before their `COMMIT` that fails unless `recorded` is true there. Where no
/// statement calls for it, and where the tool has no transaction around script and row, they are as they were.
pub(crate) fn with_commit_guard(mut messages: Vec<QueryBatch>, recorded: &str) -> Vec<QueryBatch> {
    let is_commit = |segment: &Fragment| matches!(segment, Fragment::Tool(sql) if sql == "COMMIT");
    let Some(last) = messages.last() else { return messages };
    let ends = last.segments().last().is_some_and(is_commit);
    if !ends || !messages.iter().flat_map(QueryBatch::segments).any(may_move_unseen) {
        return messages;
    }
    let asks = format!("{GUARD}{recorded})::pg_catalog.int4");
    match last.segments() {
        [_commit] => messages.insert(messages.len() - 1, QueryBatch::tool(asks)),
        [rest @ .., commit] => {
            let segments = [rest, &[Fragment::Tool(asks), commit.clone()]].concat();
            let fused = QueryBatch::new(segments).demanding(last.demand());
            messages.pop();
            messages.push(fused);
        }
        [] => {}
    }
    messages
}

/// It runs code that its text does not show. What a trigger or a default does is seen after the transaction.
fn may_move_unseen(segment: &Fragment) -> bool {
    matches!(segment, Fragment::Script(script) if effects(script).may_run_code())
}

/// The division by zero is ours: see [`with_commit_guard`].
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

    fn proven(script: &str, fused: bool) -> Vec<String> {
        let tool = |sql: &str| Fragment::Tool(sql.to_owned());
        let script = Fragment::Script(Script::whole("1.sql", script));
        let segments = [tool("BEGIN"), script, tool("ROW"), tool("COMMIT")];
        let messages = match fused {
            true => vec![QueryBatch::new(segments.to_vec())],
            false => segments.map(|segment| QueryBatch::new(vec![segment])).to_vec(),
        };
        let proven = with_commit_guard(messages, "r");
        let segments = proven.iter().flat_map(QueryBatch::segments);
        segments.map(|segment| segment.text().to_owned()).collect()
    }

    #[test]
    fn a_call_is_asked_about_and_a_definition_is_not() {
        let asks = "SELECT 1 / (/* does the ledger show it? */ r)::pg_catalog.int4";
        for fused in [true, false] {
            for script in [
                "select f();",
                "do $$begin perform f(); end$$;",
                "create table a(); call p();",
                "INSERT INTO a SELECT f();",
                "create table b as select f();",
            ] {
                assert_eq!(proven(script, fused), ["BEGIN", script, "ROW", asks, "COMMIT"]);
            }
            for script in [
                "",
                "create table a(); comment on table a is 'select';",
                "INSERT INTO a VALUES (1)",
            ] {
                assert_eq!(proven(script, fused), ["BEGIN", script, "ROW", "COMMIT"]);
            }
        }
    }

    #[test]
    fn without_a_transaction_there_is_nothing_to_ask_in() {
        let script = QueryBatch::script(Script::whole("1.sql", "select f()"));
        assert_eq!(with_commit_guard(vec![script, QueryBatch::tool("ROW")], "r").len(), 2);
    }
}
