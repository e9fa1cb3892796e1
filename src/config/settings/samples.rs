//! Sample files: their tenants, and whether all of them can have separate targets.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::context::ValidationContext;
use super::paths;
use super::search_path::PUBLIC;
use crate::config::glob::{GlobError, find};
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::config::raw::{RawSharedSample, RawTenants, RawVersion};
use crate::model::{ReservedSchemas, Sample, TargetTemplate, Tenancy};

/// The tenants that mig-ci creates in addition to the samples.
pub(super) const MADE_TENANTS: [&str; 3] = ["base", "fresh_1", "fresh_2"];

/// The starting states that mig-ci creates for a shared track.
const MADE_SHARED: [&str; 2] = ["base", "fresh"];

/// The requirements for the names of tenants.
pub(super) struct TenantNaming<'a> {
    pub(super) target: &'a TargetTemplate,
    pub(super) tenancy: Tenancy,
    /// Schemas that are not available for tenants.
    pub(super) reserved: &'a ReservedSchemas,
}

impl TenantNaming<'_> {
    /// The owner of this target, if it is not available for a tenant.
    fn taken_by(&self, target: &str) -> Option<String> {
        const SYSTEM: [&str; 3] = ["postgres", "template0", "template1"];
        if self.tenancy == Tenancy::Database {
            return SYSTEM.contains(&target).then(|| "PostgreSQL's own database".to_owned());
        }
        let is_public =
            || (target == PUBLIC).then(|| "the schema that every database has".to_owned());
        self.reserved.owner_of(target).map(|owner| owner.to_string()).or_else(is_public)
    }
}

/// Refuses a template that gives a tenant created by mig-ci the schema of a track.
pub(super) fn check_made_tenants(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    naming: &TenantNaming<'_>,
) {
    for tenant in MADE_TENANTS {
        let Ok(target) = naming.target.expand(tenant) else { continue };
        if let Some(taken_by) = naming.taken_by(&target) {
            let tenant = tenant.to_owned();
            let origin = "created by mig-ci".to_owned();
            cx.refuse(key, ConfigProblem::TakenTarget { tenant, origin, target, taken_by });
        }
    }
}

/// A sample, and the key that it comes from.
struct FoundSample {
    key: ConfigKey,
    sample: Sample,
}

/// All samples of a tenant track, by tenant name.
pub(super) fn tenant_samples(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &RawTenants,
    naming: &TenantNaming<'_>,
) -> Vec<Sample> {
    let mut by_path = BTreeMap::new();
    for (key, pattern) in paths::entries(&table.child("samples"), raw.samples.as_ref()) {
        for path in matches(cx, &key, pattern) {
            if let Some(tenant) = tenant_name(cx, &key, &path) {
                let sample = Sample { tenant, path: path.clone(), version: None };
                by_path.entry(path).or_insert(FoundSample { key: key.clone(), sample });
            }
        }
    }
    let mut found = named_samples(cx, &table.child("sample"), raw, &mut by_path);
    found.extend(by_path.into_values());
    found.sort_by(|a, b| a.sample.tenant.cmp(&b.sample.tenant));

    let mut kept: BTreeMap<String, FoundSample> = BTreeMap::new();
    for one in found {
        let Some(target) = target(cx, &one, naming) else { continue };
        if let Some(first) = kept.get(&target) {
            let problem = ConfigProblem::SameTarget {
                target,
                first: first.sample.path.clone(),
                second: one.sample.path.clone(),
            };
            cx.refuse(&one.key, problem);
        } else {
            kept.insert(target, one);
        }
    }
    let mut samples: Vec<Sample> = kept.into_values().map(|found| found.sample).collect();
    samples.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    samples
}

