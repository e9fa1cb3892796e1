//! The messages of one migration: how a script and its ledger row share a transaction, and what a failure leaves behind.

use std::ops::Range;

use super::query_batch::{Fragment, QueryBatch, TxnPrecondition};
use crate::model::{Place, Script};
use crate::sql::{
    AnalysedStatement, Certainty, Effects, Observation, TransactionEffect, effects, place_in,
};

/// How a tool's driver opens and closes a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Driver {
    begin: &'static str,
    before_begin: Option<TxnPrecondition>,
    before_commit: Option<TxnPrecondition>,
}

/// How the tools end a transaction.
pub(crate) const COMMIT: &str = "COMMIT";

/// A driver that sends what it is told to send. The server warns of a `BEGIN` in a transaction and of a `COMMIT` outside
/// of one, and goes on.
pub(crate) const PLAIN: Driver = Driver { begin: "BEGIN", before_begin: None, before_commit: None };

/// Go's `lib/pq` behind `database/sql`: it looks at the session's transaction status before it begins and before it
/// commits, and refuses if that is not what it left behind (seen with 1.12.3 in dbmate 2.36.0).
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
/// In one message where the script is proven not to notice, else in the four that the tools send. A script is sent on its
/// own if it
/// - may see more of its message than the time of its transaction: the text of the message, the time at which it came, the
///   statements beside its own;
/// - leaves a quote, a comment or a parenthesis open: it would swallow the ledger's SQL, and the server's complaint would
///   be another one;
/// - ends in a statement without a semicolon: a syntax error at its end would be reported as one at our separator;
/// - has transaction commands of its own: after its `COMMIT` the tool's messages run one by one, outside of any
///   transaction, and a driver may refuse to go on;
/// - copies: drivers give up at the server's answer to `COPY … TO stdout`, while the server itself would go on to our
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
    // Nothing but a transaction command can end the transaction: where there is none, there is nothing to look at.
    let may_end = !effects.is_closed() || effects.controls_transactions();
    vec![
        QueryBatch::tool(driver.begin).with_precondition(driver.before_begin),
        QueryBatch::script(script.clone()),
        QueryBatch::tool(ledger),
        QueryBatch::tool(COMMIT).with_precondition(driver.before_commit.filter(|_| may_end)),
    ]
}

/// The same messages with each script in a message of its own, as the tools send them.
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

/// The messages of a step are one transaction of the tool's, from its `BEGIN` to its `COMMIT`.
pub(crate) fn is_one_transaction(step: &[QueryBatch]) -> bool {
    let mut fragments = step.iter().flat_map(QueryBatch::fragments);
    let begins = matches!(fragments.next(), Some(Fragment::Tool(sql)) if [PLAIN.begin, LIB_PQ.begin].contains(&sql.as_str()));
    begins && matches!(fragments.last(), Some(Fragment::Tool(sql)) if sql == COMMIT)
}

/// The tool's own SQL in a transaction of its own.
pub(crate) fn tool_transaction(driver: &Driver, sql: &str) -> QueryBatch {
    QueryBatch::tool(format!("{}; {sql}; COMMIT", driver.begin))
        .with_precondition(driver.before_begin)
}

/// Whether a script that a tool sends as one message, without a transaction of its own, does the same within one. Several
/// statements share an implicit one anyway; a lone statement may refuse that or commit by itself, and a script may have
/// transaction commands of its own.
pub(crate) fn does_the_same_in_a_transaction(script: &Script) -> bool {
    let statements = effects(script).statements();
    // Of a partitioned table these refuse a transaction, and the text does not tell.
    let may_refuse = |alone: &AnalysedStatement| {
        alone.commits_by_itself || ["REINDEX", "CLUSTER"].contains(&&*alone.verb)
    };
    let refuses = matches!(statements, [alone] if may_refuse(alone));
    // What lasts as long as a transaction would be there for the tool's own row.
    let minds = |statement: &AnalysedStatement| {
        statement.control.is_some() || statement.is_local_to_transaction
    };
    !refuses && !statements.iter().any(minds)
}

