//! Settings of the project by which the head checks less than the base, or may hide something.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use crate::checks;
use crate::model::{
    CoverageChange, CoveragePart, CoverageReduction, PostgresSettings, Project, Role, Severity,
    TrackKind,
};

/// All of them, in the order of the file.
pub(super) fn reductions(base: &Project, head: &Project) -> Vec<CoverageReduction> {
    let mut found = postgres(&base.postgres, &head.postgres);
    let known: BTreeSet<&Utf8PathBuf> = prepare_files(base).collect();
    for path in prepare_files(head).filter(|path| !known.contains(path)) {
        let message =
            format!("the `prepare` file {path} is new: it runs as superuser before the migrations");
        found.push(of_setting(path.as_str(), CoverageChange::Suspicious, message));
    }
    found.extend(weights(base, head));
    found
}

fn postgres(base: &PostgresSettings, head: &PostgresSettings) -> Vec<CoverageReduction> {
    let mut found = Vec::new();
    let mut add =
        |setting: &str, change, message: String| found.push(of_setting(setting, change, message));
    if base.role == Role::Owner && head.role == Role::Superuser {
        let message = "migrations run as superuser, and ran as a plain owner: what an owner may not do is found no more";
        add("postgres.role", CoverageChange::Removed, message.to_owned());
    }
    let versions = (base.version, head.version);
    if versions.0.is_some_and(|before| versions.1.is_none_or(|after| after < before)) {
        let said =
            |version: Option<u32>| version.map_or("none".to_owned(), |version| version.to_string());
        let message = format!(
            "`postgres.version` is {}, and was {}: migrations are tried on another server than production's",
            said(versions.1),
            said(versions.0)
        );
        add("postgres.version", CoverageChange::Removed, message);
    }
    if base.provider != head.provider {
        let message =
            format!("`postgres.provider` is {}, and was {}", head.provider, base.provider);
        add("postgres.provider", CoverageChange::Suspicious, message);
    }
    if base.image != head.image {
        add(
            "postgres.image",
            CoverageChange::Suspicious,
            "`postgres.image` is another one".to_owned(),
        );
    }
    let names: BTreeSet<&String> = base.settings.keys().chain(head.settings.keys()).collect();
    // Their values may be secrets.
    for name in
        names.into_iter().filter(|name| base.settings.get(*name) != head.settings.get(*name))
    {
        let key = format!("postgres.settings.{name}");
        let message =
            format!("the session setting `{name}` is another one: migrations run under it");
        add(&key, CoverageChange::Suspicious, message);
    }
    for name in head.extensions.iter().filter(|name| !base.extensions.contains(name)) {
        let message = format!("the extension `{name}` is made before the migrations, and was not");
        add("postgres.extensions", CoverageChange::Suspicious, message);
    }
    found
}

fn prepare_files(project: &Project) -> impl Iterator<Item = &Utf8PathBuf> {
    let of_databases = project.databases.iter().flat_map(|database| {
        let of_tenants = database.tenants.iter().flat_map(|tenants| &tenants.prepare);
        database.prepare.iter().chain(of_tenants)
    });
    project.prepare.iter().chain(of_databases)
}

/// What findings weigh, and from which weight on they fail the run.
fn weights(base: &Project, head: &Project) -> Vec<CoverageReduction> {
    let mut found = Vec::new();
    let said =
        |severity: Option<Severity>| severity.map_or("off".to_owned(), |one| one.to_string());
    let fail_on = |project: &Project| project.checks.fail_on.unwrap_or(Severity::Error);
    if fail_on(head) > fail_on(base) {
        let message = format!(
            "`checks.fail-on` is {}, and was {}: findings that failed a run do not any more",
            fail_on(head),
            fail_on(base)
        );
        found.push(of_setting("checks.fail-on", CoverageChange::Removed, message));
    }
    for check in checks::CHECKS {
        let code = check.about().code;
        let before = checks::severity(*check, &base.checks);
        let after = checks::severity(*check, &head.checks);
        if after < before {
            let message =
                format!("the check `{code}` is {}, and was {}", said(after), said(before));
            found.push(CoverageReduction {
                part: CoveragePart::Check(code.to_owned()),
                ..of_setting("", CoverageChange::Removed, message)
            });
        }
    }
    found
}

fn of_setting(setting: &str, change: CoverageChange, message: String) -> CoverageReduction {
    CoverageReduction {
        part: CoveragePart::Setting(setting.to_owned()),
        change,
        database: String::new(),
        track: TrackKind::Shared,
        message,
        reason: None,
    }
}
