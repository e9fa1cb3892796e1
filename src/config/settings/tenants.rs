//! `[databases.NAME.tenants]`.

use super::context::ValidationContext;
use super::folder::{FolderKeys, folder};
use super::format::format;
use super::search_path::{PUBLIC, TARGET, joined, search_path, starts_with, without_target};
use super::{paths, samples};
use crate::config::key::ConfigKey;
use crate::config::one_or_many::OneOrMany;
use crate::config::problem::ConfigProblem;
use crate::config::raw::{RawFrom, RawTenants};
use crate::model::{ReservedSchemas, TargetTemplate, Tenancy, TenantSource, TenantTrack, Track};

/// The default target.
const DEFAULT_TARGET: &str = "{tenant}";

/// `shared` is the database's shared track, if it has one; `connects`, whether the command needs the tenants in production.
///
/// With tenancy by schema, the track's `schema` is `{target}`: there is none that all tenants share.
pub(super) fn track(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &RawTenants,
    shared: Option<&Track>,
    connects: bool,
) -> Option<TenantTrack> {
    let tenancy: Tenancy =
        cx.choice(&table.child("tenancy"), raw.tenancy.as_deref()).unwrap_or_default();
    let from = raw.from.as_ref().and_then(|from| {
        let key = table.child("from");
        one_source(cx, &key, from);
        if connects { source(cx, &key, from) } else { None }
    });
    let schema = shared.map(|track| track.schema.as_str());
    let path = tenant_path(cx, &table.child("search_path"), raw, tenancy, schema);
    let (migrations, alembic) = folder(cx, table, &FolderKeys::of_tenants(raw));
    let track = Track {
        migrations,
        format: match alembic {
            Some(_) => None,
            None => format(cx, &table.child("format"), raw.format.as_deref()),
        },
        ledger: cx.optional_text(&table.child("ledger"), raw.ledger.as_deref()),
        deploy: cx.choice(&table.child("deploy"), raw.deploy.as_deref()).unwrap_or_default(),
        order: cx.choice(&table.child("order"), raw.order.as_deref()),
        forward_only: cx.texts(&table.child("forward-only"), &raw.forward_only),
        schema: path[0].clone(),
        search_path: path,
        sample: None,
        alembic,
    };
    let prepare = paths::files(cx, &table.child("prepare"), raw.prepare.as_ref());
    let target_key = table.child("target");
    let target = template(cx, &target_key, raw.target.as_deref())?;
    let reserved = ReservedSchemas::new(shared, &track.search_path);
    let naming = samples::TenantNaming { target: &target, tenancy, reserved: &reserved };
    samples::check_made_tenants(cx, &target_key, &naming);
    let samples = samples::tenant_samples(cx, table, raw, &naming);
    Some(TenantTrack { track, tenancy, target, prepare, samples, from })
}

/// The configured path, or the default; never empty.
fn tenant_path(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &RawTenants,
    tenancy: Tenancy,
    shared: Option<&str>,
) -> Vec<String> {
    let written = search_path(cx, key, raw.search_path.as_deref());
    if let Some(path) = &written {
        match tenancy {
            Tenancy::Schema => starts_with(cx, key, path, TARGET),
            Tenancy::Database => {
                without_target(cx, key, path, "each tenant has its own database");
            }
        }
    }
    written.unwrap_or_else(|| match tenancy {
        Tenancy::Schema => joined(&[TARGET, shared.unwrap_or(PUBLIC), PUBLIC]),
        Tenancy::Database => joined(&[PUBLIC]),
    })
}

fn template(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&str>,
) -> Option<TargetTemplate> {
    let text = cx.text(key, raw.unwrap_or(DEFAULT_TARGET))?;
    let template = TargetTemplate::parse(&text).and_then(|template| {
        // The tenants that mig-ci creates itself need targets too.
        for name in samples::MADE_TENANTS {
            template.expand(name)?;
        }
        Ok(template)
    });
    cx.accept(
        key,
        template.map_err(|source| ConfigProblem::BadTemplate { key: key.to_string(), source }),
    )
}

/// `from` is only used by commands that connect; that it contains exactly one source is checked for all.
fn one_source(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &RawFrom) {
    let sources = [
        ("query", raw.query.is_some()),
        ("list", raw.list.is_some()),
        ("pattern", raw.pattern.is_some()),
        ("file", raw.file.is_some()),
        ("command", raw.command.is_some()),
    ];
    let given: Vec<&'static str> =
        sources.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect();
    if given.len() != 1 {
        cx.refuse_key(key, ConfigProblem::NotOneSource { table: key.table(), given });
    }
}

fn source(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &RawFrom) -> Option<TenantSource> {
    if let Some(query) = &raw.query {
        return cx.text(&key.child("query"), query).map(TenantSource::Query);
    }
    if let Some(pattern) = &raw.pattern {
        return cx.text(&key.child("pattern"), pattern).map(TenantSource::Pattern);
    }
    if let Some(file) = &raw.file {
        return paths::file(cx, &key.child("file"), file).map(TenantSource::File);
    }
    let mut all = |name: &str, texts: &[String]| -> Option<Vec<String>> {
        let key = key.child(name);
        let texts = texts.iter().enumerate();
        texts.map(|(index, text)| cx.text(&key.element(index), text)).collect()
    };
    if let Some(list) = &raw.list {
        return all("list", list).map(TenantSource::List);
    }
    match raw.command.as_ref()? {
        OneOrMany::Many(words) => all("command", words).map(TenantSource::Command),
        // A command line in shell syntax.
        OneOrMany::One(line) => {
            let line = cx.text(&key.child("command"), line)?;
            Some(TenantSource::Command(["sh", "-c", &line].map(str::to_owned).to_vec()))
        }
    }
}
