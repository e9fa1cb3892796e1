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

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::{
        AlembicTrack, GraphProblemKind, MemoryFiles, MigrationChange, Track, TrackKind,
    };
    use crate::replay::plan::PlanBase;

    const ENV: (&str, &str) = ("m/env.py", "from alembic import context");
    const INI: (&str, &str) = ("alembic.ini", "[alembic]\nscript_location = m\n");

    /// A file in `m/versions` for each `revision parent`.
    fn files(revisions: &[&str]) -> MemoryFiles {
        let file = |line: &&str| {
            let (revision, parent) = line.split_once(' ').unwrap_or((line, ""));
            let down = if parent.is_empty() { "None".into() } else { format!("'{parent}'") };
            (
                format!("m/versions/{}.py", line.replace(' ', "_")),
                format!("revision = '{revision}'\ndown_revision = {down}\ndef upgrade(): pass\n"),
            )
        };
        let own = [ENV, INI].map(|(path, text)| (path.to_owned(), text.to_owned()));
        MemoryFiles::new(revisions.iter().map(file).chain(own))
    }

    fn plan(revisions: &[&str], head: &MemoryFiles, base: &MemoryFiles) -> TrackPlan {
        let alembic = AlembicTrack {
            ini: Some("alembic.ini".into()),
            section: "alembic".to_owned(),
            revisions: revisions.iter().map(|one| (*one).to_owned()).collect(),
            ..AlembicTrack::default()
        };
        let track = Track {
            migrations: "m".into(),
            format: None,
            ledger: None,
            order: None,
            deploy: crate::model::Deploy::Tool,
            forward_only: Vec::new(),
            schema: "public".to_owned(),
            search_path: vec!["public".to_owned()],
            sample: None,
            alembic: Some(Box::new(alembic)),
        };
        let base = PlanBase { files: base, project: None };
        let base = Some(base.track("app", TrackKind::Shared));
        TrackPlan::new("app", TrackKind::Shared, &track, head, base).unwrap()
    }

    #[test]
    fn a_pull_request_beside_the_base_has_two_heads_and_another_parent() {
        let (head, base) = (files(&["a", "b a", "c a", "d c"]), files(&["a", "b a"]));
        let record = revision_graph("app", &plan(&["heads"], &head, &base)).unwrap();
        let heads: Vec<_> =
            record.heads.iter().map(|one| (&*one.version, one.is_pending)).collect();
        assert_eq!(heads, [("b", false), ("d", true)]);
        assert_eq!((record.base_heads, record.targets), (1, GraphTargets::Heads));
        let [found] = record.not_on_base.as_slice() else { panic!("{record:?}") };
        assert_eq!((&*found.revision.version, &*found.parent, found.revision.line), ("c", "a", 2));
        assert_eq!(found.base_heads, ["b"]);
    }

    #[test]
    fn a_pull_request_on_top_of_the_base_has_no_finding() {
        let (head, base) = (files(&["a", "b a", "c b"]), files(&["a", "b a"]));
        let record = revision_graph("app", &plan(&["head"], &head, &base)).unwrap();
        assert_eq!((record.heads.len(), record.targets), (1, GraphTargets::Head));
        assert!(record.problems.is_empty() && record.not_on_base.is_empty());
        let named = plan(&["x@head", "y@head"], &head, &base);
        assert_eq!(revision_graph("app", &named).unwrap().targets, GraphTargets::Named);
    }

    #[test]
    fn a_base_without_revisions_is_no_error() {
        let (head, base) = (files(&["a", "b a"]), files(&[]));
        let plan = plan(&["heads"], &head, &base);
        assert_eq!((plan.base.len(), plan.pending()), (0, 2));
        assert!(revision_graph("app", &plan).unwrap().not_on_base.is_empty());
    }

    #[test]
    fn a_broken_graph_is_evidence_and_no_error_of_the_plan() {
        let (head, base) = (files(&["a", "b gone"]), files(&["a"]));
        let record = revision_graph("app", &plan(&["heads"], &head, &base)).unwrap();
        let [problem] = record.problems.as_slice() else { panic!("{record:?}") };
        assert_eq!((problem.kind, problem.line), (GraphProblemKind::Missing, 2));
        assert_eq!(problem.path, "m/versions/b_gone.py");
    }

    #[test]
    fn edits_of_comments_do_not_count_and_removals_do() {
        let base = files(&["a", "b a", "c b"]);
        let edited = |text: &str| {
            let a = (
                "m/versions/a.py",
                "# new\nrevision = 'a'\ndown_revision = None\n\ndef upgrade():  pass  # why\n",
            );
            MemoryFiles::new([ENV, INI, a, ("m/versions/b_a.py", text)])
        };
        let head = edited("revision = 'b'\ndown_revision = 'a'\ndef upgrade(): op.x()\n");
        let changed: Vec<_> = plan(&["heads"], &head, &base)
            .unnoticed
            .into_iter()
            .map(|one| (one.version, one.change))
            .collect();
        let [(b, MigrationChange::Edited(place)), (c, MigrationChange::Removed)] =
            changed.as_slice()
        else {
            panic!("{changed:?}")
        };
        assert_eq!((&**b, place.line, &**c), ("b", 3, "c"));
    }
}
