//! Tests of the format. Expectations of rules come from alembic 1.20.1 and CPython 3.11 unless a test says otherwise.

mod env_reads;
mod environment;
mod format;
mod graph;
mod ini;
mod revision_file;
mod speed;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::formats::alembic::RevisionGraph;
use crate::model::{AlembicTrack, MemoryFiles, Migration, RevisionLineage, RevisionNode, Script};

/// The track of `alembic.ini` with the section `alembic`.
pub(super) fn track() -> AlembicTrack {
    AlembicTrack {
        ini: Some("alembic.ini".into()),
        section: "alembic".to_owned(),
        revisions: vec!["heads".to_owned()],
        ..AlembicTrack::default()
    }
}

pub(super) fn files(files: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles::new(files.iter().copied())
}

/// Migrations of `revision <parent,parent ~dependency @label`, in the order of their files.
pub(super) fn revisions(lines: &[&str]) -> Vec<Migration> {
    let mut migrations: Vec<Migration> =
        lines.iter().enumerate().map(|(order, line)| revision(order, line)).collect();
    let graph = RevisionGraph::new(&migrations);
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let followers: BTreeMap<String, Vec<String>> =
        graph.followers().map(|(name, next)| (name.to_owned(), owned(next))).collect();
    let lineage = RevisionLineage::new(followers);
    for migration in &mut migrations {
        Arc::make_mut(migration.node.as_mut().unwrap()).lineage = lineage.clone();
    }
    migrations
}

fn revision(order: usize, line: &str) -> Migration {
    let mut words = line.split(' ');
    let mut node = RevisionNode { order, revision_line: 1, line: 2, ..RevisionNode::default() };
    let version = words.next().unwrap_or_default().to_owned();
    for word in words {
        let names = || word[1..].split(',').map(str::to_owned).collect();
        match &word[..1] {
            "<" => node.down_revisions = names(),
            "~" => (node.depends_on, node.depends_on_line) = (names(), 4),
            "@" => node.branch_labels = names(),
            _ => panic!("{line}"),
        }
    }
    Migration {
        version,
        description: String::new(),
        up: Script::python(format!("v/{order}.py"), ""),
        down: None,
        in_transaction: true,
        down_in_transaction: true,
        checksum: None,
        node: Some(Arc::new(node)),
    }
}
