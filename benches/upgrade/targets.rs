//! The targets, and the results of this run for them.

use super::arm::Arm;
use super::summary::{Summary, decimals};

/// Rows of the table of targets.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    rows: Vec<String>,
}

/// In percent of the minimal program's rate.
const RATE: f64 = 90.0;
/// In percent of the server's CPU time.
const CPU: f64 = 10.0;
const MIB: f64 = 150.0;
const SECONDS: f64 = 5.0;
/// The server's CPU time for a tenant, in milliseconds.
const STATUS_CPU: f64 = 5.0;

impl Targets {
    /// With the whole history, or one new migration: `loops` is the target for the speed of mig-ci as a multiple of the loop's.
    pub(crate) fn work(&mut self, title: &str, summaries: &[Summary], loops: f64) {
        let find = |arm: Arm| summaries.iter().find(|summary| summary.arm == arm);
        let Some(ours) = find(Arm::MigCi) else { return };
        for arm in [Arm::PerTenant, Arm::PerMigration] {
            let Some(minimal) = find(arm) else { continue };
            let rate = 100.0 * minimal.each() / ours.each();
            let what = format!("rate relative to the {}", arm.words(0));
            self.row(title, &what, &format!("≥ {RATE} %"), &format!("{rate:.0} %"), rate >= RATE);
        }
        if let Some(alembic) = find(Arm::Alembic) {
            let times = alembic.each() / ours.each();
            let found = format!("{} ×", decimals(times));
            self.row(title, "as fast as the loop", &format!("≥ {loops} ×"), &found, times >= loops);
        }
        let share = ours.client_share();
        let found = format!("{share:.1} %");
        self.row(title, "CPU beside the server's", &format!("< {CPU} %"), &found, share < CPU);
    }

    pub(crate) fn status(&mut self, title: &str, summaries: &[Summary]) {
        let find = |arm: Arm| summaries.iter().find(|summary| summary.arm == arm);
        let Some(ours) = find(Arm::Status) else { return };
        let each = ours.server_each();
        let (target, found) = (format!("≤ {STATUS_CPU} ms"), format!("{} ms", decimals(each)));
        self.row(title, "CPU of the server for a tenant", &target, &found, each <= STATUS_CPU);
    }

    pub(crate) fn nothing(&mut self, title: &str, summaries: &[Summary]) {
        if let Some(ours) = summaries.iter().find(|summary| summary.arm == Arm::MigCi) {
            let seconds = ours.seconds();
            let found = format!("{seconds:.2} s");
            self.row(title, "time", &format!("< {SECONDS} s"), &found, seconds < SECONDS);
        }
    }

    pub(crate) fn memory(&mut self, title: &str, summaries: &[Summary]) {
        for mib in summaries.iter().filter_map(|summary| summary.peak_mib) {
            self.row(title, "memory", &format!("< {MIB} MiB"), &format!("{mib:.0} MiB"), mib < MIB);
        }
    }

    fn row(&mut self, title: &str, what: &str, target: &str, found: &str, is_met: bool) {
        let met = if is_met { "yes" } else { "**no**" };
        self.rows.push(format!("| {title} | {what} | {target} | {found} | {met} |"));
    }

    /// `None` if nothing of it was measured.
    pub(crate) fn table(&self) -> Option<String> {
        let table = format!(
            "| | of mig-ci | target | measured | met |\n| --- | --- | ---: | ---: | --- |\n{}\n",
            self.rows.join("\n")
        );
        (!self.rows.is_empty()).then_some(table)
    }
}
