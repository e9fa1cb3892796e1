//! The messages of one migration: how a script and its ledger row share a transaction, and what a failure leaves applied.

use std::ops::Range;

use super::query_batch::{Fragment, QueryBatch, TxnPrecondition};
use crate::model::{Place, Script};
use crate::sql::{
    AnalysedStatement, Certainty, Effects, Observation, TransactionEffect, effects, place_in,
};

/// How a tool's driver begins and ends a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Driver {
    begin: &'static str,
    before_begin: Option<TxnPrecondition>,
    before_commit: Option<TxnPrecondition>,
}

/// Ends a transaction in all tools.
pub(crate) const COMMIT: &str = "COMMIT";

/// A driver without checks. The server warns about a `BEGIN` in a transaction and a `COMMIT` outside of one, and continues.
pub(crate) const PLAIN: Driver = Driver { begin: "BEGIN", before_begin: None, before_commit: None };

/// Go's `lib/pq` with `database/sql`: it checks the session's transaction status before it begins and before it commits, and
/// refuses to continue if the status is unexpected (seen with 1.12.3 in dbmate 2.36.0).
pub(crate) const LIB_PQ: Driver = Driver {
    begin: "BEGIN READ WRITE",
    before_begin: Some(TxnPrecondition {
        in_transaction: false,
        refusal: "pq: unexpected transaction status idle in transaction",
    }),
    before_commit: Some(TxnPrecondition {
        in_transaction: true,
        refusal: "pq: unexpected transaction status idle",
    }),
};

/// A script and its ledger row in one transaction.
///
/// In one message if the script provably cannot observe that, else in the four messages that the tools send. A script is sent
/// separately if it
/// - may observe more of its message than the time of its transaction: the text of the message, the time of its arrival,
///   the other statements in it;
/// - leaves a quote, a comment or a parenthesis open: it would include the ledger's SQL, and the server would report
///   another error;
/// - ends in a statement without a semicolon: a syntax error at its end would be reported at the separator;
/// - contains transaction commands: after its `COMMIT` the tool's messages run one by one, outside of any transaction, and
///   a driver may refuse to continue;
/// - copies: drivers stop at the server's response to `COPY … TO stdout`, while the server itself would continue to the
///   `COMMIT`.
pub(crate) fn in_transaction(driver: &Driver, script: &Script, ledger: String) -> Vec<QueryBatch> {
    let effects = effects(script);
    if effects.is_closed() && effects.observes() < Observation::Anything {
        let fragments = vec![
            Fragment::Tool(driver.begin.to_owned()),
            Fragment::Script(script.clone()),
            Fragment::Tool(ledger),
            Fragment::Tool(COMMIT.to_owned()),
        ];
        return vec![QueryBatch::new(fragments).with_precondition(driver.before_begin)];
    }
    // Only a transaction command can end the transaction: without one, there is nothing to check.
    let may_end = !effects.is_closed() || effects.controls_transactions();
    vec![
        QueryBatch::tool(driver.begin).with_precondition(driver.before_begin),
        QueryBatch::script(script.clone()),
        QueryBatch::tool(ledger),
        QueryBatch::tool(COMMIT).with_precondition(driver.before_commit.filter(|_| may_end)),
    ]
}

/// The same messages with each script in a separate message, as the tools send them.
pub(crate) fn separated(messages: Vec<QueryBatch>) -> Vec<QueryBatch> {
    let separate = |message: QueryBatch| {
        let precondition = message.precondition();
        let has_script =
            message.fragments().iter().any(|fragment| matches!(fragment, Fragment::Script(_)));
        if !has_script {
            return vec![message];
        }
        let fragments = message.fragments().iter().enumerate();
        let alone = fragments.map(|(index, fragment)| {
            QueryBatch::new(vec![fragment.clone()])
                .with_precondition(precondition.filter(|_| index == 0))
        });
        alone.collect()
    };
    messages.into_iter().flat_map(separate).collect()
}

/// Whether the messages of a step are one transaction of the tool, from its `BEGIN` to its `COMMIT`.
pub(crate) fn is_one_transaction(step: &[QueryBatch]) -> bool {
    let mut fragments = step.iter().flat_map(QueryBatch::fragments);
    let begins = matches!(fragments.next(), Some(Fragment::Tool(sql)) if [PLAIN.begin, LIB_PQ.begin].contains(&sql.as_str()));
    begins && matches!(fragments.last(), Some(Fragment::Tool(sql)) if sql == COMMIT)
}

/// The tool's own SQL in a separate transaction.
pub(crate) fn tool_transaction(driver: &Driver, sql: &str) -> QueryBatch {
    QueryBatch::tool(format!("{}; {sql}; COMMIT", driver.begin))
        .with_precondition(driver.before_begin)
}

