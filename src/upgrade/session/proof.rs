//! Whether the ledger shows a migration, asked before its transaction ends. A function can move the search path or the role
//! without a word in the migration's text: the tool's row is in another ledger then, or in none, and once that is committed
//! somebody has to mend it by hand.

use crate::formats::{Message, Segment};
use crate::model::{Failure, FailureKind};
use crate::sql::effects;

/// Where our own question begins.
const ASKS: &str = "SELECT 1 / (/* does the ledger show it? */ ";
/// The messages of a step, with a question before their `COMMIT` that fails unless `recorded` is true there. Where no
/// statement calls for it, and where the tool has no transaction around script and row, they are as they were.
pub(crate) fn with_proof(mut messages: Vec<Message>, recorded: &str) -> Vec<Message> {
    let is_commit = |segment: &Segment| matches!(segment, Segment::Tool(sql) if sql == "COMMIT");
    let Some(last) = messages.last() else { return messages };
    let ends = last.segments().last().is_some_and(is_commit);
    if !ends || !messages.iter().flat_map(Message::segments).any(may_move_unseen) {
        return messages;
    }
    let asks = format!("{ASKS}{recorded})::pg_catalog.int4");
    match last.segments() {
        [_commit] => messages.insert(messages.len() - 1, Message::tool(asks)),
        [rest @ .., commit] => {
            let segments = [rest, &[Segment::Tool(asks), commit.clone()]].concat();
            let fused = Message::new(segments).demanding(last.demand());
            messages.pop();
            messages.push(fused);
        }
        [] => {}
    }
    messages
}

/// It runs code that its text does not show. What a trigger or a default does is seen after the transaction.
fn may_move_unseen(segment: &Segment) -> bool {
    matches!(segment, Segment::Script(script) if effects(script).may_run_code())
}

/// The division by zero is ours: see [`with_proof`].
pub(crate) fn not_shown(failure: Failure) -> Failure {
    let is_ours = failure.kind == FailureKind::Sql { sqlstate: "22012".to_owned() }
        && failure.statement.as_deref().is_some_and(|sql| sql.contains(ASKS));
    if !is_ours {
        return failure;
    }
    Failure {
        hint: Some(
            "its transaction was rolled back, and nothing of it is there. Set what a function of it needs with SET LOCAL, or \
             with a SET clause of the function"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::Ledger,
            "the ledger would not show the migration: it has changed the ledger, the search path or the role",
        )
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::Script;

    fn proven(script: &str, fused: bool) -> Vec<String> {
        let tool = |sql: &str| Segment::Tool(sql.to_owned());
        let script = Segment::Script(Script::whole("1.sql", script));
        let segments = [tool("BEGIN"), script, tool("ROW"), tool("COMMIT")];
        let messages = match fused {
            true => vec![Message::new(segments.to_vec())],
            false => segments.map(|segment| Message::new(vec![segment])).to_vec(),
        };
        let proven = with_proof(messages, "r");
        let segments = proven.iter().flat_map(Message::segments);
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
        let script = Message::script(Script::whole("1.sql", "select f()"));
        assert_eq!(with_proof(vec![script, Message::tool("ROW")], "r").len(), 2);
    }
}
