//! The graph of revisions has several heads.

use super::{Check, CheckMeta, ProjectProblem, UnitProblem, meta};
use crate::model::{
    GraphHead, GraphTargets, Place, ProjectRecord, RevisionGraphRecord, Severity, UnitRecord,
};

#[derive(Debug)]
pub(super) struct MultipleHeads;

impl Check for MultipleHeads {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Warning, "multiple-heads", "The revisions have more than one head")
    }

    fn check<'a>(&self, _: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        Vec::new()
    }

    fn check_project(&self, project: &ProjectRecord) -> Vec<ProjectProblem> {
        project.graphs.iter().filter_map(problem).collect()
    }
}

/// With `head`, the tool refuses several heads. With `heads`, only a pull request that adds one is reported: a project may have
/// independent branches.
fn problem(graph: &RevisionGraphRecord) -> Option<ProjectProblem> {
    let heads = graph.heads.len();
    let consequence = match graph.targets {
        _ if heads < 2 => return None,
        GraphTargets::Named => return None,
        GraphTargets::Heads if graph.base_heads > 0 && heads <= graph.base_heads => return None,
        GraphTargets::Heads => {
            "`alembic upgrade head` and `alembic revision` fail until they are merged"
        }
        GraphTargets::Head => "Alembic refuses `upgrade head`",
    };
    let first = graph.heads.iter().find(|head| head.is_pending).or(graph.heads.first())?;
    let named = |head: &GraphHead| format!("{} ({})", head.version, head.path);
    let all: Vec<_> = graph.heads.iter().map(named).collect();
    let others = graph.heads.iter().filter(|head| head.version != first.version);
    let others: Vec<_> = others.map(|head| format!("`{}`", head.version)).collect();
    let (path, line) = (first.path.clone(), first.line);
    Some(ProjectProblem {
        database: graph.database.clone(),
        track: graph.track,
        message: format!("there are {heads} heads: {}; {consequence}", all.join(", ")),
        place: Some(Place { path, line, column: None, excerpt: None }),
        unplaced: None,
        help: Some(format!(
            "let `down_revision` of the new revision name {}, or run `alembic merge heads -m \"merge\"`; if the branches are \
             independent, set `revision = [\"label@head\", …]`",
            others.join(" or ")
        )),
        at_most: None,
        at_least: (graph.targets == GraphTargets::Head).then_some(Severity::Error),
        is_acknowledged: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge_project;
    use crate::checks::test_fixtures::{graph, head};
    use crate::model::CheckSettings;

    fn severity(
        targets: GraphTargets,
        base_heads: usize,
        heads: Vec<GraphHead>,
    ) -> Option<Severity> {
        let graphs = vec![RevisionGraphRecord { targets, base_heads, heads, ..graph() }];
        let project = ProjectRecord { graphs, ..ProjectRecord::default() };
        let findings = judge_project(&project, &CheckSettings::default());
        assert!(findings.len() < 2);
        findings.first().map(|finding| finding.severity)
    }

    #[test]
    fn several_heads_are_an_error_where_the_tool_refuses_them() {
        let two = || vec![head("a", false), head("b", true)];
        assert_eq!(severity(GraphTargets::Head, 1, two()), Some(Severity::Error));
        assert_eq!(severity(GraphTargets::Head, 2, two()), Some(Severity::Error));
        assert_eq!(severity(GraphTargets::Heads, 1, two()), Some(Severity::Warning));
        assert_eq!(severity(GraphTargets::Heads, 0, two()), Some(Severity::Warning));
        assert_eq!(severity(GraphTargets::Heads, 2, two()), None);
        assert_eq!(severity(GraphTargets::Named, 1, two()), None);
        assert_eq!(severity(GraphTargets::Head, 1, vec![head("a", true)]), None);
    }

    #[test]
    fn the_finding_is_at_the_new_head() {
        let heads = vec![head("a", false), head("b", true)];
        let problem = problem(&RevisionGraphRecord { heads, base_heads: 1, ..graph() }).unwrap();
        assert_eq!(
            problem.message,
            "there are 2 heads: a (v/a.py), b (v/b.py); `alembic upgrade head` and `alembic revision` fail until they are merged"
        );
        assert_eq!(problem.place.unwrap().path, "v/b.py");
        assert!(
            problem
                .help
                .unwrap()
                .starts_with("let `down_revision` of the new revision name `a`, or")
        );
    }
}
