//! Project settings by which the head checks less than the base, or may hide something.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use crate::checks;
use crate::model::{
    CoverageChange, CoveragePart, CoverageReduction, Database, PostgresSettings, Project, Role,
    Severity, Track, TrackKind,
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
    let known: BTreeSet<&Utf8PathBuf> = prepare_files(head).collect();
    for path in prepare_files(base).filter(|path| !known.contains(path)) {
        let message = format!(
            "the `prepare` file {path} is no longer used: migrations run without its objects"
        );
        found.push(of_setting(path.as_str(), CoverageChange::Suspicious, message));
    }
    for database in &head.databases {
        let before = base.databases.iter().find(|one| one.name == database.name);
        found.extend(before.into_iter().flat_map(|before| of_database(before, database)));
    }
    found.extend(weights(base, head));
    found
}

/// A file named by `forward-only` runs to its last line, even if a part of it looks like a down migration.
pub(super) fn forward_only(
    base: &Track,
    head: &Track,
    database: &str,
    kind: TrackKind,
) -> Option<CoverageReduction> {
    let new = head.forward_only.iter().filter(|name| !base.forward_only.contains(name));
    let names: Vec<String> = new.map(|name| format!("`{name}`")).collect();
    let message = format!(
        "`forward-only` of the {kind} track of database `{database}` also lists {}: a possible down migration runs as an up \
         migration",
        names.join(", ")
    );
    let found = CoverageReduction {
        database: database.to_owned(),
        track: kind,
        ..of_setting("forward-only", CoverageChange::Suspicious, message)
    };
    (!names.is_empty()).then_some(found)
}

/// `verify` sends what another program than before sends.
pub(super) fn deploy(
    base: &Track,
    head: &Track,
    database: &str,
    kind: TrackKind,
) -> Option<CoverageReduction> {
    let message = format!(
        "the {kind} track of database `{database}` is replayed as `deploy = \"{}\"` runs it, and was as `deploy = \"{}\"` does",
        head.deploy, base.deploy
    );
    let found = CoverageReduction {
        database: database.to_owned(),
        track: kind,
        ..of_setting("deploy", CoverageChange::Suspicious, message)
    };
    (base.deploy != head.deploy).then_some(found)
}

/// What `upgrade` ignores in a database, and how its tenants are isolated.
fn of_database(base: &Database, head: &Database) -> Vec<CoverageReduction> {
    let mut found = Vec::new();
    let name = &head.name;
    for ledger in head.other_ledgers.iter().filter(|ledger| !base.other_ledgers.contains(ledger)) {
        let message = format!(
            "`other-ledgers` of database `{name}` also allows `{ledger}`: `upgrade` ignores this ledger"
        );
        found.push(of_setting("other-ledgers", CoverageChange::Suspicious, message));
    }
    if let (Some(before), Some(after)) = (&base.tenants, &head.tenants)
        && before.tenancy != after.tenancy
    {
        let message = format!(
            "each tenant of database `{name}` has its own {}, and had its own {}",
            after.tenancy, before.tenancy
        );
        found.push(of_setting("tenancy", CoverageChange::Suspicious, message));
    }
    found
}

fn postgres(base: &PostgresSettings, head: &PostgresSettings) -> Vec<CoverageReduction> {
    let mut found = Vec::new();
    let mut add =
        |setting: &str, change, message: String| found.push(of_setting(setting, change, message));
    if base.role == Role::Owner && head.role == Role::Superuser {
        let message = "migrations run as superuser instead of a plain owner: missing privileges are no longer detected";
        add("postgres.role", CoverageChange::Removed, message.to_owned());
    }
    let versions = (base.version, head.version);
    if versions.0.is_some_and(|before| versions.1.is_none_or(|after| after < before)) {
        let said =
            |version: Option<u32>| version.map_or("none".to_owned(), |version| version.to_string());
        let message = format!(
            "`postgres.version` is {}, and was {}: migrations are tested on another version than production's",
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
    if (&base.locale, base.locale_provider) != (&head.locale, head.locale_provider) {
        let message = "`postgres.locale` was changed: text comparison differs";
        add("postgres.locale", CoverageChange::Suspicious, message.to_owned());
    }
    if base.image != head.image {
        add(
            "postgres.image",
            CoverageChange::Suspicious,
            "`postgres.image` was changed".to_owned(),
        );
    }
    let names: BTreeSet<&String> = base.settings.keys().chain(head.settings.keys()).collect();
    // Their values may be secrets.
    for name in
        names.into_iter().filter(|name| base.settings.get(*name) != head.settings.get(*name))
    {
        let key = format!("postgres.settings.{name}");
        let message = format!("the session setting `{name}` was changed: migrations run with it");
        add(&key, CoverageChange::Suspicious, message);
    }
    for name in head.extensions.iter().filter(|name| !base.extensions.contains(name)) {
        let message = format!("the extension `{name}` is now created before the migrations");
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

/// The severities of findings, and the severity at which they fail the run.
fn weights(base: &Project, head: &Project) -> Vec<CoverageReduction> {
    let mut found = Vec::new();
    let said =
        |severity: Option<Severity>| severity.map_or("off".to_owned(), |one| one.to_string());
    let fail_on = |project: &Project| project.checks.fail_on.unwrap_or(Severity::Error);
    if fail_on(head) > fail_on(base) {
        let message = format!(
            "`checks.fail-on` is {}, and was {}: some findings no longer fail the run",
            fail_on(head),
            fail_on(base)
        );
        found.push(of_setting("checks.fail-on", CoverageChange::Removed, message));
    }
    for check in checks::CHECKS {
        let code = check.meta().code;
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

pub(super) fn of_setting(
    setting: &str,
    change: CoverageChange,
    message: String,
) -> CoverageReduction {
    CoverageReduction {
        part: CoveragePart::Setting(setting.to_owned()),
        change,
        database: String::new(),
        track: TrackKind::Shared,
        message,
        reason: None,
    }
}
