//! Medians of runs, and the tables of `docs/benchmarks.md`.

use std::time::Duration;

use super::arm::Arm;
use super::cost::Cost;

/// The resources that an arm used, as the median of its runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) arm: Arm,
    pub(crate) tenants: usize,
    /// In seconds: the minimum, the median, and the maximum.
    wall: [f64; 3],
    client: f64,
    server: f64,
    pub(crate) peak_mib: Option<f64>,
    round_trips: f64,
    sessions: f64,
}

/// The columns of a table in addition to the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// CPU and memory.
    Near,
    /// Round trips and sessions.
    Far,
}

impl Summary {
    pub(crate) fn of(arm: Arm, tenants: usize, costs: &[Cost]) -> Self {
        let sorted = |get: &dyn Fn(&Cost) -> f64| {
            let mut values: Vec<f64> = costs.iter().map(get).collect();
            values.sort_by(f64::total_cmp);
            [values[0], median(&values), values[values.len() - 1]]
        };
        let seconds = Duration::as_secs_f64;
        // A loop's own memory does not include that of the processes that it starts.
        let has_peak = !arm.is_peer() && costs.iter().all(|cost| cost.peak_kib.is_some());
        let mib = |cost: &Cost| cost.peak_kib.unwrap_or_default() as f64 / 1024.0;
        Self {
            arm,
            tenants,
            wall: sorted(&|cost| seconds(&cost.wall)),
            client: sorted(&|cost| seconds(&cost.client))[1],
            server: sorted(&|cost| seconds(&cost.server))[1],
            // The maximum of all runs.
            peak_mib: has_peak.then(|| sorted(&mib)[2]),
            round_trips: sorted(&|cost| cost.round_trips as f64)[1],
            sessions: sorted(&|cost| cost.sessions as f64)[1],
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.wall[1]
    }

    /// Milliseconds for a tenant.
    pub(crate) fn each(&self) -> f64 {
        self.per_tenant(self.wall[1])
    }

    /// The server's CPU time, in milliseconds for a tenant.
    pub(crate) fn server_each(&self) -> f64 {
        self.per_tenant(self.server)
    }

    /// In percent of the server's CPU time.
    pub(crate) fn client_share(&self) -> f64 {
        100.0 * self.client / self.server
    }

    fn per_tenant(&self, seconds: f64) -> f64 {
        seconds * 1000.0 / self.tenants as f64
    }

    fn row(&self, ours: f64, jobs: usize, columns: Columns) -> String {
        let [least, _, most] = self.wall.map(|seconds| self.per_tenant(seconds));
        let each = self.each();
        let beside = match self.arm {
            arm if arm.is_ours() => "1".to_owned(),
            _ => decimals(each / ours),
        };
        let head = format!(
            "| {} | {} | {:.2} | {} | {} to {} | {beside} |",
            self.arm.words(jobs),
            self.tenants,
            self.seconds(),
            decimals(each),
            decimals(least),
            decimals(most)
        );
        let per_tenant = |count: f64| decimals(count / self.tenants as f64);
        let peak = self.peak_mib.map_or_else(String::new, |mib| format!("{mib:.0}"));
        let tail = match columns {
            Columns::Near => format!(
                " {} | {} | {peak} |",
                decimals(self.per_tenant(self.client)),
                decimals(self.per_tenant(self.server))
            ),
            Columns::Far => {
                format!(
                    " {} | {:.0} | {:.0} |",
                    per_tenant(self.round_trips),
                    self.round_trips,
                    self.sessions
                )
            }
        };
        head + &tail
    }
}

/// All arms, mig-ci's first.
pub(crate) fn table(summaries: &[Summary], jobs: usize, columns: Columns) -> String {
    let ours =
        summaries.iter().find(|summary| summary.arm.is_ours()).map_or(f64::NAN, Summary::each);
    let (names, rule) = match columns {
        Columns::Near => (
            "CPU of the client, ms a tenant | CPU of the server, ms a tenant | most memory of the client, MiB",
            "---: | ---: | ---:",
        ),
        Columns::Far => ("round trips a tenant | round trips | sessions", "---: | ---: | ---:"),
    };
    let mut text = format!(
        "| | tenants | seconds | ms a tenant | from run to run | × mig-ci | {names} |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | {rule} |\n"
    );
    for summary in summaries {
        text.push_str(&summary.row(ours, jobs, columns));
        text.push('\n');
    }
    text
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// Three significant digits.
pub(crate) fn decimals(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
