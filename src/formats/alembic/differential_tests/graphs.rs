//! Random graphs of revisions.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{ask, peers, random_rounds, strings};
use crate::formats::DirectoryRules as _;
use crate::formats::alembic::{Alembic, RevisionGraph};
use crate::formats::testing::directory;
use crate::model::{GraphProblemKind, MemoryFiles, Migration};

/// A folder of revisions, and ledgers to upgrade from.
struct GraphCase {
    files: Vec<(String, String)>,
    migrations: Vec<Migration>,
    rows: Vec<Vec<String>>,
}

#[derive(Default)]
struct RandomRevision {
    name: String,
    down: Vec<String>,
    depends: Vec<String>,
    labels: Vec<String>,
}

impl RandomRevision {
    /// The file, in one of the forms in which people write it.
    fn text(&self, rng: &mut Rng) -> String {
        let mut text = match rng.u8(..3) {
            0 => format!("\"\"\"Add {}\n\nmore\n\"\"\"\n", self.name),
            1 => format!("'''  {}'''\n", self.name),
            _ => "from typing import Sequence, Union\n".to_owned(),
        };
        text.push_str(&format!("revision{} = {:?}\n", annotation(rng), self.name));
        for (variable, values) in [
            ("down_revision", &self.down),
            ("depends_on", &self.depends),
            ("branch_labels", &self.labels),
        ] {
            if variable != "down_revision" && values.is_empty() && rng.bool() {
                continue;
            }
            text.push_str(&format!("{variable}{} = {}\n", annotation(rng), literal(rng, values)));
        }
        text.push_str("def upgrade():\n    pass\ndef downgrade():\n    pass\n");
        text
    }
}

fn annotation(rng: &mut Rng) -> &'static str {
    rng.choice(["", "", ": str", ": \"Union[str, Sequence[str], None]\""]).unwrap()
}

fn literal(rng: &mut Rng, values: &[String]) -> String {
    let texts: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    match texts.as_slice() {
        [] => (*rng.choice(["None", "None", "()"]).unwrap()).to_owned(),
        [one] if rng.u8(..3) > 0 => one.clone(),
        _ if rng.bool() => format!("[{}]", texts.join(", ")),
        _ => format!("({},)", texts.join(", ")),
    }
}

fn random_revisions(rng: &mut Rng) -> Vec<RandomRevision> {
    let mut revisions: Vec<RandomRevision> = Vec::new();
    let most = if rng.u8(..4) == 0 { 25 } else { 9 };
    for index in 0..rng.usize(1..most) {
        let length = rng.usize(4..13);
        let letters: String =
            (0..length).map(|_| char::from(*rng.choice(b"abcdef0123456789").unwrap())).collect();
        let mut revision =
            RandomRevision { name: format!("{letters}{index}"), ..RandomRevision::default() };
        let wanted = match rng.u8(..12) {
            0 => 0,
            1 | 2 => 2,
            3 => 3,
            _ => 1,
        };
        let recent = revisions.len().saturating_sub(rng.usize(1..6));
        for _ in 0..wanted {
            if !revisions.is_empty() {
                let from = if rng.bool() { recent } else { 0 };
                push(&mut revision.down, &revisions[rng.usize(from..revisions.len())].name);
            }
        }
        while rng.u8(..6) == 0 && !revisions.is_empty() {
            let other = &revisions[rng.usize(..revisions.len())];
            let label = other.labels.first().filter(|_| rng.bool()).unwrap_or(&other.name);
            push(&mut revision.depends, label);
        }
        if rng.u8(..6) == 0 {
            revision.labels.push(format!("label{index}"));
        }
        revisions.push(revision);
    }
    if rng.u8(..5) == 0 {
        damage(rng, &mut revisions);
    }
    revisions
}

fn push(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|known| known == name) {
        list.push(name.to_owned());
    }
}

/// Makes a graph that Alembic may refuse.
fn damage(rng: &mut Rng, revisions: &mut Vec<RandomRevision>) {
    let at = rng.usize(..revisions.len());
    let other = revisions[rng.usize(..revisions.len())].name.clone();
    match rng.u8(..6) {
        0 => push(&mut revisions[at].down, "missing"),
        1 => push(&mut revisions[at].depends, &other[..4]),
        2 => push(&mut revisions[at].down, &other),
        3 => push(&mut revisions[at].depends, &other),
        4 => {
            let labels = ["same".to_owned(), other];
            revisions[at].labels = vec![rng.choice(labels).unwrap()];
            if let Some(first) = revisions.first_mut() {
                first.labels = vec!["same".to_owned()];
            }
        }
        _ => {
            // A copy: what Alembic makes of the first file of two is of no interest beyond that.
            let RandomRevision { name, down, depends, .. } = &revisions[at];
            let (name, down, depends) = (name.clone(), down.clone(), depends.clone());
            revisions[at].labels.clear();
            revisions.push(RandomRevision { name, down, depends, labels: Vec::new() });
        }
    }
}