/// Whether a script that a tool sends as one message without an explicit transaction has the same effect inside one. Several
/// statements share an implicit transaction anyway; a single statement may refuse a transaction or commit by itself, and a
/// script may contain transaction commands.
pub(crate) fn can_run_in_a_transaction(script: &Script) -> bool {
    let statements = effects(script).statements();
    // On a partitioned table these refuse a transaction, and the text does not show whether it is one.
    let may_refuse = |alone: &AnalysedStatement| {
        alone.commits_by_itself || ["REINDEX", "CLUSTER"].contains(&&*alone.verb)
    };
    let refuses = matches!(statements, [alone] if may_refuse(alone));
    // Settings local to the transaction would also affect the tool's own row.
    let minds = |statement: &AnalysedStatement| {
        statement.control.is_some() || statement.is_local_to_transaction
    };
    !refuses && !statements.iter().any(minds)
}

/// Whether a failure of message `failed` of a step leaves nothing of the step's scripts applied after the session has been
/// rolled back. Then the step can be sent again. The ledger may still contain the failed migration (a dirty row).
///
/// False if the text leaves any doubt: transaction commands in a script, a script that an earlier message has committed, a
/// single statement that commits by itself (`CREATE INDEX CONCURRENTLY`, `CALL`).
pub(crate) fn rolls_back_completely(step: &[QueryBatch], failed: usize) -> bool {
    let mut in_transaction = false;
    for (index, message) in step.iter().enumerate().take(failed + 1) {
        let statements = statements(message);
        let alone = statements.len() == 1;
        let began_in_transaction = in_transaction;
        for (of_script, statement) in &statements {
            match (*of_script, statement.control) {
                (true, Some(_)) => return false,
                (false, Some(TransactionEffect::Begin)) => in_transaction = true,
                (false, Some(TransactionEffect::End)) => in_transaction = false,
                (true, None) if !in_transaction && alone && statement.commits_by_itself => {
                    return false;
                }
                _ => {}
            }
        }
        let has_script = message.fragments().iter().any(|part| matches!(part, Fragment::Script(_)));
        let committed = !began_in_transaction && !in_transaction && index < failed;
        if has_script && committed {
            return false;
        }
    }
    true
}

/// Whether an effect of the step's scripts remains applied when message `failed` of a step has failed after `completed` of its
/// statements. Settings of the session do not count.
pub(crate) fn leaves_changes(step: &[QueryBatch], failed: usize, completed: usize) -> bool {
    let mut in_transaction = false;
    // Effects in the open transaction, and committed effects.
    let (mut open, mut stays) = (false, false);
    for (index, message) in step.iter().enumerate().take(failed + 1) {
        let statements = statements(message);
        let done = if index < failed { statements.len() } else { completed };
        for (of_script, statement) in statements.into_iter().take(done) {
            match statement.control {
                Some(TransactionEffect::Begin) => in_transaction = true,
                Some(TransactionEffect::End) => {
                    let commits = ["COMMIT", "END"].contains(&&*statement.verb);
                    stays |= open && commits;
                    (open, in_transaction) = (false, false);
                }
                Some(TransactionEffect::Savepoint) => {}
                None => {
                    let is_setting = ["SET", "RESET", "SHOW"].contains(&&*statement.verb);
                    open |= of_script && !is_setting;
                }
            }
        }
        if index < failed && !in_transaction {
            stays |= std::mem::take(&mut open);
        }
    }
    stays
}

/// The first `BEGIN`, `COMMIT` or `ROLLBACK` of a step's scripts.
pub(crate) fn transaction_command(step: &[QueryBatch]) -> Option<Place> {
    places(step, Effects::first_transaction_bound).next()
}

/// The server's messages (PostgreSQL's `src/backend/access/transam/xact.c`).
const IN_PROGRESS: &str = "there is already a transaction in progress";
const NOT_IN_PROGRESS: &str = "there is no transaction in progress";

/// The server's warnings about the transaction commands of a step, each once, up to the failed message and its completed
/// statements if it failed. They are derived from the texts, because a script can disable warnings. `in_transaction`: an
/// earlier step has left a transaction open.
pub(crate) fn transaction_warnings(
    step: &[QueryBatch],
    in_transaction: bool,
    failed: Option<(usize, usize)>,
) -> Vec<&'static str> {
    let mut in_block = in_transaction;
    let (mut begins_twice, mut ends_twice) = (false, false);
    for (index, message) in step.iter().enumerate() {
        let sent = match failed {
            Some((at, _)) if index > at => 0,
            Some((at, completed)) if index == at => completed,
            _ => usize::MAX,
        };
        for (_, statement) in statements(message).into_iter().take(sent) {
            match statement.control {
                Some(TransactionEffect::Begin) => {
                    begins_twice |= in_block;
                    in_block = true;
                }
                Some(TransactionEffect::End) => {
                    ends_twice |= !in_block;
                    in_block = in_block && statement.chains;
                }
                Some(TransactionEffect::Savepoint) | None => {}
            }
        }
    }
    let warnings = [(begins_twice, IN_PROGRESS), (ends_twice, NOT_IN_PROGRESS)];
    warnings.into_iter().filter(|(is_told, _)| *is_told).map(|(_, words)| words).collect()
}

