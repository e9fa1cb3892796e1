//! Groups migrations into batches that are sent together, to save round trips to a distant server. Only migrations that
//! provably cannot observe the grouping share a message, up to a size limit. Each keeps its own transaction and its own
//! locks.

use crate::formats::{
    Fragment, QueryBatch, is_one_transaction, keeps_the_session, scripts, separated,
};
use crate::model::Script;
use crate::sql::{Observation, effects};

/// In bytes. A message that is longer than this gets no further migration.
const LONG: usize = 256 * 1024;

/// The messages of one migration.
#[derive(Debug, Clone)]
pub(crate) struct BatchStep {
    pub(crate) messages: Vec<QueryBatch>,
    /// An SQL expression: true if the ledger shows the migration.
    pub(crate) is_applied_expr: String,
}

/// Consecutive migrations that are sent together and verified together.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// The number of migrations.
    pub(crate) steps: usize,
    pub(crate) messages: Vec<QueryBatch>,
    /// An SQL expression: true if the ledger shows all of them.
    pub(crate) is_applied_expr: String,
    /// Each migration is one transaction of the tool, in one or several messages, so a failed migration has no effect.
    pub(crate) is_whole: bool,
    /// Another migration may be added to its message.
    may_share: bool,
}

/// Divides steps into batches, in their order.
///
/// `check` is SQL that fails if the session state has changed. It runs between two migrations of a message, so that a side
/// effect that is not visible in a migration's text does not reach the next one. `watched` is true if code of the project
/// observes each statement or the ledger's rows (event triggers, triggers on the ledger): a message then contains no more
/// than the tool would send. The same applies after a migration that may create such a trigger on the table `ledger`.
pub(crate) fn batches(steps: &[BatchStep], check: &str, watched: bool, ledger: &str) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut watched = watched;
    for step in steps {
        watched |= scripts(&step.messages).any(|script| effects(script).may_watch(ledger));
        let batch = Batch::of(step, watched);
        match batches.last_mut() {
            Some(last) if batch.may_share && last.may_share && length(&last.messages) < LONG => {
                let mut fragments = last.messages[0].fragments().to_vec();
                fragments.push(Fragment::Tool(check.to_owned()));
                fragments.extend_from_slice(step.messages[0].fragments());
                let precondition = last.messages[0].precondition();
                last.messages = vec![QueryBatch::new(fragments).with_precondition(precondition)];
                last.is_applied_expr =
                    format!("{} AND {}", last.is_applied_expr, step.is_applied_expr);
                last.steps += 1;
            }
            _ => batches.push(batch),
        }
    }
    batches
}

impl Batch {
    /// A batch of one step.
    pub(crate) fn of(step: &BatchStep, watched: bool) -> Self {
        let is_whole = is_one_transaction(&step.messages) && keeps_the_session(&step.messages);
        let sees_nothing = scripts(&step.messages)
            .all(|script| effects(script).observes() == Observation::Nothing);
        let messages =
            if watched { separated(step.messages.clone()) } else { step.messages.clone() };
        Self {
            steps: 1,
            may_share: is_whole && sees_nothing && !watched && messages.len() == 1,
            messages,
            is_applied_expr: step.is_applied_expr.clone(),
            is_whole,
        }
    }
}

impl Batch {
    /// The files of its migrations, without duplicates.
    pub(crate) fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = scripts(&self.messages).map(Script::file_name).collect();
        files.dedup();
        files
    }
}

