//! The pull request checks less than the base does.

use super::{Check, CheckMeta, ProjectProblem, UnitProblem, meta};
use crate::model::{
    CoverageChange, CoverageReduction, ProjectRecord, Severity, TrackKind, UnitRecord,
};

#[derive(Debug)]
pub(super) struct CoverageReduced;

const NO_PLACE: &str = "it is not in this revision";

impl Check for CoverageReduced {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "coverage-reduced", "The pull request verifies less than its base")
    }

    fn check<'a>(&self, _: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        Vec::new()
    }

    fn check_project(&self, project: &ProjectRecord) -> Vec<ProjectProblem> {
        let not_compared = project.not_compared.iter().map(|reason| {
            let message = format!("the coverage was not compared with the base: {reason}");
            ProjectProblem { at_most: Some(Severity::Warning), ..of_project(message, NO_PLACE) }
        });
        let stale = project.stale.iter().map(|part| {
            let message =
                format!("[[coverage.removed]] lists {part}, but nothing of it was removed");
            let help = Some("remove the entry from mig-ci.toml".to_owned());
            let at_most = Some(Severity::Info);
            ProjectProblem { at_most, help, ..of_project(message, "it is in mig-ci.toml") }
        });
        not_compared.chain(project.reductions.iter().map(of_reduction)).chain(stale).collect()
    }

    fn is_weighed_by_base(&self) -> bool {
        true
    }
}

fn of_project(message: String, unplaced: &'static str) -> ProjectProblem {
    ProjectProblem {
        database: String::new(),
        track: TrackKind::Shared,
        message,
        place: None,
        unplaced: Some(unplaced),
        help: None,
        at_most: None,
        at_least: None,
        is_acknowledged: false,
    }
}

fn of_reduction(reduction: &CoverageReduction) -> ProjectProblem {
    let is_acknowledged = reduction.reason.is_some();
    let is_light = is_acknowledged || reduction.change == CoverageChange::Suspicious;
    let message = match &reduction.reason {
        Some(reason) => format!("{}. Acknowledged: {reason}", reduction.message),
        None => reduction.message.clone(),
    };
    let help = format!(
        "revert the change; or, if it is intended, add to mig-ci.toml: [[coverage.removed]], {}, reason = \"…\"",
        reduction.part
    );
    ProjectProblem {
        database: reduction.database.clone(),
        track: reduction.track,
        help: (!is_acknowledged).then_some(help),
        at_most: is_light.then_some(Severity::Warning),
        is_acknowledged,
        ..of_project(message, NO_PLACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge_project;
    use crate::model::{CheckSettings, CoveragePart};

    fn removed(reason: Option<&str>) -> CoverageReduction {
        CoverageReduction {
            part: CoveragePart::Tenant { database: Some("app".into()), tenant: "acme".into() },
            change: CoverageChange::Removed,
            database: "app".to_owned(),
            track: TrackKind::Tenant,
            message: "the sample of `acme` is gone".to_owned(),
            reason: reason.map(str::to_owned),
        }
    }

    fn settings(fail_on: Severity, severity: Option<Severity>) -> CheckSettings {
        let severities = [("coverage-reduced".to_owned(), severity)].into();
        CheckSettings { fail_on: Some(fail_on), severities }
    }

    /// The head disables the check and fails on nothing: the base's settings apply.
    #[test]
    fn the_severity_is_that_of_the_bases_settings() {
        let head = settings(Severity::Error, None);
        let mut project = ProjectRecord {
            reductions: vec![removed(None)],
            base_checks: Some(CheckSettings::default()),
            ..ProjectRecord::default()
        };
        let findings = judge_project(&project, &head);
        assert_eq!((findings[0].severity, findings[0].fails_run), (Severity::Error, true));
        project.base_checks = Some(settings(Severity::Warning, Some(Severity::Warning)));
        let findings = judge_project(&project, &head);
        assert_eq!((findings[0].severity, findings[0].fails_run), (Severity::Warning, true));
        project.base_checks = Some(settings(Severity::Error, None));
        assert!(judge_project(&project, &CheckSettings::default()).is_empty());
    }

    #[test]
    fn an_acknowledged_reduction_is_shown_and_does_not_fail() {
        let project = ProjectRecord {
            reductions: vec![removed(Some("no customer any more"))],
            base_checks: Some(settings(Severity::Info, Some(Severity::Error))),
            stale: vec![CoveragePart::Check("locks".to_owned())],
            ..ProjectRecord::default()
        };
        let findings = judge_project(&project, &CheckSettings::default());
        assert_eq!((findings[0].severity, findings[0].fails_run), (Severity::Warning, false));
        assert!(findings[0].message.ends_with("Acknowledged: no customer any more"));
        assert!(findings[1].message.contains("check = \"locks\""), "{}", findings[1].message);
        assert_eq!(findings[1].severity, Severity::Info);
    }
}
