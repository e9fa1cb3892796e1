//! Checks: pure functions from evidence to findings.
//!
//! To add a check: a file here with a type that implements [`Check`], a line in [`CHECKS`], and its page
//! `docs/checks/<code>.md` (which `mig-ci explain CODE` prints). Its code, title and severity are only in its own file. A
//! failure of a unit belongs to exactly one check: [`failed`] assigns it.

mod already_exists_skipped;
mod applied_migration_edited;
mod base_not_reached;
mod catalog_not_read;
mod cause;
mod changed_outside_target;
mod coverage_reduced;
mod environment_failed;
mod failed;
mod failure_swallowed;
mod files_not_read;
mod judge;
mod ledger_not_written;
mod ledger_refused;
mod migration_failed;
mod migration_skipped;
mod migration_without_effect;
mod multiple_heads;
mod not_committed;
mod notices_hidden;
mod other_server;
mod problem;
mod program_not_started;
mod project_problem;
mod revision_graph;
mod revision_not_on_base_head;
mod sample_at_head;
mod sample_not_loaded;
mod sample_statements_skipped;
mod sample_version_assumed;
mod search_path_moved;
mod server_lost;
mod shape_differs;
mod sqlstate;
mod statements_not_observed;
mod target_unusable;
#[cfg(test)]
mod test_fixtures;
mod transaction_control;
mod wrong_target;

pub(crate) use judge::{judge, judge_project, severity, sort};
pub(crate) use problem::UnitProblem;
pub(crate) use project_problem::ProjectProblem;

use crate::model::{ProjectRecord, Severity, UnitRecord};

/// All checks. Within one unit, findings of equal severity keep this order.
pub(crate) static CHECKS: &[&dyn Check] = &[
    &server_lost::ServerLost,
    &environment_failed::EnvironmentFailed,
    &target_unusable::TargetUnusable,
    &program_not_started::ProgramNotStarted,
    &other_server::OtherServer,
    &not_committed::NotCommitted,
    &wrong_target::WrongTarget,
    &revision_graph::RevisionGraphBroken,
    &multiple_heads::MultipleHeads,
    &migration_failed::MigrationFailed,
    &base_not_reached::BaseNotReached,
    &sample_not_loaded::SampleNotLoaded,
    &ledger_refused::LedgerRefused,
    &migration_skipped::MigrationSkipped,
    &applied_migration_edited::AppliedMigrationEdited,
    &revision_not_on_base_head::RevisionNotOnBaseHead,
    &search_path_moved::SearchPathMoved,
    &ledger_not_written::LedgerNotWritten,
    &catalog_not_read::CatalogNotRead,
    &shape_differs::ShapeDiffers,
    &sample_at_head::SampleAtHead,
    &transaction_control::TransactionControl,
    &already_exists_skipped::AlreadyExistsSkipped,
    &notices_hidden::NoticesHidden,
    &migration_without_effect::MigrationWithoutEffect,
    &changed_outside_target::ChangedOutsideTarget,
    &coverage_reduced::CoverageReduced,
    &files_not_read::FilesNotRead,
    &sample_version_assumed::SampleVersionAssumed,
    &sample_statements_skipped::SampleStatementsSkipped,
    &failure_swallowed::FailureSwallowed,
    &statements_not_observed::StatementsNotObserved,
];

/// One rule. It checks one unit at a time, and [`judge()`] merges the problems of units; or it checks the project.
pub(crate) trait Check: Sync + std::fmt::Debug {
    fn meta(&self) -> &'static CheckMeta;

    /// The unit's problems by this rule, in the order in which they occurred.
    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>>;

    /// The problems of the project as a whole.
    fn check_project(&self, _: &ProjectRecord) -> Vec<ProjectProblem> {
        Vec::new()
    }

    /// Whether the base's settings, if there is a base, determine the severity, so that the head cannot lower it.
    fn is_weighed_by_base(&self) -> bool {
        false
    }
}

/// The name, severity and page of a check.
#[derive(Debug)]
pub(crate) struct CheckMeta {
    /// `migration-failed`: the key in `[checks]`, and the argument of `mig-ci explain`.
    pub(crate) code: &'static str,
    /// One line.
    pub(crate) title: &'static str,
    /// The default; `[checks]` can change it.
    pub(crate) severity: Severity,
    /// Markdown: problem, example, fix, configuration.
    pub(crate) docs: &'static str,
}

/// Creates a [`CheckMeta`]; the path of its page follows from the code.
macro_rules! meta {
    ($severity:ident, $code:literal, $title:literal) => {
        &$crate::checks::CheckMeta {
            code: $code,
            title: $title,
            severity: $crate::model::Severity::$severity,
            docs: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/checks/", $code, ".md")),
        }
    };
}
use meta;

/// The check with this code.
pub(crate) fn find(code: &str) -> Option<&'static CheckMeta> {
    all_meta().find(|meta| meta.code == code)
}

/// The metadata of each check, in the order of [`CHECKS`].
pub(crate) fn all_meta() -> impl Iterator<Item = &'static CheckMeta> {
    CHECKS.iter().map(|check| check.meta())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_check_has_its_page_and_each_page_its_check() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/checks");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .collect();
        let codes: BTreeSet<String> = all_meta().map(|meta| meta.code.to_owned()).collect();
        assert_eq!(codes, pages);
        assert_eq!(codes.len(), CHECKS.len(), "two checks share a code");
    }

    #[test]
    fn each_page_has_the_title_and_severity_of_its_check() {
        for meta in all_meta() {
            let mut lines = meta.docs.lines();
            assert_eq!(lines.next(), Some(format!("# {}", meta.code).as_str()));
            assert_eq!(lines.nth(1), Some(meta.title), "title of {}", meta.code);
            for part in ["## Problem", "## Example", "## Fix", "## Configuration"] {
                assert!(meta.docs.lines().any(|line| line == part), "{} lacks {part}", meta.code);
            }
            let severity = format!("{} = {{ severity = \"{}\" }}", meta.code, meta.severity);
            assert!(meta.docs.contains(&severity), "{} lacks `{severity}`", meta.code);
        }
    }

    #[test]
    fn codes_are_kebab_case_and_found() {
        for meta in all_meta() {
            assert!(meta.code.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            assert_eq!(find(meta.code).map(|found| found.title), Some(meta.title));
        }
        assert!(find("no-such-check").is_none());
    }
}
