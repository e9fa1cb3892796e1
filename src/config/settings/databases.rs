//! `[databases.NAME]`, and its shared track. A plain named database has only a shared track.

use indexmap::IndexMap;
use secrecy::SecretString;

use super::context::ValidationContext;
use super::folder::{FolderKeys, folder};
use super::format::format;
use super::search_path::{PUBLIC, joined, schema, search_path, starts_with, without_target};
use super::{paths, samples, tenants};
use crate::config::interpolate::expand;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::config::raw::{RawDatabase, RawShared};
use crate::model::{Database, Track};

pub(super) fn databases(
    cx: &mut ValidationContext<'_>,
    raw: &IndexMap<String, RawDatabase>,
) -> Vec<Database> {
    let table = ConfigKey::root().child("databases");
    if raw.is_empty() {
        cx.refuse_key(&table, ConfigProblem::NoDatabases);
    }
    raw.iter().map(|(name, raw)| database(cx, &table.child(name), name, raw)).collect()
}

fn database(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    name: &str,
    raw: &RawDatabase,
) -> Database {
    if name.is_empty() {
        cx.refuse_key(key, ConfigProblem::EmptyDatabaseName);
    }
    let own =
        [("migrations", raw.migrations.is_some()), ("alembic", raw.alembic_keys.alembic.is_some())];
    let own = own.into_iter().find(|(_, given)| *given).map(|(name, _)| name);
    match own {
        None if raw.shared.is_none() && raw.tenants.is_none() => {
            cx.refuse_key(key, ConfigProblem::NoTrack { database: name.to_owned() });
        }
        None => loose_keys(cx, key, raw),
        Some(own) if raw.shared.is_some() => {
            let problem = ConfigProblem::TwoSharedTracks { database: name.to_owned(), own };
            cx.refuse_key(&key.child(own), problem);
        }
        Some(_) => {}
    }
    let shared = match (own, &raw.shared) {
        (Some(_), _) => Some(shared_track(cx, key, &short_form(raw))),
        (None, Some(shared)) => Some(shared_track(cx, &key.child("shared"), shared)),
        (None, None) => None,
    };
    let connects = selected_names(name, raw).any(|name| cx.input.overrides.connects_to(name));
    let url = real_url(cx, &key.child("url"), raw.url.as_deref(), connects);
    let tenants = raw
        .tenants
        .as_ref()
        .and_then(|raw| tenants::track(cx, &key.child("tenants"), raw, shared.as_ref(), connects));
    Database {
        name: name.to_owned(),
        url,
        other_ledgers: cx.texts(&key.child("other-ledgers"), &raw.other_ledgers),
        prepare: paths::files(cx, &key.child("prepare"), raw.prepare.as_ref()),
        shared,
        tenants,
    }
}

/// The names by which `-n` selects a database: its own, and those of its Alembic sections.
fn selected_names<'a>(name: &'a str, raw: &'a RawDatabase) -> impl Iterator<Item = &'a str> {
    let shared = raw.shared.as_ref().map(|raw| &raw.alembic_keys);
    let tenants = raw.tenants.as_ref().map(|raw| &raw.alembic_keys);
    let keys = [Some(&raw.alembic_keys), shared, tenants].into_iter().flatten();
    [name].into_iter().chain(keys.filter_map(|keys| keys.alembic.as_ref()?.section.as_deref()))
}

/// The address of the real database. If the command does not connect to it, or if a flag replaces it, it is only compared with
/// others: an unset variable in it is no error.
fn real_url(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&str>,
    connects: bool,
) -> Option<SecretString> {
    let overrides = cx.input.overrides;
    overrides.connect.as_ref()?;
    let text = if connects && !overrides.has_database_url {
        cx.optional_text(key, raw)
    } else {
        expand(raw?, cx.input.environment).ok().filter(|text| !text.is_empty())
    };
    text.map(SecretString::from)
}

/// A plain named database is written without `shared`.
fn short_form(raw: &RawDatabase) -> RawShared {
    RawShared {
        migrations: raw.migrations.clone(),
        alembic_keys: raw.alembic_keys.clone(),
        format: raw.format.clone(),
        ledger: raw.ledger.clone(),
        deploy: raw.deploy.clone(),
        order: raw.order.clone(),
        forward_only: raw.forward_only.clone(),
        schema: raw.schema.clone(),
        search_path: raw.search_path.clone(),
        sample: raw.sample.clone(),
    }
}

/// Keys of the short form without the `migrations` that they belong to.
fn loose_keys(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &RawDatabase) {
    let loose = [
        ("format", raw.format.is_some()),
        ("ledger", raw.ledger.is_some()),
        ("deploy", raw.deploy.is_some()),
        ("order", raw.order.is_some()),
        ("forward-only", !raw.forward_only.is_empty()),
        ("schema", raw.schema.is_some()),
        ("search_path", raw.search_path.is_some()),
        ("sample", raw.sample.is_some()),
    ];
    let loose = loose.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
    for name in loose.chain(raw.alembic_keys.given()) {
        let key = key.child(name);
        cx.refuse_key(&key, ConfigProblem::WithoutMigrations { key: key.to_string(), name });
    }
}

/// If there are problems, returns a placeholder track, so that the tenants are validated too.
fn shared_track(cx: &mut ValidationContext<'_>, table: &ConfigKey, raw: &RawShared) -> Track {
    let schema_key = table.child("schema");
    let schema = raw
        .schema
        .as_deref()
        .and_then(|raw| schema(cx, &schema_key, raw))
        .unwrap_or_else(|| PUBLIC.to_owned());
    let path_key = table.child("search_path");
    let path = search_path(cx, &path_key, raw.search_path.as_deref());
    if let Some(path) = &path {
        without_target(cx, &path_key, path, "shared migrations do not belong to a tenant");
        if !path[0].contains(super::search_path::TARGET) {
            starts_with(cx, &path_key, path, &schema);
        }
    }
    let sample =
        raw.sample.as_ref().and_then(|raw| samples::shared_sample(cx, &table.child("sample"), raw));
    let (migrations, alembic) = folder(cx, table, &FolderKeys::of_shared(raw));
    Track {
        migrations,
        format: match alembic {
            Some(_) => None,
            None => format(cx, &table.child("format"), raw.format.as_deref()),
        },
        ledger: cx.optional_text(&table.child("ledger"), raw.ledger.as_deref()),
        deploy: cx.choice(&table.child("deploy"), raw.deploy.as_deref()).unwrap_or_default(),
        order: cx.choice(&table.child("order"), raw.order.as_deref()),
        forward_only: cx.texts(&table.child("forward-only"), &raw.forward_only),
        search_path: path.unwrap_or_else(|| joined(&[&schema, PUBLIC])),
        schema,
        sample,
        alembic,
    }
}
