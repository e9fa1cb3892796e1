//! What was promised, and what of it this run has shown.

use super::arm::Arm;
use super::summary::{Summary, decimals};

/// Rows of the table of promises.
#[derive(Debug, Default)]
pub(crate) struct Goals {
    rows: Vec<String>,
}

/// Of the least program's rate, in percent.
const RATE: f64 = 90.0;
/// Of the server's CPU time, in percent.
const CPU: f64 = 10.0;
const MIB: f64 = 150.0;
const SECONDS: f64 = 5.0;
/// Of the server's CPU time, for a tenant, in milliseconds.
const FLEET: f64 = 5.0;

impl Goals {
    /// With the whole history, or one new migration: `loops` is how many times as fast as the loop mig-ci should be.
    pub(crate) fn work(&mut self, title: &str, summaries: &[Summary], loops: f64) {
        let find = |arm: Arm| summaries.iter().find(|summary| summary.arm == arm);
        let Some(ours) = find(Arm::MigCi) else { return };
        for arm in [Arm::PerTenant, Arm::PerMigration] {
            let Some(least) = find(arm) else { continue };
            let rate = 100.0 * least.each() / ours.each();
            let what = format!("rate beside the {}", arm.words(0));
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

    pub(crate) fn fleet(&mut self, title: &str, summaries: &[Summary]) {
        let find = |arm: Arm| summaries.iter().find(|summary| summary.arm == arm);
        let Some(ours) = find(Arm::Fleet) else { return };
        let each = ours.server_each();
        let (promised, found) = (format!("≤ {FLEET} ms"), format!("{} ms", decimals(each)));
        self.row(title, "CPU of the server for a tenant", &promised, &found, each <= FLEET);
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

    fn row(&mut self, title: &str, what: &str, goal: &str, found: &str, is_met: bool) {
        let met = if is_met { "yes" } else { "**no**" };
        self.rows.push(format!("| {title} | {what} | {goal} | {found} | {met} |"));
    }

    /// Nothing where nothing of it was measured.
    pub(crate) fn table(&self) -> Option<String> {
        let table = format!(
            "| | of mig-ci | promised | measured | kept |\n| --- | --- | ---: | ---: | --- |\n{}\n",
            self.rows.join("\n")
        );
        (!self.rows.is_empty()).then_some(table)
    }
}
