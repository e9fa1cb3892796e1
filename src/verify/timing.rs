//! Timings: wall-clock laps of the main job, and the CPU time of mig-ci and the server.

use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::model::UnitRecord;
use crate::report::verify::v1;

/// Measures one run, lap by lap.
#[derive(Debug)]
pub(super) struct Stopwatch {
    started: Instant,
    started_at: SystemTime,
    lap: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self { started: now, started_at: SystemTime::now(), lap: now, laps: Vec::new() }
    }

    /// Ends a lap that started when the previous one ended.
    pub(super) fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.laps.push((name, now - self.lap));
        self.lap = now;
    }

    /// RFC 3339, UTC.
    pub(super) fn started_at(&self) -> String {
        humantime::format_rfc3339_seconds(self.started_at).to_string()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The laps, with the CPU time and the memory that this process has used since its start.
    pub(super) fn timings(
        &self,
        units: &[UnitRecord],
        server_cpu: Option<Duration>,
    ) -> v1::Timings {
        let phases = self
            .laps
            .iter()
            .map(|(name, took)| v1::PhaseTime { name: (*name).to_owned(), ms: milliseconds(*took) })
            .collect();
        // POSIX defines no reason for `getrusage` of the own process to fail; it would be visible as zeros.
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let cpu = usage.map_or(0, |usage| {
            usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds()
        });
        let whole: Duration = units.iter().map(|unit| unit.duration).sum();
        let head: Duration = units.iter().map(|unit| unit.head_duration).sum();
        v1::Timings {
            phases,
            units_to_base_ms: milliseconds(whole.saturating_sub(head)),
            units_to_head_ms: milliseconds(head),
            tool_cpu_ms: u64::try_from(cpu).unwrap_or_default(),
            server_cpu_ms: server_cpu.map(milliseconds),
            tool_peak_rss_kib: peak_kib().unwrap_or_default(),
        }
    }
}

/// The peak memory of this process. Not Linux's `ru_maxrss`: it continues with the value of the process that started this one
/// (`exec` passes it on), hence `VmHWM`, which starts again (proc(5)).
#[cfg(target_os = "linux")]
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn peak_kib() -> Option<u64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let peak = u64::try_from(usage.max_rss()).ok()?;
    // macOS counts bytes, the others KiB.
    Some(if cfg!(target_os = "macos") { peak / 1024 } else { peak })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_add_up_to_no_more_than_the_whole() {
        let mut watch = Stopwatch::start();
        std::thread::sleep(Duration::from_millis(5));
        watch.lap("first");
        watch.lap("second");
        let timings = watch.timings(&[], None);
        let sum: u64 = timings.phases.iter().map(|phase| phase.ms).sum();
        assert!(timings.phases[0].ms >= 5);
        assert!(sum <= milliseconds(watch.elapsed()));
        assert!(timings.tool_peak_rss_kib > 1_000, "{timings:?}");
    }
}
