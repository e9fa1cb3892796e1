//! A report from an untrusted author: a fork's pull request runs its own workflow steps. Its facts are data, and are checked
//! for contradictions; every sentence is recomputed here from these facts.
//!
//! | fields | become |
//! | --- | --- |
//! | `summary`, `findings[].help`, `findings[].reproduce`, `findings[].unplaced`, `revisions.base_reason`, `timings` | recomputed, or omitted |
//! | `schema`, `tool`, `partition`, `started_at`, commits, codes of findings, kinds and codes of failures | known values, or the report is refused |
//! | `server.version` | its number, or empty |
//! | `notes` | quoted as code |
//! | names, paths, messages, statements and all other texts of databases and files | unchanged: renderers show them as code |

use std::collections::{BTreeSet, HashMap, HashSet};

use strum::VariantNames as _;

use super::build::overall;
use super::reproduce::{is_plain_name, verify_one};
use super::v1::{
    Counts, Failure, Finding, Note, Outcome, Report, Severity, Tally, TrackKind, Unit, Verdict,
};
use crate::checks;
use crate::model::{EnvironmentCause, ProgramCause};
use crate::report::headline;

/// GitHub terminates a workflow after 35 days.
const LONGEST_MS: u64 = 35 * 24 * 60 * 60 * 1000;
/// The maximum number of notes in a run.
const NOTES: usize = 50;
/// The values of [`Failure::kind`].
const KINDS: [&str; 9] = [
    "sql",
    "refused",
    "file",
    "search-path",
    "ledger",
    "environment",
    "server-lost",
    "connection-lost",
    "program",
];

/// The values of [`Failure::cause`] with the kind `environment`.
const CAUSES: &[&str] = EnvironmentCause::VARIANTS;
/// The same with the kind `program`.
const PROGRAM_CAUSES: &[&str] = ProgramCause::VARIANTS;

