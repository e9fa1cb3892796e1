//! Which migrations go to the server together: those that are proven not to notice, as many as a message takes, so that a
//! server far away costs little. Each keeps its transaction, and with that its locks, to itself.

use crate::formats::{
    Fragment, QueryBatch, is_one_transaction, keeps_the_session, scripts, separated,
};
use crate::model::Script;
use crate::sql::{Observation, effects};

/// A message that is longer than this does not get another migration; in bytes.
const LONG: usize = 256 * 1024;

/// What one migration sends.
#[derive(Debug, Clone)]
pub(crate) struct BatchStep {
    pub(crate) messages: Vec<QueryBatch>,
    /// An SQL expression, true if the ledger shows it.
    pub(crate) recorded: String,
}

/// Some migrations, one after the other, that are sent and looked at together.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// How many migrations these are.
    pub(crate) steps: usize,
    pub(crate) messages: Vec<QueryBatch>,
    /// True if the ledger shows all of them.
    pub(crate) recorded: String,
    /// Each of them is a transaction of the tool's own, in one message or in several, so that one that fails has had no
    /// effect.
    pub(crate) is_whole: bool,
    /// Another migration may go in its message.
    may_share: bool,
}

/// Divides steps into batches, in their order.
/// `check` is SQL that fails where the session is not what it was; it stands between two migrations, so that what one of
/// them has moved without a word of it in its text does not move the next one. `watched` says that code of the project's
/// sees each statement or the ledger's rows (event triggers, triggers of the ledger): then no message has more than its
/// tool would send. The same counts for what follows a migration that may make such a trigger on the table `ledger`.
pub(crate) fn batches(steps: &[BatchStep], check: &str, watched: bool, ledger: &str) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut watched = watched;
    for step in steps {
        watched |= scripts(&step.messages).any(|script| effects(script).may_watch(ledger));
        let batch = Batch::of(step, watched);
        match batches.last_mut() {
            Some(last) if batch.may_share && last.may_share && length(&last.messages) < LONG => {
                let mut segments = last.messages[0].segments().to_vec();
                segments.push(Fragment::Tool(check.to_owned()));
                segments.extend_from_slice(step.messages[0].segments());
                let demand = last.messages[0].demand();
                last.messages = vec![QueryBatch::new(segments).demanding(demand)];
                last.recorded = format!("{} AND {}", last.recorded, step.recorded);
                last.steps += 1;
            }
            _ => batches.push(batch),
        }
    }
    batches
}

impl Batch {
    /// One step by itself.
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
            recorded: step.recorded.clone(),
            is_whole,
        }
    }
}

impl Batch {
    /// The files of its migrations, each once.
    pub(crate) fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = scripts(&self.messages).map(Script::file_name).collect();
        files.dedup();
        files
    }
}

fn length(messages: &[QueryBatch]) -> usize {
    messages.iter().flat_map(QueryBatch::segments).map(|segment| segment.text().len()).sum()
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
            checksum: None,
        });
        let step = |migration: Migration| BatchStep {
            messages: sqlx.apply(&migration, &ledger),
            recorded: format!("r{}", migration.version),
        };
        migrations.map(step).collect()
    }

    fn sizes(scripts: &[&str]) -> Vec<usize> {
        batches(&steps(scripts), "select 0", false, "l").iter().map(|batch| batch.steps).collect()
    }

    #[test]
    fn transactions_go_together_and_stay_transactions() {
        let batches =
            batches(&steps(&["select 1;", "select 2;", "select 3;"]), "select 0", false, "l");
        let [batch] = batches.as_slice() else { panic!("{batches:?}") };
        assert_eq!((batch.steps, batch.recorded.as_str()), (3, "r0 AND r1 AND r2"));
        let text = batch.messages[0].text();
        assert_eq!(text.matches("BEGIN").count(), 3);
        assert_eq!(text.matches("COMMIT").count(), 3);
        assert_eq!(text.matches("select 0").count(), 2);
        assert!(text.find("select 1").unwrap() < text.find("select 2").unwrap());
    }

    #[test]
    fn what_leaves_the_session_otherwise_goes_alone() {
        let alone = "-- no-transaction\ncreate index concurrently i on t (a)";
        assert_eq!(sizes(&["select 1;", alone, "select 2;", "select 3;"]), [1, 1, 2]);
        assert_eq!(sizes(&["select 1;", "set search_path = x;", "select 2;"]), [1, 1, 1]);
        assert_eq!(sizes(&["select 1;", "commit; select 2;", "select 3;"]), [1, 1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn a_message_has_its_limits() {
        let long = format!("select '{}';", "x".repeat(LONG));
        assert_eq!(sizes(&[&long, "select 1;", "select 2;"]), [1, 2]);
    }

    #[test]
    fn what_may_notice_goes_alone() {
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
    fn the_unknown_is_sent_as_the_tool_sends_it() {
        let script = "insert into a default values;";
        let batches = batches(&steps(&[script]), "select 0", false, "l");
        let messages: Vec<_> = batches[0].messages.iter().map(QueryBatch::text).collect();
        assert_eq!((messages.len(), &*messages[0], &*messages[1]), (4, "BEGIN", script));
        assert!(batches[0].is_whole, "one transaction, in four messages");
    }

    #[test]
    fn nothing_is_shared_where_the_ledger_or_each_statement_is_watched() {
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
