//! Which migrations go to the server together: as many as their format's own transactions allow, so that a server far away
//! costs little. Each keeps its transaction, and with that its locks, to itself.

use crate::formats::{Message, Segment, keeps_the_session};

/// A message that is longer than this does not get another migration; in bytes.
const LONG: usize = 256 * 1024;

/// What one migration sends.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) messages: Vec<Message>,
    /// An SQL expression, true if the ledger shows it.
    pub(super) recorded: String,
}

/// Some migrations, one after the other, that are sent and looked at together.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// How many migrations these are.
    pub(super) steps: usize,
    pub(super) messages: Vec<Message>,
    /// True if the ledger shows all of them.
    pub(super) recorded: String,
    /// Each of them is a transaction of the tool's own, so that one that fails has had no effect.
    pub(super) is_whole: bool,
}

/// Divides steps into batches, in their order.
/// `check` is SQL that fails where the session is not what it was; it stands between two migrations, so that what one of
/// them has moved without a word of it in its text does not move the next one.
pub(super) fn batches(steps: &[Step], check: &str) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for step in steps {
        let is_whole = is_whole(step);
        match batches.last_mut() {
            Some(last) if is_whole && last.is_whole && length(&last.messages) < LONG => {
                let mut segments = last.messages[0].segments().to_vec();
                segments.push(Segment::Tool(check.to_owned()));
                segments.extend_from_slice(step.messages[0].segments());
                let demand = last.messages[0].demand();
                last.messages = vec![Message::new(segments).demanding(demand)];
                last.recorded = format!("{} AND {}", last.recorded, step.recorded);
                last.steps += 1;
            }
            _ => batches.push(Batch {
                steps: 1,
                messages: step.messages.clone(),
                recorded: step.recorded.clone(),
                is_whole,
            }),
        }
    }
    batches
}

/// One message, from the tool's `BEGIN` to its `COMMIT`, that leaves the session as it was.
fn is_whole(step: &Step) -> bool {
    let [message] = step.messages.as_slice() else { return false };
    let commits = matches!(message.segments().last(), Some(Segment::Tool(sql)) if sql == "COMMIT");
    commits && keeps_the_session(&step.messages)
}

fn length(messages: &[Message]) -> usize {
    messages.iter().flat_map(Message::segments).map(|segment| segment.text().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{FORMATS, Format, Ledger};
    use crate::model::{Migration, Script};

    fn steps(scripts: &[&str]) -> Vec<Step> {
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
        let step = |migration: Migration| Step {
            messages: sqlx.apply(&migration, &ledger),
            recorded: format!("r{}", migration.version),
        };
        migrations.map(step).collect()
    }

    fn sizes(scripts: &[&str]) -> Vec<usize> {
        batches(&steps(scripts), "select 0").iter().map(|batch| batch.steps).collect()
    }

    #[test]
    fn transactions_go_together_and_stay_transactions() {
        let batches = batches(&steps(&["select 1;", "select 2;", "select 3;"]), "select 0");
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
}