/// Why a report is not shown. Contains no text of the report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it contradicts itself, or mig-ci {version} did not write it: {0}", version = env!("CARGO_PKG_VERSION"))]
pub(crate) struct Contradiction(&'static str);

/// The report with sentences of this program instead of its own.
///
/// # Errors
/// If its parts contradict each other, or if it contains values that this version does not write.
pub(crate) fn recompute(mut report: Report) -> Result<Report, Contradiction> {
    of_known_form(&report)?;
    databases(&report)?;
    counts(&report)?;
    let listed = ListedUnits::of(&report);
    for finding in &report.findings {
        self::finding(&listed, finding)?;
    }
    verdict(&report, &listed)?;
    let base = report.revisions.base.as_ref().map(|base| base.commit.clone());
    for finding in &mut report.findings {
        finding.help = checks::find(&finding.code)
            .map(|about| format!("{}. See `mig-ci explain {}`.", about.title, about.code));
        finding.reproduce = again(finding, base.as_deref());
        finding.unplaced = None;
    }
    report.notes = notes(&report);
    report.revisions.base_reason.clear();
    report.server.version = version(&report.server.version);
    report.timings = None;
    report.summary = headline(&report);
    Ok(report)
}

fn require(holds: bool, what: &'static str) -> Result<(), Contradiction> {
    if holds { Ok(()) } else { Err(Contradiction(what)) }
}

fn of_known_form(report: &Report) -> Result<(), Contradiction> {
    let version = &report.tool.version;
    let is_version = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
    require(report.tool.name == "mig-ci", "`tool.name` is not mig-ci")?;
    require(
        !version.is_empty() && version.len() <= 40 && version.chars().all(is_version),
        "`tool.version` is not a version",
    )?;
    require(
        humantime::parse_rfc3339(&report.started_at).is_ok(),
        "`started_at` is not an RFC 3339 time",
    )?;
    let revisions = [&report.revisions.base, &report.revisions.head].into_iter().flatten();
    let is_hash = |text: &str| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let all = revisions.into_iter().all(|revision| is_hash(&revision.commit));
    require(all, "a commit is not a full hash")
}

fn databases(report: &Report) -> Result<(), Contradiction> {
    let mut names = BTreeSet::new();
    let mut durations = vec![report.duration_ms];
    for database in &report.databases {
        require(names.insert(&database.name), "a database is listed twice")?;
        let mut tracks = BTreeSet::new();
        for track in &database.tracks {
            require(tracks.insert(track.kind.to_string()), "a track is listed twice")?;
        }
        let mut units = BTreeSet::new();
        for unit in &database.units {
            let key = (unit.track.to_string(), &unit.name);
            require(units.insert(key), "a tenant is listed twice")?;
            require(tracks.contains(&unit.track.to_string()), "a tenant has no track")?;
            self::unit(unit)?;
            durations.push(unit.duration_ms);
            durations.extend(unit.steps.iter().map(|step| step.duration_ms));
        }
    }
    require(durations.iter().all(|ms| *ms <= LONGEST_MS), "a duration is longer than any run")
}

fn unit(unit: &Unit) -> Result<(), Contradiction> {
    for step in &unit.steps {
        let has_failure = step.failure.is_some();
        require(
            has_failure == (step.outcome == Outcome::Failed),
            "a step's outcome and its failure do not match",
        )?;
        step.failure.as_ref().map_or(Ok(()), failure)?;
    }
    unit.failure.as_ref().map_or(Ok(()), failure)?;
    if unit.verdict == Verdict::Passed {
        let steps = unit.steps.iter().all(|step| step.outcome == Outcome::Applied);
        require(steps && unit.failure.is_none(), "a tenant passed although a step did not")?;
        require(unit.reason.is_none(), "a tenant passed and was not run")?;
    }
    Ok(())
}

fn failure(failure: &Failure) -> Result<(), Contradiction> {
    let is_state =
        |state: &String| state.len() == 5 && state.bytes().all(|byte| byte.is_ascii_alphanumeric());
    require(KINDS.contains(&failure.kind.as_str()), "a failure has an unknown kind")?;
    let is_known = match &failure.cause {
        Some(cause) => match failure.kind.as_str() {
            "environment" => CAUSES.contains(&cause.as_str()),
            "program" => PROGRAM_CAUSES.contains(&cause.as_str()),
            _ => false,
        },
        None => failure.kind != "environment",
    };
    require(is_known, "a failure has no known cause")?;
    require(failure.sqlstate.as_ref().is_none_or(is_state), "an SQLSTATE is invalid")
}

fn counts(report: &Report) -> Result<(), Contradiction> {
    let units = || report.databases.iter().flat_map(|database| &database.units);
    let tally = |track: TrackKind| {
        let mut tally = Tally::default();
        for unit in units().filter(|unit| unit.track == track) {
            match unit.verdict {
                Verdict::Passed => tally.passed += 1,
                Verdict::Failed => tally.failed += 1,
                Verdict::NotRun => tally.not_run += 1,
            }
        }
        tally
    };
    let tracks = report.databases.iter().flat_map(|database| &database.tracks);
    let states = tracks.flat_map(|track| &track.migrations).map(|migration| migration.state);
    use super::v1::MigrationState::{Pending, Removed};
    let states: Vec<_> = states.collect();
    let found = Counts {
        tenants: tally(TrackKind::Tenant),
        shared: tally(TrackKind::Shared),
        pending_migrations: states.iter().filter(|state| **state == Pending).count(),
        migrations: states.iter().filter(|state| **state != Removed).count(),
    };
    require(report.counts == found, "`counts` do not match the listed units")
}

/// The units that the report lists, by database, track and name.
struct ListedUnits<'a>(HashMap<UnitKey<'a>, &'a Unit>);

type UnitKey<'a> = (&'a str, TrackKind, &'a str);

impl<'a> ListedUnits<'a> {
    fn of(report: &'a Report) -> Self {
        let units = report.databases.iter().flat_map(|database| {
            let of = |unit: &'a Unit| ((database.name.as_str(), unit.track, &*unit.name), unit);
            database.units.iter().map(of)
        });
        Self(units.collect())
    }

    /// The units of a finding.
    fn named<'b>(&'b self, finding: &'b Finding) -> impl Iterator<Item = (UnitKey<'b>, &'a Unit)> {
        let keys = finding.units.iter().map(|name| {
            let key: UnitKey<'b> = (&finding.database, finding.track, name);
            key
        });
        keys.filter_map(|key| Some((key, *self.0.get(&key)?)))
    }
}

