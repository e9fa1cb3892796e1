//! The command that reproduces a finding, with as few tenants as necessary.

use crate::model::{FailureKind, Finding, TrackKind, UnitEnd, UnitRecord};

/// An object or a row already exists. If only some tenants find it, the first tenant has created it, and that one passes.
/// Source of the codes: PostgreSQL's Appendix A.
const THERE_ALREADY: [&str; 6] = ["23505", "42P06", "42P07", "42701", "42710", "42723"];

/// A shell command; `flags` select the same project and base.
pub(crate) fn reproduce(
    finding: &Finding,
    units: &[UnitRecord],
    flags: &[String],
) -> Option<String> {
    let unit = units.get(*finding.units.first()?)?;
    let before = passed_before(finding, units).filter(|_| unit.track == TrackKind::Tenant);
    let units: Vec<&UnitRecord> = before.into_iter().chain([unit]).collect();
    Some(command("verify", &units, flags))
}

/// `mig-ci NAME` for some units of one track, as a shell command.
pub(crate) fn command(name: &str, units: &[&UnitRecord], flags: &[String]) -> String {
    let mut words = vec!["mig-ci".to_owned(), name.to_owned()];
    if let Some(unit) = units.first() {
        words.extend(["-n".to_owned(), unit.database.clone()]);
    }
    let tenants = units.iter().filter(|unit| unit.track == TrackKind::Tenant);
    // Samples are selected by name, real tenants by patterns.
    let named = |unit: &&UnitRecord| match name {
        "verify" => tenant(&unit.name),
        _ => tenant(&globset::escape(&unit.name)),
    };
    words.extend(tenants.flat_map(named));
    words.extend(flags.iter().cloned());
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// The command that verifies one tenant or the shared track again; its words have to satisfy [`is_plain_name`].
pub(crate) fn verify_one(database: &str, tenant: Option<&str>, base: Option<&str>) -> String {
    let words = ["mig-ci", "verify", "-n", database];
    let tenant = tenant.into_iter().flat_map(|tenant| ["--tenant", tenant]);
    let base = base.into_iter().flat_map(|base| ["--base", base]);
    words.into_iter().chain(tenant).chain(base).map(shell_word).collect::<Vec<_>>().join(" ")
}

/// Whether a name needs no quoting in a command, and is not read as an option.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    begins && name.len() <= 63 && name.chars().all(is_plain)
}

/// The command that upgrades one tenant, for a shell.
pub(crate) fn upgrade_of(database: &str, name: &str) -> String {
    let words = ["mig-ci", "upgrade", "-n", database].map(str::to_owned);
    let words = words.into_iter().chain(tenant(&globset::escape(name)));
    words.map(|word| shell_word(&word)).collect::<Vec<_>>().join(" ")
}

/// The command that creates one tenant, for a shell.
pub(crate) fn create_of(database: &str, name: &str) -> String {
    let words = ["mig-ci", "create", "-n", database].into_iter();
    let separator = name.starts_with('-').then_some("--");
    words.chain(separator).chain([name]).map(shell_word).collect::<Vec<_>>().join(" ")
}

/// A name that begins with a dash would be read as a flag.
fn tenant(name: &str) -> Vec<String> {
    if name.starts_with('-') {
        vec![format!("--tenant={name}")]
    } else {
        vec!["--tenant".to_owned(), name.to_owned()]
    }
}

/// The tenant that created what the others find.
fn passed_before<'a>(finding: &Finding, units: &'a [UnitRecord]) -> Option<&'a UnitRecord> {
    let FailureKind::Sql { sqlstate } = &finding.failure.as_ref()?.kind else { return None };
    if !THERE_ALREADY.contains(&sqlstate.as_str()) {
        return None;
    }
    let has_passed = |unit: &UnitRecord| {
        unit.track == TrackKind::Tenant
            && unit.database == finding.database
            && matches!(unit.end, UnitEnd::Completed)
    };
    units.iter().find(|unit| has_passed(unit))
}

/// A word that a POSIX shell reads literally.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Failure, Phase, Severity};

    fn unit(name: &str, end: UnitEnd) -> UnitRecord {
        UnitRecord {
            database: "app".into(),
            track: TrackKind::Tenant,
            name: name.into(),
            target: name.into(),
            sample: None,
            steps: Vec::new(),
            skipped_migrations: Vec::new(),
            changed: Vec::new(),
            already_applied: Vec::new(),
            shape: None,
            outside: None,
            end,
            duration: Duration::ZERO,
            head_duration: Duration::ZERO,
        }
    }

    /// The command for the second of two tenants, which fails with this SQLSTATE; the first passes.
    fn of(names: [&str; 2], sqlstate: &str, flags: &[&str]) -> String {
        let failed = UnitEnd::Failed { phase: Phase::Head, failure: None };
        let units = [unit(names[0], UnitEnd::Completed), unit(names[1], failed)];
        let kind = FailureKind::Sql { sqlstate: sqlstate.into() };
        let finding = Finding {
            fails_run: false,
            code: "migration-failed",
            severity: Severity::Error,
            message: String::new(),
            database: "app".into(),
            track: TrackKind::Tenant,
            units: vec![1],
            phase: Phase::Head,
            failure: Some(Failure::new(kind, "")),
            place: None,
            unplaced: None,
            help: None,
        };
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        reproduce(&finding, &units, &flags).unwrap()
    }

    #[test]
    fn one_tenant_is_sufficient_unless_another_created_the_object() {
        assert_eq!(of(["acme", "globex"], "23502", &[]), "mig-ci verify -n app --tenant globex");
        assert_eq!(
            of(["acme", "globex"], "42P07", &["--base", "v 1"]),
            "mig-ci verify -n app --tenant acme --tenant globex --base 'v 1'"
        );
    }

    #[test]
    fn names_are_quoted_for_the_shell_and_the_command_line() {
        assert_eq!(of(["a", "-x"], "23502", &[]), "mig-ci verify -n app '--tenant=-x'");
        let quoted = "mig-ci verify -n app --tenant 'o'\\''n, b'";
        assert_eq!(of(["a", "o'n, b"], "23502", &[]), quoted);
        // A real tenant's name is not a pattern.
        assert_eq!(upgrade_of("app", "*"), "mig-ci upgrade -n app --tenant '[*]'");
    }
}