/// Does a failure of message `failed` of a step leave nothing of the step's scripts behind, once the session has been
/// rolled back? Then the step can be sent again as if it had never been. What the format's ledger says of a failed
/// migration (a dirty row) may stay.
///
/// False whenever the text leaves a doubt: transaction commands in a script, a script that an earlier message has
/// committed, a lone statement that commits by itself (`CREATE INDEX CONCURRENTLY`, `CALL`).
pub(crate) fn rolls_back_whole(step: &[QueryBatch], failed: usize) -> bool {
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

/// When message `failed` of a step has failed after `completed` of its statements: does something stay applied that the
/// step's scripts did before? Settings of the session do not count.
pub(crate) fn leaves_something(step: &[QueryBatch], failed: usize, completed: usize) -> bool {
    let mut in_transaction = false;
    // What has been done: in the transaction that is open, and for good.
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

/// The server's words (PostgreSQL's `src/backend/access/transam/xact.c`).
const IN_PROGRESS: &str = "there is already a transaction in progress";
const NOT_IN_PROGRESS: &str = "there is no transaction in progress";

/// What the server says of the transaction commands of a step, each once, up to the failed message and its completed
/// statements if it failed. The texts tell this: a script can switch the warnings off. `in_transaction`: an earlier step
/// has left a transaction open.
pub(crate) fn transaction_warnings(
    step: &[QueryBatch],
    in_transaction: bool,
    failed: Option<(usize, usize)>,
) -> Vec<&'static str> {
    let mut in_block = in_transaction;
    let (mut begun_twice, mut ended_twice) = (false, false);
    for (index, message) in step.iter().enumerate() {
        let sent = match failed {
            Some((at, _)) if index > at => 0,
            Some((at, completed)) if index == at => completed,
            _ => usize::MAX,
        };
        for (_, statement) in statements(message).into_iter().take(sent) {
            match statement.control {
                Some(TransactionEffect::Begin) => {
                    begun_twice |= in_block;
                    in_block = true;
                }
                Some(TransactionEffect::End) => {
                    ended_twice |= !in_block;
                    in_block = in_block && statement.chains;
                }
                Some(TransactionEffect::Savepoint) | None => {}
            }
        }
    }
    let told = [(begun_twice, IN_PROGRESS), (ended_twice, NOT_IN_PROGRESS)];
    told.into_iter().filter(|(is_told, _)| *is_told).map(|(_, words)| words).collect()
}

/// The last statement of a step's scripts that sets the session's search path.
pub(crate) fn search_path_command(step: &[QueryBatch]) -> Option<Place> {
    places(step, Effects::search_path_command).last()
}

/// Whether a step's scripts have no transaction commands of their own and leave the search path and the role as they are, as far
/// as their texts tell.
pub(crate) fn keeps_the_session(step: &[QueryBatch]) -> bool {
    scripts(step).map(effects).all(|effects| {
        effects.first_transaction_bound().is_none()
            && effects.moves_search_path().max(effects.moves_role()) < Certainty::Yes
    })
}

/// The project's part of a step.
pub(crate) fn scripts(step: &[QueryBatch]) -> impl Iterator<Item = &Script> {
    step.iter().flat_map(QueryBatch::fragments).filter_map(|fragment| match fragment {
        Fragment::Script(script) => Some(script),
        Fragment::Tool(_) => None,
    })
}

/// The places that the analysis of each script gives.
fn places(
    step: &[QueryBatch],
    find: fn(&Effects) -> Option<Range<usize>>,
) -> impl Iterator<Item = Place> {
    scripts(step).filter_map(move |script| {
        let range = find(effects(script))?;
        Some(place_in(script, script.range().start + range.start))
    })
}

/// All statements of a message, and whether they are a script's.
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
    fn a_well_behaved_script_goes_in_one_message() {
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
    fn any_other_goes_as_the_tool_sends_it() {
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
            let demands: Vec<_> = step.iter().map(QueryBatch::precondition).collect();
            let is_certain =
                ["copy", "insert", "do ", "select f"].iter().any(|begin| script.starts_with(begin));
            let may_end = !is_certain;
            let before_commit = LIB_PQ.before_commit.filter(|_| may_end);
            assert_eq!(demands, [LIB_PQ.before_begin, None, None, before_commit], "{script}");
        }
    }

    #[test]
    fn only_what_minds_a_transaction_stays_without_one() {
        let same = |script: &str| does_the_same_in_a_transaction(&Script::whole("1.sql", script));
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
    fn a_transaction_rolls_back_whole_unless_the_script_ends_it() {
        assert!(rolls_back_whole(&step("create table a(); select 1/0;"), 0));
        let separate = step("create table a()");
        assert!((0..4).all(|failed| rolls_back_whole(&separate, failed)));
        let commits = step("create table a(); commit; select 1/0;");
        assert!(!rolls_back_whole(&commits, 1));
        assert!(!rolls_back_whole(&commits, 3));
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
        assert!(rolls_back_whole(&step("create table a(); select 1/0"), 1));
        assert!(!rolls_back_whole(&step("create table a()"), 2), "the script has been committed");
        assert!(rolls_back_whole(&step("create table a()"), 0));
        assert!(!rolls_back_whole(&step("create index concurrently i on a(b)"), 1));
        assert!(!rolls_back_whole(&step("call p()"), 1));
        assert!(rolls_back_whole(&step("call p(); select 1"), 1), "it cannot commit there");
        assert!(!rolls_back_whole(&step("begin; create table a(); commit; select 1/0"), 1));
    }

    #[test]
    fn what_was_committed_before_a_failure_stays() {
        // BEGIN, the script, …: the second message is the script's.
        let left = |script: &str, completed| leaves_something(&step(script), 1, completed);
        assert!(left("create table a(); commit; select 1/0;", 2));
        assert!(!left("create table a(); commit; select 1/0;", 0), "it failed before");
        assert!(!left("create table a(); rollback; select 1/0;", 2));
        assert!(!left("set lock_timeout = 1; commit; select 1/0;", 2));
        assert!(!left("savepoint a; create table a(); select 1/0;", 2));
        let commits = step("create table a(); commit;");
        assert!(leaves_something(&commits, 3, 0), "the tool does not go on after it");
        assert!(!leaves_something(&step("create table a()"), 3, 0));
        let fused = step("create table a(); select 1/0;");
        assert!(!leaves_something(&fused, 0, 2));
        let alone = ["create table a();", "select 1/0;"]
            .map(|statement| QueryBatch::script(Script::whole("1.sql", statement)));
        assert!(leaves_something(&alone, 1, 0));
        assert!(!leaves_something(&alone, 0, 0));
    }

    #[test]
    fn the_servers_warnings_follow_from_the_commands() {
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
    fn commands_have_their_place() {
        let step = step("-- x\nselect 1;\nsavepoint a;\n  commit;\nset search_path = a;\n");
        let at = |place: Option<Place>| place.map(|place| (place.line, place.column));
        assert_eq!(at(transaction_command(&step)), Some((4, Some(3))));
        assert_eq!(at(search_path_command(&step)), Some((5, Some(1))));
        assert_eq!(search_path_command(&step[..1]), None);
    }

    #[test]
    fn statements_that_are_sent_one_by_one_stay() {
        let step = ["create table a();", "select 1/0;"]
            .map(|statement| QueryBatch::script(Script::whole("1.sql", statement)));
        assert!(rolls_back_whole(&step, 0));
        assert!(!rolls_back_whole(&step, 1));
    }
}