/// The last statement of a step's scripts that sets the session's search path.
pub(crate) fn search_path_command(step: &[QueryBatch]) -> Option<Place> {
    places(step, Effects::search_path_command).last()
}

/// Whether a step's scripts contain no transaction commands and leave the search path and the role unchanged, according to
/// their texts.
pub(crate) fn keeps_the_session(step: &[QueryBatch]) -> bool {
    scripts(step).map(effects).all(|effects| {
        effects.first_transaction_bound().is_none()
            && effects.moves_search_path().max(effects.moves_role()) < Certainty::Yes
    })
}

/// The scripts of the project in a step.
pub(crate) fn scripts(step: &[QueryBatch]) -> impl Iterator<Item = &Script> {
    step.iter().flat_map(QueryBatch::fragments).filter_map(|fragment| match fragment {
        Fragment::Script(script) => Some(script),
        Fragment::Tool(_) => None,
    })
}

/// The positions that the analysis of each script returns.
fn places(
    step: &[QueryBatch],
    find: fn(&Effects) -> Option<Range<usize>>,
) -> impl Iterator<Item = Place> {
    scripts(step).filter_map(move |script| {
        let range = find(effects(script))?;
        Some(place_in(script, script.range().start + range.start))
    })
}

/// All statements of a message, and whether they belong to a script.
fn statements(message: &QueryBatch) -> Vec<(bool, AnalysedStatement)> {
    let of = |fragment: &Fragment| -> Vec<(bool, AnalysedStatement)> {
        match fragment {
            Fragment::Script(script) => {
                effects(script).statements().iter().map(|one| (true, one.clone())).collect()
            }
            Fragment::Tool(sql) => {
                Effects::of(sql).statements().iter().map(|one| (false, one.clone())).collect()
            }
        }
    };
    message.fragments().iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(script: &str) -> Vec<QueryBatch> {
        in_transaction(&LIB_PQ, &Script::whole("1.sql", script), "INSERT".into())
    }

    fn texts(step: &[QueryBatch]) -> Vec<String> {
        step.iter().map(|message| message.text().into_owned()).collect()
    }

    #[test]
    fn a_script_that_cannot_observe_it_is_sent_in_one_message() {
        for script in
            ["select 1; -- done", "", "-- nothing", "alter table a add b date default now();"]
        {
            let step = step(script);
            assert_eq!(
                texts(&step),
                [format!("BEGIN READ WRITE\n;\n{script}\n;\nINSERT\n;\nCOMMIT")]
            );
            assert_eq!(step[0].precondition(), LIB_PQ.before_begin);
        }
    }

    #[test]
    fn any_other_script_is_sent_as_by_the_tool() {
        for script in [
            "select 'a",
            "select 1",
            "select (1;",
            "select 1; commit;",
            "savepoint a;",
            "copy (select 1) to stdout;",
            "insert into a values (1);",
            "do $$begin null; end$$;",
            "select f();",
        ] {
            let step = step(script);
            assert_eq!(texts(&step), ["BEGIN READ WRITE", script, "INSERT", "COMMIT"]);
            let preconditions: Vec<_> = step.iter().map(QueryBatch::precondition).collect();
            let is_certain =
                ["copy", "insert", "do ", "select f"].iter().any(|begin| script.starts_with(begin));
            let may_end = !is_certain;
            let before_commit = LIB_PQ.before_commit.filter(|_| may_end);
            assert_eq!(preconditions, [LIB_PQ.before_begin, None, None, before_commit], "{script}");
        }
    }

    #[test]
    fn scripts_that_need_no_transaction_are_put_into_one() {
        let same = |script: &str| can_run_in_a_transaction(&Script::whole("1.sql", script));
        for script in [
            "",
            "create table a()",
            "create table a(); create index concurrently i on a(b)",
            "do $$ begin execute 'create table a()'; end $$",
        ] {
            assert!(same(script), "{script}: alone or not, it is in one anyway");
        }
        for script in [
            "create index concurrently i on a(b)",
            "vacuum a;",
            "call p()",
            "do $$ begin commit; end $$",
            "do $$ begin call p(); end $$",
            "select 1; commit; select 2",
            "begin; select 1; commit",
            "savepoint a",
            "reindex table a",
            "cluster a using i",
            "set local role r; create table a()",
            "set transaction read only; select 1",
            "select set_config('role', 'r', true); create table a()",
        ] {
            assert!(!same(script), "{script}");
        }
    }

    #[test]
    fn a_transaction_rolls_back_completely_unless_the_script_ends_it() {
        assert!(rolls_back_completely(&step("create table a(); select 1/0;"), 0));
        let separate = step("create table a()");
        assert!((0..4).all(|failed| rolls_back_completely(&separate, failed)));
        let commits = step("create table a(); commit; select 1/0;");
        assert!(!rolls_back_completely(&commits, 1));
        assert!(!rolls_back_completely(&commits, 3));
    }

    #[test]
    fn an_implicit_transaction_rolls_back_until_it_is_committed() {
        let step = |script: &str| {
            vec![
                tool_transaction(&PLAIN, "TRUNCATE l"),
                QueryBatch::script(Script::whole("1.sql", script)),
                QueryBatch::tool("INSERT"),
            ]
        };
        assert!(rolls_back_completely(&step("create table a(); select 1/0"), 1));
        assert!(
            !rolls_back_completely(&step("create table a()"), 2),
            "the script has been committed"
        );
        assert!(rolls_back_completely(&step("create table a()"), 0));
        assert!(!rolls_back_completely(&step("create index concurrently i on a(b)"), 1));
        assert!(!rolls_back_completely(&step("call p()"), 1));
        assert!(
            rolls_back_completely(&step("call p(); select 1"), 1),
            "it cannot commit in that position"
        );
        assert!(!rolls_back_completely(&step("begin; create table a(); commit; select 1/0"), 1));
    }

    #[test]
    fn effects_committed_before_a_failure_remain() {
        // BEGIN, the script, …: the second message is the script.
        let left = |script: &str, completed| leaves_changes(&step(script), 1, completed);
        assert!(left("create table a(); commit; select 1/0;", 2));
        assert!(!left("create table a(); commit; select 1/0;", 0), "it failed before");
        assert!(!left("create table a(); rollback; select 1/0;", 2));
        assert!(!left("set lock_timeout = 1; commit; select 1/0;", 2));
        assert!(!left("savepoint a; create table a(); select 1/0;", 2));
        let commits = step("create table a(); commit;");
        assert!(leaves_changes(&commits, 3, 0), "the tool stops after it");
        assert!(!leaves_changes(&step("create table a()"), 3, 0));
        let fused = step("create table a(); select 1/0;");
        assert!(!leaves_changes(&fused, 0, 2));
        let alone = ["create table a();", "select 1/0;"]
            .map(|statement| QueryBatch::script(Script::whole("1.sql", statement)));
        assert!(leaves_changes(&alone, 1, 0));
        assert!(!leaves_changes(&alone, 0, 0));
    }

    #[test]
    fn warnings_are_derived_from_the_commands() {
        let warned = |script: &str| transaction_warnings(&step(script), false, None);
        assert_eq!(warned("create table a();"), [""; 0]);
        assert_eq!(warned("begin; create table a(); commit;"), [IN_PROGRESS, NOT_IN_PROGRESS]);
        assert_eq!(warned("create table a(); commit;"), [NOT_IN_PROGRESS]);
        assert_eq!(warned("commit; begin;"), [""; 0]);
        assert_eq!(warned("commit and chain;"), [""; 0]);
        assert_eq!(warned("savepoint a; rollback to savepoint a;"), [""; 0]);
        assert_eq!(warned("-- begin;\nselect 'begin;';"), [""; 0]);
        let plain =
            [QueryBatch::script(Script::whole("1.sql", "select 1; begin; commit; commit;"))];
        assert_eq!(transaction_warnings(&plain, false, None), [NOT_IN_PROGRESS]);
        assert_eq!(transaction_warnings(&plain, true, None), [IN_PROGRESS, NOT_IN_PROGRESS]);
        assert_eq!(transaction_warnings(&plain, false, Some((0, 3))), [""; 0]);
    }

    #[test]
    fn transaction_commands_have_positions() {
        let step = step("-- x\nselect 1;\nsavepoint a;\n  commit;\nset search_path = a;\n");
        let at = |place: Option<Place>| place.map(|place| (place.line, place.column));
        assert_eq!(at(transaction_command(&step)), Some((4, Some(3))));
        assert_eq!(at(search_path_command(&step)), Some((5, Some(1))));
        assert_eq!(search_path_command(&step[..1]), None);
    }

    #[test]
    fn statements_of_separate_messages_remain_applied() {
        let step = ["create table a();", "select 1/0;"]
            .map(|statement| QueryBatch::script(Script::whole("1.sql", statement)));
        assert!(rolls_back_completely(&step, 0));
        assert!(!rolls_back_completely(&step, 1));
    }
}
