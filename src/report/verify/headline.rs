//! The verdict in one sentence: for a mail's subject, a status line and the last line on a terminal.

use super::environment::environment_failed;
use super::v1::{Phase, Report, Severity, Tally, TrackKind, Verdict};
use crate::report::text::{count, grouped};

/// The verdict of the run in one sentence, without a full stop. It reads everything except `summary`, which is set from it.
pub(crate) fn headline(report: &Report) -> String {
    let sentence = match report.verdict {
        Verdict::Passed => passed(report),
        Verdict::Failed => failed(report),
        Verdict::NotRun => not_run(report),
    };
    match &report.partition {
        Some(partition) => format!("{sentence} (partition {partition})"),
        None => sentence,
    }
}

fn passed(report: &Report) -> String {
    let tenants = total(report.counts.tenants);
    let subject = if tenants > 0 {
        format!("all {}", count(tenants, "tenant"))
    } else {
        format!("all {}", count(report.databases.len(), "database"))
    };
    let subject = subject.replace("all 1 ", "the 1 ");
    let untested = untested(report);
    if untested > 0 && untested == tenants {
        return format!(
            "Nothing was tested: the samples of {subject} already have every pending migration"
        );
    }
    if untested > 0 {
        return format!(
            "Migrations pass for {} of {}; nothing was applied to {}, which already had every pending migration",
            grouped(tenants - untested),
            count(tenants, "tenant"),
            grouped(untested)
        );
    }
    if report.counts.pending_migrations == 0 {
        format!("Nothing is pending; the migrations of the base pass for {subject}")
    } else {
        format!("Migrations pass for {subject}")
    }
}

/// The number of tenants that completed without any of the pending migrations.
pub(crate) fn untested(report: &Report) -> usize {
    let units = report.databases.iter().flat_map(|database| &database.units);
    units.filter(|unit| unit.track == TrackKind::Tenant && unit.is_untested()).count()
}

fn failed(report: &Report) -> String {
    let tenants = report.counts.tenants;
    let all = total(tenants);
    let of_all = format!("of {}", count(all, "tenant"));
    let unchecked = match tenants.not_run {
        0 => String::new(),
        1 => ", 1 was not run".to_owned(),
        number => format!(", {} were not run", grouped(number)),
    };
    let shared = report.counts.shared.failed;
    match (shared, tenants.failed) {
        (0, 0) => problems_alone(report),
        (0, failed) if failed == failed_before_the_head(report) => format!(
            "The starting state of {} {of_all} could not be reproduced{unchecked}",
            grouped(failed)
        ),
        (0, failed) => format!("Migrations fail for {} {of_all}{unchecked}", grouped(failed)),
        (_, _) if all > 0 && tenants.not_run == all => {
            format!("Shared migration failed: 0 {of_all} were checked")
        }
        (shared, 0) if all == 0 => {
            format!("Migrations fail on {} of {}", grouped(shared), shared_tracks(report))
        }
        (shared, failed) => format!(
            "Shared migrations fail on {} of {}; {} {of_all} failed{unchecked}",
            grouped(shared),
            shared_tracks(report),
            grouped(failed)
        ),
    }
}

/// The number of tenants whose sample, preparation or base failed, which the pull request does not cause.
fn failed_before_the_head(report: &Report) -> usize {
    let early = report.findings.iter().filter(|finding| {
        finding.track == TrackKind::Tenant
            && finding.failure.is_some()
            && matches!(finding.phase, Some(Phase::Prepare | Phase::Base))
    });
    early.map(|finding| finding.units.len()).sum()
}

/// Everything that was replayed completed, and a check still failed.
fn problems_alone(report: &Report) -> String {
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    let number = report.findings.iter().filter(|finding| Some(finding.severity) == worst).count();
    let noun = match worst {
        Some(Severity::Error) | None => "problem",
        Some(Severity::Warning) => "warning",
        Some(Severity::Info) => "remark",
    };
    format!("Migrations were applied, with {} that fail the run", count(number, noun))
        .replace(&format!("1 {noun} that fail "), &format!("1 {noun} that fails "))
}

fn not_run(report: &Report) -> String {
    let tenants = total(report.counts.tenants);
    if environment_failed(report) {
        let (unknown, all) = match tenants {
            0 => (report.counts.shared.not_run, shared_tracks(report)),
            _ => (report.counts.tenants.not_run, count(tenants, "tenant")),
        };
        let what =
            if report.server.lost { "The server was lost" } else { "The environment failed" };
        format!("{what}: no result for {} of {all}", grouped(unknown))
    } else if tenants == 0 {
        "Nothing was run".to_owned()
    } else {
        format!("Nothing was run: 0 of {} were checked", count(tenants, "tenant"))
    }
}

fn shared_tracks(report: &Report) -> String {
    count(total(report.counts.shared), "shared track")
}

pub(crate) fn total(tally: Tally) -> usize {
    tally.passed + tally.failed + tally.not_run
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verify::test_fixtures;

    /// Verdicts that the sample reports do not cover.
    #[test]
    fn rare_verdicts_have_a_sentence() {
        let mut report = test_fixtures::all_green(3);
        report.verdict = Verdict::Failed;
        report.findings = test_fixtures::many_causes().findings;
        report.findings.retain(|finding| finding.severity == Severity::Warning);
        assert_eq!(headline(&report), "Migrations were applied, with 1 warning that fails the run");

        let mut report = test_fixtures::one_cause(3, 1);
        report.counts.shared = Tally { passed: 2, failed: 1, not_run: 0 };
        assert_eq!(
            headline(&report),
            "Shared migrations fail on 1 of 3 shared tracks; 1 of 3 tenants failed"
        );
        report.counts.tenants = Tally::default();
        assert_eq!(headline(&report), "Migrations fail on 1 of 3 shared tracks");

        report.partition = Some("2/8".to_owned());
        let sentence = "Migrations fail on 1 of 3 shared tracks (partition 2/8)";
        assert_eq!(headline(&report), sentence);

        let mut report = test_fixtures::all_green(0);
        assert_eq!(headline(&report), "Migrations pass for the 1 database");
        report.verdict = Verdict::NotRun;
        assert_eq!(headline(&report), "Nothing was run");
    }
}
