//! Changes of an Alembic track's configuration that may hide a failure: what is run, and with what.

use super::settings::of_setting;
use crate::model::{AlembicTrack, CoverageChange, CoverageReduction, Track, TrackKind};

/// A warning for each key of the track that the head has changed. Values are not shown: they may be secrets.
pub(super) fn changes(
    base: &Track,
    head: &Track,
    database: &str,
    kind: TrackKind,
) -> Vec<CoverageReduction> {
    let (Some(before), Some(after)) = (base.alembic.as_deref(), head.alembic.as_deref()) else {
        return Vec::new();
    };
    let changed = KEYS.into_iter().filter(|(_, is_equal, _)| !is_equal(before, after));
    let reduction = |(key, _, effect): (&str, _, &str)| {
        let message =
            format!("`{key}` of the {kind} track of database `{database}` was changed: {effect}");
        CoverageReduction {
            database: database.to_owned(),
            track: kind,
            ..of_setting(key, CoverageChange::Suspicious, message)
        }
    };
    changed.map(reduction).collect()
}

type AreEqual = fn(&AlembicTrack, &AlembicTrack) -> bool;

/// The keys, and what depends on them. The files and folders are not here: they decide which revisions there are, and removed
/// revisions are findings of their own.
const KEYS: [(&str, AreEqual, &str); 7] = [
    ("revision", |a, b| a.revisions == b.revisions, "other revisions may be left out"),
    ("setup", |a, b| a.setup == b.setup, "revisions start from another state"),
    ("env", |a, b| a.environment == b.environment, "env.py gets other variables"),
    ("args", |a, b| a.arguments == b.arguments, "env.py gets other arguments"),
    ("options", |a, b| a.options == b.options, "env.py gets other options"),
    ("python", |a, b| a.python == b.python, "revisions run with another interpreter"),
    ("image", |a, b| a.image == b.image, "revisions run in another image"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn track(change: impl FnOnce(&mut AlembicTrack)) -> Track {
        let mut alembic = AlembicTrack::default();
        change(&mut alembic);
        Track {
            migrations: "m".into(),
            format: None,
            ledger: None,
            deploy: crate::model::Deploy::Tool,
            order: None,
            forward_only: Vec::new(),
            schema: "public".to_owned(),
            search_path: vec!["public".to_owned()],
            sample: None,
            alembic: Some(Box::new(alembic)),
        }
    }

    #[test]
    fn each_changed_key_is_a_warning_without_its_value() {
        let base = track(|_| ());
        let of = |head: &Track| changes(&base, head, "app", TrackKind::Tenant);
        assert!(of(&base).is_empty());
        let head = track(|alembic| {
            alembic.revisions = vec!["abc".to_owned()];
            alembic.environment.insert("TOKEN".to_owned(), "hunter2".to_owned());
        });
        let messages: Vec<String> = of(&head).into_iter().map(|found| found.message).collect();
        assert_eq!(
            messages,
            [
                "`revision` of the tenant track of database `app` was changed: other revisions may be left out",
                "`env` of the tenant track of database `app` was changed: env.py gets other variables",
            ]
        );
        let folder = track(|alembic| alembic.folder = "backend".into());
        assert!(of(&folder).is_empty());
    }
}
