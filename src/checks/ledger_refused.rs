//! The migration tool itself would refuse to run with this ledger.

use crate::model::{Failure, UnitRecord};

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct LedgerRefused;

impl Check for LedgerRefused {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "ledger-refused",
            "The migration tool would refuse to run: its ledger does not match the files"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::Refusal)
            .map(|failed| failed.problem().with_help(Some(help(failed.failure))))
            .into_iter()
            .collect()
    }
}

/// Selects by the tool's own wording, in which the refusal is reported.
fn help(failure: &Failure) -> &'static str {
    let refusal = failure.message.to_lowercase();
    let contains_any = |words: &[&str]| words.iter().any(|word| refusal.contains(word));
    if failure.hint.as_deref().is_some_and(|hint| hint.contains("two files have this version")) {
        "give the new file a unique version: the tool treats the two files as one migration, so it compares the new file \
         with the ledger row of the other"
    } else if contains_any(&["transaction status idle in transaction"]) {
        "a file starts a transaction (BEGIN) and does not end it: this file, or with dbmate's `transaction:false` the one \
         before it. Remove BEGIN, or end the transaction in the same file: everything after it is lost when the tool ends"
    } else if contains_any(&["transaction status idle"]) {
        "remove the file's own COMMIT or ROLLBACK: it ends the tool's transaction, and the tool stops. The statements \
         before and after the COMMIT stay applied, and dbmate has already written its row: the next run skips the file"
    } else if contains_any(&["dirty", "partially applied", "failed migration"]) {
        "a migration was started on that tenant and not finished: finish or revert it manually and clear the dirty flag in \
         the ledger (golang-migrate: `force VERSION`), or take the sample from a clean state"
    } else if contains_any(&["modified", "checksum", "changed", "mismatch", "edited"]) {
        "an applied migration must not change by a single byte (including line endings): restore the file as it is on the \
         base branch, and put the change into a new migration"
    } else if contains_any(&["missing", "not found", "no migration", "no such", "could not find"]) {
        "a migration that is applied according to the ledger is not in the directory: restore the file; if a sample comes \
         from another branch, use one from this branch's history"
    } else {
        "compare the ledger's rows with the files of the directory: applied migrations must still exist, unedited, and new \
         ones must come after them"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, unit};
    use crate::model::{FailureKind, Phase};

    fn help_for(refusal: &str) -> String {
        let unit = unit("acme").ending(Phase::Head, failure(FailureKind::Refused, refusal));
        let mut problems = LedgerRefused.check(&unit);
        assert_eq!(problems.len(), 1);
        problems.remove(0).help.unwrap().into_owned()
    }

    #[test]
    fn the_help_depends_on_the_tools_message() {
        let edited = "migration 2 was previously applied but has been modified";
        assert!(help_for(edited).contains("by a single byte"));
        let missing =
            "migration 2 was previously applied but is missing in the resolved migrations";
        assert!(help_for(missing).contains("restore the file"));
        let dirty = "Dirty database version 3. Fix and force version.";
        assert!(help_for(dirty).contains("force VERSION"));
        let open = "pq: unexpected transaction status idle in transaction";
        assert!(help_for(open).contains("Remove BEGIN"));
        let ended = "pq: unexpected transaction status idle";
        assert!(help_for(ended).contains("own COMMIT or ROLLBACK"));
        assert!(help_for("no").contains("compare the ledger's rows"));
    }

    #[test]
    fn two_files_of_one_version_are_not_reported_as_an_edit() {
        let edited = "migration 2 was previously applied but has been modified";
        let hint = Some("two files have this version: m/2_a.sql and m/2_b.sql".to_owned());
        let refused = Failure { hint, ..failure(FailureKind::Refused, edited) };
        assert!(help(&refused).contains("a unique version"));
    }
}
