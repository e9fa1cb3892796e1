//! The folder of a track's migrations: `migrations`, or the script folder of its Alembic environment.

use camino::Utf8PathBuf;

use super::context::ValidationContext;
use super::{alembic, paths};
use crate::config::alembic_problem::AlembicProblem;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::config::raw::{RawShared, RawTenants};
use crate::config::raw_alembic::RawAlembicKeys;
use crate::model::{AlembicTrack, Deploy, TrackKind};

/// The keys that decide who runs the migrations of a track, and where they are.
pub(super) struct FolderKeys<'a> {
    kind: TrackKind,
    migrations: Option<&'a str>,
    format: Option<&'a str>,
    deploy: Option<&'a str>,
    has_order: bool,
    has_forward_only: bool,
    alembic: &'a RawAlembicKeys,
}

impl<'a> FolderKeys<'a> {
    pub(super) fn of_shared(raw: &'a RawShared) -> Self {
        Self {
            kind: TrackKind::Shared,
            migrations: raw.migrations.as_deref(),
            format: raw.format.as_deref(),
            deploy: raw.deploy.as_deref(),
            has_order: raw.order.is_some(),
            has_forward_only: !raw.forward_only.is_empty(),
            alembic: &raw.alembic_keys,
        }
    }

    pub(super) fn of_tenants(raw: &'a RawTenants) -> Self {
        Self {
            kind: TrackKind::Tenant,
            migrations: raw.migrations.as_deref(),
            format: raw.format.as_deref(),
            deploy: raw.deploy.as_deref(),
            has_order: raw.order.is_some(),
            has_forward_only: !raw.forward_only.is_empty(),
            alembic: &raw.alembic_keys,
        }
    }
}

/// The folder of the migrations, and the Alembic environment that they belong to. If there are problems, placeholders, so that
/// the other keys are validated too.
pub(super) fn folder(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    keys: &FolderKeys<'_>,
) -> (Utf8PathBuf, Option<Box<AlembicTrack>>) {
    let environment = alembic::track(cx, table, keys.alembic, keys.kind);
    if keys.alembic.alembic.is_some() {
        sql_keys(cx, table, keys);
        return environment.map_or_else(Default::default, |(folder, track)| (folder, Some(track)));
    }
    let Some(migrations) = keys.migrations else {
        let description =
            "write the folder as `migrations = \"…\"`, or `alembic = { … }` if Alembic runs them";
        let problem = ConfigProblem::MissingKey {
            key: "migrations".to_owned(),
            table: table.table(),
            description: Some(description.to_owned()),
        };
        cx.refuse_key(table, problem);
        return (Utf8PathBuf::new(), None);
    };
    let key = table.child("migrations");
    let folder = paths::folder(cx, &key, migrations);
    if let Some(folder) = &folder {
        alembic::refuse_environment(cx, &key, folder);
    }
    (folder.unwrap_or_default(), None)
}

/// Refuses keys that have no meaning for a track that Alembic runs.
fn sql_keys(cx: &mut ValidationContext<'_>, table: &ConfigKey, keys: &FolderKeys<'_>) {
    let other_format = keys.format.is_some_and(|format| format != "alembic");
    let by_mig_ci = keys.deploy.is_some_and(|deploy| deploy == Deploy::MigCi.to_string());
    let order = "remove it: Alembic orders revisions by their `down_revision`";
    let wrong = [
        (
            "migrations",
            keys.migrations.is_some(),
            "remove it: `alembic` names the folder of the revisions",
        ),
        ("format", other_format, "remove it: `alembic` sets the format"),
        ("deploy", by_mig_ci, "remove it: only Alembic runs revisions in production"),
        ("order", keys.has_order, order),
        ("forward-only", keys.has_forward_only, "remove it: it lists SQL files"),
    ];
    for (name, _, instead) in wrong.into_iter().filter(|(_, given, _)| *given) {
        let key = table.child(name);
        let problem = AlembicProblem::NotWithAlembic { key: key.to_string(), instead };
        cx.refuse_key(&key, problem.into());
    }
}