fn length(messages: &[QueryBatch]) -> usize {
    messages.iter().flat_map(QueryBatch::fragments).map(|fragment| fragment.text().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{FORMATS, Format, Ledger};
    use crate::model::{Migration, Script};

    fn steps(scripts: &[&str]) -> Vec<BatchStep> {
        let sqlx: &dyn Format = FORMATS[0];
        let ledger = Ledger::new("t", "l");
        let migrations = scripts.iter().enumerate().map(|(index, text)| Migration {
            version: index.to_string(),
            description: String::new(),
            up: Script::whole("1.sql", *text),
            down: None,
            in_transaction: !text.starts_with("-- no-transaction"),
            down_in_transaction: true,
            node: None,
            checksum: None,
        });
        let step = |migration: Migration| BatchStep {
            messages: sqlx.apply(&migration, &ledger),
            is_applied_expr: format!("r{}", migration.version),
        };
        migrations.map(step).collect()
    }

    fn sizes(scripts: &[&str]) -> Vec<usize> {
        batches(&steps(scripts), "select 0", false, "l").iter().map(|batch| batch.steps).collect()
    }

    #[test]
    fn transactions_share_a_message_and_keep_their_commits() {
        let batches =
            batches(&steps(&["select 1;", "select 2;", "select 3;"]), "select 0", false, "l");
        let [batch] = batches.as_slice() else { panic!("{batches:?}") };
        assert_eq!((batch.steps, batch.is_applied_expr.as_str()), (3, "r0 AND r1 AND r2"));
        let text = batch.messages[0].text();
        assert_eq!(text.matches("BEGIN").count(), 3);
        assert_eq!(text.matches("COMMIT").count(), 3);
        assert_eq!(text.matches("select 0").count(), 2);
        assert!(text.find("select 1").unwrap() < text.find("select 2").unwrap());
    }

    #[test]
    fn migrations_that_change_the_session_are_sent_alone() {
        let alone = "-- no-transaction\ncreate index concurrently i on t (a)";
        assert_eq!(sizes(&["select 1;", alone, "select 2;", "select 3;"]), [1, 1, 2]);
        assert_eq!(sizes(&["select 1;", "set search_path = x;", "select 2;"]), [1, 1, 1]);
        assert_eq!(sizes(&["select 1;", "commit; select 2;", "select 3;"]), [1, 1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn a_long_message_gets_no_further_migration() {
        let long = format!("select '{}';", "x".repeat(LONG));
        assert_eq!(sizes(&[&long, "select 1;", "select 2;"]), [1, 2]);
    }

    #[test]
    fn migrations_that_may_observe_the_batch_are_sent_alone() {
        let ddl = "create table a (at timestamptz default now());";
        let time = "alter table a add column b timestamptz default now();";
        assert_eq!(sizes(&[ddl, ddl, time, ddl, ddl]), [2, 1, 2]);
        for script in [
            "insert into a default values;",
            "do $$ begin null; end $$;",
            "select f();",
            "create table b as select now() as at;",
            "create table b (at timestamptz default 'now');",
        ] {
            assert_eq!(sizes(&[ddl, script, ddl, script]), [1, 1, 1, 1], "{script}");
        }
    }

    #[test]
    fn unclassified_statements_are_sent_as_the_tool_sends_them() {
        let script = "insert into a default values;";
        let batches = batches(&steps(&[script]), "select 0", false, "l");
        let messages: Vec<_> = batches[0].messages.iter().map(QueryBatch::text).collect();
        assert_eq!((messages.len(), &*messages[0], &*messages[1]), (4, "BEGIN", script));
        assert!(batches[0].is_whole, "one transaction, in four messages");
    }

    #[test]
    fn observed_migrations_are_sent_in_separate_messages() {
        let ddl = "create table a ();";
        let of = |scripts: &[&str], watched| -> Vec<(usize, usize)> {
            let batches = batches(&steps(scripts), "select 0", watched, "l");
            batches.iter().map(|batch| (batch.steps, batch.messages.len())).collect()
        };
        assert_eq!(of(&[ddl, ddl], true), [(1, 4), (1, 4)]);
        let trigger = |table: &str| {
            format!("create trigger w after insert on {table} for each row execute function f();")
        };
        assert_eq!(of(&[ddl, &trigger("other"), ddl], false), [(3, 1)]);
        assert_eq!(of(&[ddl, &trigger("t.L"), ddl], false), [(1, 1), (1, 4), (1, 4)]);
    }
}