fn finding(listed: &ListedUnits<'_>, finding: &Finding) -> Result<(), Contradiction> {
    require(checks::find(&finding.code).is_some(), "a finding belongs to an unknown check")?;
    let names: BTreeSet<_> = finding.units.iter().collect();
    require(names.len() == finding.units.len(), "a finding lists a tenant twice")?;
    finding.failure.as_ref().map_or(Ok(()), failure)?;
    require(!finding.fails_run || names.is_empty(), "a finding about tenants has `fails_run`")?;
    let known = listed.named(finding).count();
    // A finding can be about something that no longer exists.
    let is_for_absent_unit = known == 0 && finding.failure.is_none();
    require(
        known == names.len() || is_for_absent_unit,
        "a finding is about a tenant that is not listed",
    )?;
    let passed = listed.named(finding).any(|(_, unit)| unit.verdict == Verdict::Passed);
    let is_error = finding.severity == Severity::Error;
    require(!(passed && is_error), "a tenant passed although a finding is an error")
}

fn verdict(report: &Report, listed: &ListedUnits<'_>) -> Result<(), Contradiction> {
    let named: HashSet<UnitKey<'_>> = report
        .findings
        .iter()
        .flat_map(|finding| listed.named(finding))
        .map(|(key, _)| key)
        .collect();
    for (key, unit) in listed.0.iter().filter(|(_, unit)| unit.verdict == Verdict::Failed) {
        let has_failed = unit.failure.is_some()
            || unit.steps.iter().any(|step| step.outcome == Outcome::Failed)
            || named.contains(key);
        require(has_failed, "a tenant failed without a cause")?;
    }
    let units = || report.databases.iter().flat_map(|database| &database.units);
    let verdicts: Vec<_> = units().map(|unit| unit.verdict).collect();
    // As in `build`: a finding without units can fail the run by itself.
    let fails_run = report.findings.iter().any(|finding| finding.fails_run);
    let expected = if fails_run { Verdict::Failed } else { overall(&verdicts) };
    let fits = report.verdict == expected;
    require(fits, "`verdict` does not match its tenants")
}

/// The command for the first of a finding's units, if its words need no quoting.
fn again(finding: &Finding, base: Option<&str>) -> Option<String> {
    let unit = finding.units.first()?;
    let names = [&finding.database, unit];
    if !names.iter().all(|name| is_plain_name(name)) {
        return None;
    }
    let tenant = (finding.track == TrackKind::Tenant).then_some(unit.as_str());
    Some(verify_one(&finding.database, tenant, base))
}

/// A note contains names, and could imitate this program's statements: it is quoted.
fn notes(report: &Report) -> Vec<Note> {
    let quoted = report.notes.iter().take(NOTES).map(|note| Note {
        severity: note.severity,
        message: format!("The run reports: `{}`", note.message.replace('`', "'")),
    });
    quoted.collect()
}

/// `17.2` of `17.2 (Debian 17.2-1)`.
fn version(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if word.starts_with(|c: char| c.is_ascii_digit())
        && word.len() <= 12
        && word.chars().all(is_plain)
    {
        word.to_owned()
    } else {
        "of an unknown version".to_owned()
    }
}

#[cfg(test)]
mod tests;