/// The samples of `[….sample.TENANT]`; if one names a file that a pattern matched, the file is removed from `by_path`.
fn named_samples(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &RawTenants,
    by_path: &mut BTreeMap<Utf8PathBuf, FoundSample>,
) -> Vec<FoundSample> {
    let known: Vec<String> = by_path.values().map(|found| found.sample.tenant.clone()).collect();
    let mut named = Vec::new();
    let mut taken = Vec::new();
    for (tenant, raw) in &raw.sample {
        let key = table.child(tenant);
        let version = version(cx, &key.child("version"), raw.version.as_ref());
        if let Some(file) = &raw.file {
            let key = key.child("file");
            let Some(path) = paths::file(cx, &key, file) else { continue };
            if tenant_name(cx, &key, &path).is_some() {
                taken.push(path.clone());
                let sample = Sample { tenant: tenant.clone(), path, version };
                named.push(FoundSample { key, sample });
            }
        } else if known.contains(tenant) {
            let of_tenant = by_path.values_mut().filter(|found| found.sample.tenant == *tenant);
            of_tenant.for_each(|found| found.sample.version.clone_from(&version));
        } else {
            let problem =
                ConfigProblem::NoSuchSample { tenant: tenant.clone(), known: known.clone() };
            cx.refuse_key(&key, problem);
        }
    }
    by_path.retain(|path, _| !taken.contains(path));
    named
}

/// The starting state of a shared track.
pub(super) fn shared_sample(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &RawSharedSample,
) -> Option<Sample> {
    let (file_key, file, raw_version) = match raw {
        RawSharedSample::File(file) => (key.clone(), file, None),
        RawSharedSample::Table(table) => (key.child("file"), &table.file, table.version.as_ref()),
    };
    let version = version(cx, &key.child("version"), raw_version);
    let path = paths::file(cx, &file_key, file)?;
    let tenant = tenant_name(cx, &file_key, &path)?;
    if MADE_SHARED.contains(&tenant.as_str()) {
        cx.refuse(&file_key, ConfigProblem::ReservedName { name: tenant, path });
        return None;
    }
    Some(Sample { tenant, path, version })
}

fn matches(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &str) -> Vec<Utf8PathBuf> {
    let Some(text) = cx.text(key, raw) else { return Vec::new() };
    let Some(pattern) = paths::normalised(&text) else {
        cx.refuse(key, ConfigProblem::OutsideProject { key: key.to_string(), path: text });
        return Vec::new();
    };
    let pattern = pattern.into_string();
    let problem = match find(cx.input.files, &pattern) {
        Ok(matches) if !matches.paths.is_empty() || cx.input.overrides.empty_folders => {
            return matches.paths;
        }
        Ok(none) => ConfigProblem::NoMatch {
            key: key.to_string(),
            pattern,
            folder: none.folder,
            files: none.searched,
        },
        Err(GlobError::Pattern(reason)) => {
            ConfigProblem::BadPattern { key: key.to_string(), pattern, reason }
        }
        Err(GlobError::Files(error)) => ConfigProblem::Unreadable(error),
    };
    cx.refuse(key, problem);
    Vec::new()
}

/// `acme` for `samples/acme.sql` and `samples/acme.sql.gz`.
fn tenant_name(cx: &mut ValidationContext<'_>, key: &ConfigKey, path: &Utf8Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".sql");
    let stem = stem.filter(|stem| !stem.is_empty()).map(str::to_owned);
    cx.accept(
        key,
        stem.ok_or_else(|| ConfigProblem::NotSql { key: key.to_string(), path: path.to_owned() }),
    )
}

fn version(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&RawVersion>,
) -> Option<String> {
    match raw? {
        RawVersion::Number(number) => Some(number.to_string()),
        RawVersion::Text(text) => cx.optional_text(key, Some(text)),
    }
}

/// The target of a sample's tenant, if it is valid.
fn target(
    cx: &mut ValidationContext<'_>,
    found: &FoundSample,
    naming: &TenantNaming<'_>,
) -> Option<String> {
    let Sample { tenant, path, .. } = &found.sample;
    if MADE_TENANTS.contains(&tenant.as_str()) {
        let problem = ConfigProblem::ReservedName { name: tenant.clone(), path: path.clone() };
        cx.refuse(&found.key, problem);
        return None;
    }
    let expanded = naming.target.expand(tenant).map_err(|source| ConfigProblem::BadTarget {
        tenant: tenant.clone(),
        origin: path.to_string(),
        source,
    });
    let target = cx.accept(&found.key, expanded)?;
    if let Some(taken_by) = naming.taken_by(&target) {
        let problem = ConfigProblem::TakenTarget {
            tenant: tenant.clone(),
            origin: path.to_string(),
            target,
            taken_by,
        };
        cx.refuse(&found.key, problem);
        return None;
    }
    Some(target)
}
