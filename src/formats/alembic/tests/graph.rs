//! The graph. Orders, heads and words were obtained from alembic 1.20.1; the random comparison is in `differential_tests.rs`.

use pretty_assertions::assert_eq;

use super::revisions;
use crate::formats::alembic::RevisionGraph;
use crate::model::{GraphProblemKind, Migration};

fn names(graph: &RevisionGraph<'_>, revisions: &[usize]) -> String {
    let names: Vec<_> = revisions.iter().map(|one| &*graph.migration(*one).version).collect();
    names.join(" ")
}

fn upgrade(migrations: &[Migration], rows: &[&str]) -> Result<String, String> {
    let graph = RevisionGraph::new(migrations);
    let order = graph.upgrade(rows.iter().copied()).map_err(|refusal| refusal.message)?;
    Ok(names(&graph, &order))
}

/// Two branches from one point, a merge, and a branch of its own that depends on the first.
const BRANCHES: &[&str] = &[
    "aaaa",
    "bbbb <aaaa",
    "cccc <aaaa",
    "dddd <bbbb,cccc",
    "eeee @billing",
    "ffff <eeee ~bbbb",
    "gggg <dddd",
];

#[test]
fn heads_and_the_order_are_alembics() {
    let migrations = revisions(BRANCHES);
    let graph = RevisionGraph::new(&migrations);
    assert_eq!(graph.problems(), []);
    assert_eq!(names(&graph, &graph.heads()), "ffff gggg");
    assert_eq!(names(&graph, &graph.effective_heads()), "ffff gggg");
    assert_eq!(names(&graph, &graph.bases()), "aaaa eeee");
    assert_eq!(upgrade(&migrations, &[]), Ok("aaaa bbbb cccc dddd gggg eeee ffff".to_owned()));
    assert_eq!(upgrade(&migrations, &["bbbb"]), Ok("cccc dddd gggg eeee ffff".to_owned()));
    assert_eq!(upgrade(&migrations, &["gggg", "ffff"]), Ok(String::new()));
    let labels = |name: &str| graph.labels(graph.resolve(name).unwrap()).collect::<Vec<_>>();
    assert_eq!(labels("eeee"), ["billing"]);
    assert_eq!(labels("ffff"), ["billing"]);
    assert!(labels("gggg").is_empty());
    assert_eq!(graph.resolve("billing"), graph.resolve("eeee"));
}

#[test]
fn a_head_that_another_depends_on_has_no_row() {
    let migrations = revisions(&["aaaa", "bbbb", "cccc <bbbb ~aaaa"]);
    let graph = RevisionGraph::new(&migrations);
    assert_eq!(names(&graph, &graph.heads()), "aaaa cccc");
    assert_eq!(names(&graph, &graph.effective_heads()), "cccc");
    let all = vec![true; 3];
    assert_eq!(names(&graph, &graph.rows_of(&all)), "cccc");
    assert_eq!(graph.applied(["cccc"]), [true, true, true]);
    assert_eq!(graph.applied(["bbbb"]), [false, true, false]);
}

#[test]
fn rows_that_alembic_refuses_are_refused_in_its_words() {
    let migrations = revisions(BRANCHES);
    assert_eq!(
        upgrade(&migrations, &["zzzz"]),
        Err("Can't locate revision identified by 'zzzz'".to_owned())
    );
    assert_eq!(
        upgrade(&migrations, &["aaaa", "bbbb"]),
        Err("Requested revision bbbb overlaps with other requested revisions aaaa".to_owned())
    );
    // The beginning of an identifier counts as the identifier.
    assert_eq!(upgrade(&migrations, &["gg", "ffff"]), Ok(String::new()));
}

#[test]
fn broken_graphs_have_problems_with_places() {
    let problems = |files: &[&str]| -> Vec<String> {
        let migrations = revisions(files);
        let graph = RevisionGraph::new(&migrations);
        let shown = graph.problems().iter();
        shown.map(|one| format!("{}:{} {}", one.path, one.line, one.message)).collect()
    };
    assert_eq!(
        problems(&["aaaa", "bbbb <gone"]),
        [
            "v/1.py:2 Revision gone referenced from bbbb is not present: no file has it (down_revision)"
        ]
    );
    // Unlike in a command, a part of an identifier is not enough in `depends_on`.
    assert_eq!(
        problems(&["aaaabbbb", "bbbb ~aaaa"]),
        ["v/1.py:4 Revision aaaa referenced from bbbb is not present: no file has it (depends_on)"]
    );
    assert_eq!(
        problems(&["aaaa", "bbbb <aaaa,dddd", "cccc <bbbb", "dddd <cccc"]),
        ["v/1.py:2 Cycle is detected in revisions (bbbb, cccc, dddd)"]
    );
    assert_eq!(
        problems(&["aaaa ~bbbb", "bbbb <aaaa"]),
        ["v/0.py:2 Dependency cycle is detected in revisions (aaaa, bbbb)"]
    );
    assert_eq!(problems(&["aaaa <aaaa"]), ["v/0.py:2 Self-loop is detected in revisions (aaaa)"]);
    assert_eq!(
        problems(&["aaaa ~aaaa"]),
        ["v/0.py:4 Dependency self-loop is detected in revisions (aaaa)"]
    );
    assert_eq!(
        problems(&["aaaa @x", "bbbb @x"]),
        ["v/1.py:1 Branch name 'x' in revision bbbb already used by revision aaaa"]
    );
    assert_eq!(
        problems(&["aaaa", "bbbb <aaaa", "bbbb <aaaa"]),
        ["v/2.py:1 Revision bbbb is present more than once: v/1.py has it, too"]
    );
}

#[test]
fn a_duplicate_is_refused_only_where_something_follows_it() {
    let head = revisions(&["aaaa", "bbbb <aaaa", "bbbb <aaaa"]);
    assert_eq!(upgrade(&head, &[]), Ok("aaaa bbbb".to_owned()));
    let followed = revisions(&["aaaa", "bbbb <aaaa", "bbbb <aaaa", "cccc <bbbb"]);
    assert_eq!(
        upgrade(&followed, &[]),
        Err("Requested revision cccc overlaps with other requested revisions bbbb".to_owned())
    );
    let graph = RevisionGraph::new(&followed);
    assert_eq!(graph.problems()[0].kind, GraphProblemKind::Duplicate);
}
