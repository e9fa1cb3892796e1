//! A pending revision continues the base at a revision that is no longer its head.

use super::{Check, CheckMeta, ProjectProblem, UnitProblem, meta};
use crate::model::{NotOnBase, Place, ProjectRecord, RevisionGraphRecord, UnitRecord};

#[derive(Debug)]
pub(super) struct RevisionNotOnBaseHead;

impl Check for RevisionNotOnBaseHead {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "revision-not-on-base-head",
            "The parent of a pending revision is not a head of the base"
        )
    }

    fn check<'a>(&self, _: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        Vec::new()
    }

    fn check_project(&self, project: &ProjectRecord) -> Vec<ProjectProblem> {
        let all = project.graphs.iter();
        all.flat_map(|graph| graph.not_on_base.iter().map(move |one| problem(graph, one))).collect()
    }
}

fn problem(graph: &RevisionGraphRecord, not_on_base: &NotOnBase) -> ProjectProblem {
    let NotOnBase { revision, parent, base_heads } = not_on_base;
    let heads: Vec<_> = base_heads.iter().map(|head| format!("`{head}`")).collect();
    let heads = heads.join(" or ");
    ProjectProblem {
        database: graph.database.clone(),
        track: graph.track,
        message: format!(
            "revision {} is built on {parent}, which is not a head of the base: the base has gone on to {heads}",
            revision.version
        ),
        place: Some(Place {
            path: revision.path.clone(),
            line: revision.line,
            column: None,
            excerpt: None,
        }),
        unplaced: None,
        help: Some(format!(
            "set `down_revision` to {heads} after a rebase, or merge the branches with `alembic merge heads`"
        )),
        at_most: None,
        at_least: None,
        is_acknowledged: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge_project;
    use crate::checks::test_fixtures::{graph, head};
    use crate::model::{CheckSettings, Severity};

    #[test]
    fn the_finding_is_at_the_parent_of_the_revision() {
        let not_on_base = vec![NotOnBase {
            revision: head("c", true),
            parent: "a".to_owned(),
            base_heads: vec!["b".to_owned()],
        }];
        let graphs = vec![RevisionGraphRecord { not_on_base, ..graph() }];
        let project = ProjectRecord { graphs, ..ProjectRecord::default() };
        let findings = judge_project(&project, &CheckSettings::default());
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            finding.message,
            "revision c is built on a, which is not a head of the base: the base has gone on to `b`"
        );
        assert_eq!(finding.place.as_ref().map(|place| place.line), Some(5));
    }
}