fn random_case(rng: &mut Rng) -> GraphCase {
    let revisions = random_revisions(rng);
    let mut numbers: Vec<usize> = (0..revisions.len()).collect();
    rng.shuffle(&mut numbers);
    let file = |(revision, number): (&RandomRevision, usize)| {
        (format!("f{number:03}.py"), revision.text(rng))
    };
    let files: Vec<(String, String)> = revisions.iter().zip(numbers).map(file).collect();
    let in_folder = files.iter().map(|(name, text)| (format!("m/versions/{name}"), text.clone()));
    let tree = MemoryFiles::new(in_folder.chain([("m/env.py".to_owned(), String::new())]));
    let migrations = Alembic.load(&directory(&tree, "m")).unwrap();
    let rows = (0..4).map(|_| random_rows(rng, &migrations)).chain([Vec::new()]).collect();
    GraphCase { files, migrations, rows }
}

/// Rows of a ledger in the middle of an upgrade; sometimes others.
fn random_rows(rng: &mut Rng, migrations: &[Migration]) -> Vec<String> {
    let any = |rng: &mut Rng| migrations[rng.usize(..migrations.len())].version.clone();
    match rng.u8(..8) {
        0 => return vec![any(rng), any(rng)],
        1 => return vec![any(rng)[..4].to_owned()],
        2 => return vec!["gone".to_owned(), any(rng)],
        _ => {}
    }
    let graph = RevisionGraph::new(migrations);
    let applied = vec![any(rng), any(rng)];
    let applied = graph.applied(applied.iter().map(String::as_str));
    graph.rows_of(&applied).into_iter().map(|row| graph.migration(row).version.clone()).collect()
}

#[test]
fn graphs_are_those_of_alembic() {
    let (mut rng, rounds) = random_rounds(11, 200, 5_000);
    let cases: Vec<GraphCase> = (0..rounds).map(|_| random_case(&mut rng)).collect();
    let question = |case: &GraphCase| json!({ "files": case.files, "rows": case.rows });
    let questions: Vec<Value> = cases.iter().map(question).collect();
    for python in peers() {
        let answers = ask(&python, &json!({ "graphs": questions }));
        let mut counts = BTreeMap::new();
        for (case, expected) in cases.iter().zip(answers["graphs"].as_array().unwrap()) {
            let of_case = compare(case, expected);
            *counts.entry(of_case).or_insert(0) += 1;
        }
        for kind in ["read", "refused"] {
            assert!(counts.get(kind).is_some_and(|count| *count > rounds / 20), "{counts:?}");
        }
    }
}

fn compare(case: &GraphCase, expected: &Value) -> &'static str {
    let graph = RevisionGraph::new(&case.migrations);
    let refusal = graph.problems().iter().find(|one| one.kind != GraphProblemKind::Duplicate);
    if let Some(error) = expected["error"].as_str() {
        let kind = refusal.unwrap_or_else(|| panic!("{error}: {expected}\n{:?}", case.files)).kind;
        let possible = match error {
            "KeyError" => GraphProblemKind::Missing,
            "RevisionError" => GraphProblemKind::Label,
            _ => GraphProblemKind::Cycle,
        };
        // A label that is an identifier can hide a missing revision, and the other way round.
        let all: Vec<_> = graph.problems().iter().map(|one| one.kind).collect();
        assert!(all.contains(&possible), "{kind:?} and not {expected}\n{:?}", case.files);
        return "refused";
    }
    if let Some(problem) = refusal {
        // Alembic misses a cycle that can be entered and left: it never ends, or runs a revision before its parent.
        assert_eq!(problem.kind, GraphProblemKind::Cycle, "{:?}", case.files);
        let from_nothing = expected["upgrades"].as_array().unwrap().last().unwrap();
        let is_wrong = from_nothing["error"] == "no end"
            || runs_before_its_parent(&case.migrations, &strings(&from_nothing["order"]));
        assert!(is_wrong, "{problem:?} {expected} {:?}", case.files);
        return "endless";
    }
    let names = |revisions: Vec<usize>| -> Vec<&str> {
        revisions.into_iter().map(|one| &*graph.migration(one).version).collect()
    };
    // Alembic names a head once for each file that has it.
    let once = |value: &Value| -> BTreeSet<String> {
        strings(value).into_iter().map(str::to_owned).collect()
    };
    let own = |revisions| names(revisions).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(own(graph.heads()), once(&expected["heads"]), "{:?}", case.files);
    assert_eq!(own(graph.effective_heads()), once(&expected["effective"]), "{:?}", case.files);
    for revision in 0..graph.len() {
        let migration = graph.migration(revision);
        let labels: Vec<&str> = graph.labels(revision).collect();
        assert_eq!(labels, strings(&expected["labels"][&migration.version]), "{:?}", case.files);
        let doc = expected["docs"][&migration.version].as_str().unwrap();
        assert_eq!(migration.description, doc.lines().next().unwrap_or_default());
    }
    for (rows, upgrade) in case.rows.iter().zip(expected["upgrades"].as_array().unwrap()) {
        compare_upgrade(case, &graph, rows, upgrade);
    }
    "read"
}

