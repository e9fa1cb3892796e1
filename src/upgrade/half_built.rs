//! Indexes that `CREATE INDEX CONCURRENTLY` has left invalid. `IF NOT EXISTS` takes one for the index that it should be, and
//! then the ledger shows a migration whose index nothing uses.

use super::aftermath::Stopped;
use super::batch::Batch;
use super::lane::Lane;
use super::target::Target;
use super::unit::Work;
use crate::model::{Failure, FailureKind, Migration};

impl Work<'_> {
    /// The invalid indexes before a batch that can leave some; it is not begun if it would take one of them for its own.
    pub(super) async fn half_built(
        &self,
        lane: &mut Lane,
        target: &Target,
        batch: &Batch,
        migrations: &[&Migration],
    ) -> Result<Vec<String>, Option<Stopped>> {
        let text = match self.concurrent(batch, migrations) {
            Some(text) => text,
            None => return Ok(Vec::new()),
        };
        let failed = |failure| Some(Stopped::for_good(failure, batch));
        let before = lane.invalid_indexes(target).await.map_err(failed)?;
        let mends = text.contains("drop index") || text.contains("reindex");
        match before.iter().find(|index| !mends && is_named(&text, index)) {
            Some(index) => Err(failed(self.invalid(index, migrations))),
            None => Ok(before),
        }
    }

    /// After it: one that it has left although the server has said nothing of it.
    pub(super) async fn built(
        &self,
        lane: &mut Lane,
        target: &Target,
        batch: &Batch,
        migrations: &[&Migration],
        before: &[String],
    ) -> Result<(), Option<Stopped>> {
        let Some(text) = self.concurrent(batch, migrations) else { return Ok(()) };
        let failed = |failure| Some(Stopped::for_good(failure, batch));
        let after = lane.invalid_indexes(target).await.map_err(failed)?;
        let is_of_batch = |index: &&String| !before.contains(index) || is_named(&text, index);
        match after.iter().find(is_of_batch) {
            Some(index) => Err(failed(self.invalid(index, migrations))),
            None => Ok(()),
        }
    }

    /// The text of migrations that make indexes outside of a transaction, in small letters.
    fn concurrent(&self, batch: &Batch, migrations: &[&Migration]) -> Option<String> {
        let texts = migrations.iter().map(|migration| self.script(migration).text());
        let text = texts.collect::<Vec<_>>().join("\n").to_lowercase();
        (!batch.is_whole && text.contains("concurrently")).then_some(text)
    }

    fn invalid(&self, index: &str, migrations: &[&Migration]) -> Failure {
        Failure {
            place: migrations.last().map(|migration| self.file_of(migration)),
            hint: Some(format!(
                "nothing uses it, and IF NOT EXISTS takes it for a good one; drop it, and run again: \
                 DROP INDEX CONCURRENTLY {index};"
            )),
            ..Failure::new(
                FailureKind::Environment,
                format!(
                    "the index {index} is invalid: CREATE INDEX CONCURRENTLY has not finished it"
                ),
            )
        }
    }
}

/// `schema.index`, each as an identifier.
fn is_named(text: &str, index: &str) -> bool {
    let name = index.rsplit('.').next().unwrap_or(index);
    text.contains(&name.trim_matches('"').to_lowercase())
}
