//! The graph of a track's revisions in the head and the base, as evidence for checks.

use super::TrackPlan;
use crate::formats::RevisionGraph;
use crate::model::{GraphHead, GraphTargets, Migration, NotOnBase, RevisionGraphRecord};

/// The graph of a track; `None` if its format has none.
pub(crate) fn revision_graph(database: &str, track: &TrackPlan) -> Option<RevisionGraphRecord> {
    track.head.first()?.node.as_ref()?;
    let graph = RevisionGraph::new(&track.head);
    let base = RevisionGraph::new(&track.base);
    let base_heads: Vec<String> =
        base.heads().into_iter().map(|head| base.migration(head).version.clone()).collect();
    let heads = graph.heads().into_iter().map(|head| of_file(track, graph.migration(head)));
    Some(RevisionGraphRecord {
        database: database.to_owned(),
        track: track.kind,
        problems: graph.problems().to_vec(),
        heads: heads.collect(),
        base_heads: base_heads.len(),
        targets: targets(track),
        not_on_base: not_on_base(track, &base, &base_heads),
    })
}

fn targets(track: &TrackPlan) -> GraphTargets {
    let revisions = track.alembic.as_ref().map(|alembic| alembic.revisions.as_slice());
    match revisions.unwrap_or_default() {
        [only] if only == "head" => GraphTargets::Head,
        [] => GraphTargets::Heads,
        all if all.iter().any(|one| one == "heads") => GraphTargets::Heads,
        _ => GraphTargets::Named,
    }
}

/// Pending revisions that continue the base anywhere else than at one of its heads.
fn not_on_base(
    track: &TrackPlan,
    base: &RevisionGraph<'_>,
    base_heads: &[String],
) -> Vec<NotOnBase> {
    let is_inside = |parent: &&String| {
        !base_heads.contains(parent)
            && base.resolve(parent).is_some_and(|known| base.migration(known).version == **parent)
    };
    let pending = track.head.iter().filter(|migration| base.resolve(&migration.version).is_none());
    pending
        .filter_map(|migration| {
            let parent = migration.node.as_ref()?.down_revisions.iter().find(is_inside)?;
            Some(NotOnBase {
                revision: of_file(track, migration),
                parent: parent.clone(),
                base_heads: base_heads.to_vec(),
            })
        })
        .collect()
}

fn of_file(track: &TrackPlan, migration: &Migration) -> GraphHead {
    GraphHead {
        version: migration.version.clone(),
        path: migration.up.path().to_owned(),
        line: migration.node.as_ref().map_or(1, |node| node.line),
        is_pending: track.is_pending(migration),
    }
}