fn compare_upgrade(case: &GraphCase, graph: &RevisionGraph<'_>, rows: &[String], expected: &Value) {
    let context = || format!("from {rows:?}: {expected}\n{:?}", case.files);
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let own = graph.upgrade(rows.iter().copied());
    let order = match (&own, expected["error"].as_str()) {
        (Err(refusal), Some(error)) => {
            // Several overlapping revisions are in the order of a set.
            let begin = |text: &str| text.split(" requested revisions ").next().map(str::to_owned);
            assert_eq!(begin(&refusal.message), begin(error), "{}", context());
            return;
        }
        (Ok(order), None) => order,
        _ => panic!("{own:?} {}", context()),
    };
    let names: Vec<&str> = order.iter().map(|one| &*graph.migration(*one).version).collect();
    if several_dependencies(&case.migrations) {
        let sorted = |mut names: Vec<String>| {
            names.sort_unstable();
            names
        };
        let owned = |names: &[&str]| sorted(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(owned(&names), owned(&strings(&expected["order"])), "{}", context());
    } else {
        assert_eq!(names, strings(&expected["order"]), "{}", context());
    }
    let mut applied = graph.applied(rows.iter().copied());
    let shown = |set: &[bool]| -> BTreeSet<String> {
        let applied = (0..graph.len()).filter(|one| set[*one]);
        applied.map(|one| graph.migration(one).version.clone()).collect()
    };
    let expected_set = |value: &Value| -> BTreeSet<String> {
        strings(value).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(shown(&applied), expected_set(&expected["applied"]), "{}", context());
    for revision in order {
        applied[*revision] = true;
    }
    if !expected["after"].is_null() && !merges_an_ancestor(&case.migrations) {
        let after =
            graph.rows_of(&applied).into_iter().map(|one| graph.migration(one).version.clone());
        assert_eq!(
            after.collect::<BTreeSet<_>>(),
            expected_set(&expected["after"]),
            "{}",
            context()
        );
    }
}

/// Alembic keeps the dependencies of a revision in a set, whose order is Python's.
fn several_dependencies(migrations: &[Migration]) -> bool {
    let nodes = migrations.iter().filter_map(|migration| migration.node.as_ref());
    nodes.into_iter().any(|node| node.depends_on.len() > 1)
}

/// A revision has a parent that is an ancestor of another of its parents, or depends on an ancestor. Alembic runs these, and
/// then may not find the row that it wants to replace.
fn merges_an_ancestor(migrations: &[Migration]) -> bool {
    let graph = RevisionGraph::new(migrations);
    let is_redundant = |migration: &Migration| {
        let Some(node) = &migration.node else { return false };
        let before: Vec<usize> = node
            .down_revisions
            .iter()
            .chain(&node.depends_on)
            .filter_map(|name| graph.resolve(name))
            .collect();
        before.iter().any(|one| {
            let mut others = before.iter().filter(|other| *other != one);
            others.any(|other| graph.applied([&*graph.migration(*other).version])[*one])
        })
    };
    migrations.iter().any(is_redundant)
}

fn runs_before_its_parent(migrations: &[Migration], order: &[&str]) -> bool {
    let at = |name: &str| order.iter().position(|one| *one == name);
    migrations.iter().any(|migration| {
        let node = migration.node.as_ref().unwrap();
        let parents = node.down_revisions.iter().chain(&node.depends_on);
        parents.into_iter().any(|parent| at(parent) > at(&migration.version))
    })
}
