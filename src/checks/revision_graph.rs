//! The tool cannot work with the graph of revisions.

use super::{Check, CheckMeta, ProjectProblem, UnitProblem, meta};
use crate::model::{
    GraphProblem, GraphProblemKind, Place, ProjectRecord, RevisionGraphRecord, UnitRecord,
};

#[derive(Debug)]
pub(super) struct RevisionGraphBroken;

impl Check for RevisionGraphBroken {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "revision-graph", "Revisions are missing, form a cycle, or exist twice")
    }

    fn check<'a>(&self, _: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        Vec::new()
    }

    fn check_project(&self, project: &ProjectRecord) -> Vec<ProjectProblem> {
        let all = project.graphs.iter();
        all.flat_map(|graph| graph.problems.iter().map(move |one| problem(graph, one))).collect()
    }
}

fn problem(graph: &RevisionGraphRecord, problem: &GraphProblem) -> ProjectProblem {
    let (path, line) = (problem.path.clone(), problem.line);
    ProjectProblem {
        database: graph.database.clone(),
        track: graph.track,
        message: problem.message.clone(),
        place: Some(Place { path, line, column: None, excerpt: None }),
        unplaced: None,
        help: Some(help(problem.kind).to_owned()),
        at_most: None,
        at_least: None,
        is_acknowledged: false,
    }
}

fn help(kind: GraphProblemKind) -> &'static str {
    match kind {
        GraphProblemKind::Missing => {
            "restore the file of the missing revision, or name another revision here; `depends_on` needs a complete \
             identifier or a branch label"
        }
        GraphProblemKind::Cycle => {
            "change `down_revision` or `depends_on` of one of them to an older revision"
        }
        GraphProblemKind::Duplicate => {
            "give one of the two files another `revision`: Alembic reads only the last one, and ignores the other"
        }
        GraphProblemKind::Label => "choose another label in `branch_labels` of one of the two",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge_project;
    use crate::checks::test_fixtures::graph;
    use crate::model::{CheckSettings, Severity};

    #[test]
    fn each_problem_is_an_error_at_its_place() {
        let of = |kind, path: &str, line| GraphProblem {
            kind,
            revision: "b".to_owned(),
            message: format!("{kind:?}"),
            path: path.into(),
            line,
        };
        let problems = vec![
            of(GraphProblemKind::Missing, "v/b.py", 9),
            of(GraphProblemKind::Cycle, "v/c.py", 3),
        ];
        let graphs = vec![RevisionGraphRecord { problems, ..graph() }];
        let project = ProjectRecord { graphs, ..ProjectRecord::default() };
        let findings = judge_project(&project, &CheckSettings::default());
        let shown: Vec<_> = findings
            .iter()
            .map(|one| {
                (one.severity, one.place.as_ref().map(|place| (place.path.as_str(), place.line)))
            })
            .collect();
        assert_eq!(
            shown,
            [(Severity::Error, Some(("v/b.py", 9))), (Severity::Error, Some(("v/c.py", 3)))]
        );
    }

    #[test]
    fn a_sound_graph_has_no_problem() {
        let project = ProjectRecord { graphs: vec![graph()], ..ProjectRecord::default() };
        assert!(RevisionGraphBroken.check_project(&project).is_empty());
    }
}
