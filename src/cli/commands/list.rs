//! `mig-ci list`: prints what `verify` would run, without a server.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::list_alembic;
use super::verify::scope;
use crate::cli::args::{Global, ListArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::config::Overrides;
use crate::model::ProjectOrigin;
use crate::project::{Loaded, load};
use crate::replay::plan::{DatabasePlan, TrackPlan};
use crate::report::visible;

pub(crate) async fn run(
    global: &Global,
    args: &ListArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let loaded = load(&scope(global, &args.scope, Overrides::default())).await?;
    let text = if args.json {
        format!("{:#}\n", as_json(&loaded))
    } else {
        visible(&as_text(&loaded)).into_owned()
    };
    streams.print(&text)?;
    Ok(Exit::Passed)
}

fn as_text(loaded: &Loaded) -> String {
    let mut text = String::new();
    let origin = match &loaded.project.origin {
        ProjectOrigin::File(path) => path.to_string(),
        ProjectOrigin::Discovered => "no mig-ci.toml: detected from its folders".to_owned(),
    };
    let base = &loaded.revisions.base;
    let revision = base.revision.as_ref().map_or("none".to_owned(), |revision| {
        format!("{} ({})", &revision.commit[..revision.commit.len().min(12)], revision.name)
    });
    let _ = writeln!(text, "project   {} ({origin})", loaded.project.root);
    let _ = writeln!(text, "base      {revision}: {}", base.reason);
    for database in &loaded.plan.databases {
        let _ = writeln!(text, "\ndatabase {}", database.name);
        for track in database.shared.iter().chain(&database.tenants) {
            write_track(&mut text, track);
        }
        write_units(&mut text, database);
    }
    text
}

fn write_track(text: &mut String, track: &TrackPlan) {
    let _ = writeln!(
        text,
        "  {} track   {} ({}, because {})",
        track.kind,
        track.directory,
        track.detected.format.name(),
        track.detected.reason
    );
    if let Some(alembic) = &track.alembic {
        list_alembic::write(text, alembic, &track.head);
    }
    for allowed in track.allowed_directions() {
        let _ = writeln!(text, "    warning: {allowed}");
    }
    for (migration, state) in track.states() {
        let _ = writeln!(text, "    {:<8} {}", state.to_string(), migration.file_name());
    }
}

fn write_units(text: &mut String, database: &DatabasePlan) {
    let width = database.units.iter().map(|unit| unit.name.chars().count()).max().unwrap_or(0);
    for unit in &database.units {
        let _ = writeln!(
            text,
            "  {:<6} {:<width$}  in {} \"{}\", starts from {}",
            unit.track.to_string(),
            unit.name,
            match unit.track {
                crate::model::TrackKind::Shared => "database".to_owned(),
                crate::model::TrackKind::Tenant => database.tenancy.to_string(),
            },
            unit.target,
            unit.start.describe(),
        );
    }
}

fn as_json(loaded: &Loaded) -> Value {
    let base = &loaded.revisions.base;
    let track = |track: &TrackPlan| {
        let migrations: Vec<Value> = track
            .states()
            .into_iter()
            .map(|(migration, state)| {
                json!({
                    "version": migration.version,
                    "description": migration.description,
                    "path": migration.up.path(),
                    "state": state.to_string(),
                    "down_revisions": migration.node.as_ref().map(|node| &node.down_revisions),
                })
            })
            .collect();
        json!({
            "alembic": track.alembic.as_ref().map(|one| list_alembic::as_json(one, &track.head)),
            "kind": track.kind.to_string(),
            "directory": track.directory,
            "format": track.detected.format.name(),
            "format_reason": track.detected.reason,
            "migrations": migrations,
        })
    };
    let database = |database: &DatabasePlan| {
        let units: Vec<Value> = database
            .units
            .iter()
            .map(|unit| {
                json!({
                    "track": unit.track.to_string(),
                    "name": &*unit.name,
                    "target": unit.target,
                    "start": unit.start.describe(),
                    "sample": unit.start.sample_path(),
                })
            })
            .collect();
        json!({
            "name": &*database.name,
            "tracks": database.shared.iter().chain(&database.tenants).map(track).collect::<Vec<_>>(),
            "units": units,
        })
    };
    json!({
        "root": loaded.project.root,
        "base": base.revision.as_ref().map(|revision| &revision.commit),
        "base_reason": base.reason,
        "databases": loaded.plan.databases.iter().map(database).collect::<Vec<_>>(),
    })
}
