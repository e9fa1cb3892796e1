//! The progress on one database: the number of completed units, the rate, and the estimated remaining time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use crate::model::{UnitName, Verdict};
use crate::report::grouped;

/// The rate is computed from at most this period.
const WINDOW: Duration = Duration::from_secs(60);
/// A shorter period is not sufficient to compute a rate.
const SHORTEST: Duration = Duration::from_secs(1);

/// The counts of one database.
#[derive(Debug)]
pub(super) struct Tally {
    /// The expected number of verdicts, and their counts.
    units: usize,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) not_run: usize,
    /// Finished units that were started: units without pending work do not count for the rate.
    worked: usize,
    /// The number of worked units at a point in time, the oldest first.
    samples: VecDeque<(Instant, usize)>,
    /// The running units, the longest-running first: the unit, its current work, and its start time.
    pub(super) running: IndexMap<UnitName, RunningUnit>,
}

/// A running unit.
#[derive(Debug)]
pub(super) struct RunningUnit {
    /// Its migration, or its phase.
    pub(super) what: Arc<str>,
    pub(super) since: Instant,
}

impl Tally {
    pub(super) fn new(units: usize, now: Instant) -> Self {
        Self {
            units,
            passed: 0,
            failed: 0,
            not_run: 0,
            worked: 0,
            samples: VecDeque::from([(now, 0)]),
            running: IndexMap::new(),
        }
    }

    /// Sets the current work of a unit.
    pub(super) fn runs(&mut self, unit: &UnitName, what: Arc<str>, now: Instant) {
        match self.running.get_mut(unit) {
            Some(running) => running.what = what,
            None => {
                self.running.insert(unit.clone(), RunningUnit { what, since: now });
            }
        }
    }

    pub(super) fn ends(&mut self, unit: &UnitName, verdict: Verdict) {
        self.worked += usize::from(self.running.shift_remove(unit).is_some());
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::NotRun => self.not_run += 1,
        }
    }

    /// Called regularly; records a sample for the rate.
    pub(super) fn sample(&mut self, now: Instant) {
        self.samples.push_back((now, self.worked));
        while self.samples.len() > 1 && now.duration_since(self.samples[0].0) > WINDOW {
            self.samples.pop_front();
        }
    }

    pub(super) fn units(&self) -> usize {
        self.units
    }

    pub(super) fn done(&self) -> usize {
        self.passed + self.failed + self.not_run
    }

    /// `1,200 of 5,000 done, 3 failed`.
    pub(super) fn so_far(&self) -> String {
        let mut words =
            format!("{} of {} done", grouped(self.done()), grouped(self.units.max(self.done())));
        if self.failed > 0 {
            words += &format!(", {} failed", grouped(self.failed));
        }
        words
    }

    /// `55/s, about 69 s left`, as soon as the rate is known.
    pub(super) fn pace(&self, now: Instant) -> Option<String> {
        let (since, worked) = self.samples.front()?;
        let took = now.duration_since(*since);
        let number = self.worked - worked;
        if took < SHORTEST || number == 0 {
            return None;
        }
        let rest = self.units.saturating_sub(self.done());
        let rest = u32::try_from(rest).unwrap_or(u32::MAX);
        let left = took * rest / u32::try_from(number).unwrap_or(u32::MAX);
        Some(format!("{}, about {} left", rate(number, took), lasting(left)))
    }
}

/// `55/s`, `2.5/s`, `12/min`.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn rate(number: usize, took: Duration) -> String {
    match number as f64 / took.as_secs_f64() {
        fast if fast >= 9.95 => format!("{fast:.0}/s"),
        slow if slow >= 0.95 => format!("{slow:.1}/s"),
        rare => format!("{:.0}/min", (rare * 60.0).max(1.0)),
    }
}

/// `69 s`, `12 min`, `3 h 5 min`.
pub(super) fn lasting(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    match duration.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..6_000 => format!("{} min", seconds / MINUTE),
        seconds => format!("{} h {} min", seconds / MINUTE / 60, seconds / MINUTE % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TrackKind;

    fn unit(number: usize) -> UnitName {
        let name = format!("t{number}").into();
        UnitName { database: "app".into(), track: TrackKind::Tenant, name }
    }

    #[test]
    fn the_rate_counts_units_with_work_only() {
        let origin = Instant::now();
        let at = |seconds: u64| origin + Duration::from_secs(seconds);
        let mut tally = Tally::new(5_000, origin);
        // A thousand have no pending migrations.
        (0..1_000).for_each(|number| tally.ends(&unit(number), Verdict::Passed));
        assert_eq!(tally.pace(at(2)), None);
        for number in 1_000..1_200 {
            tally.runs(&unit(number), "1.sql".into(), origin);
            let failed = number < 1_003;
            tally.ends(&unit(number), if failed { Verdict::Failed } else { Verdict::Passed });
        }
        assert_eq!(tally.so_far(), "1,200 of 5,000 done, 3 failed");
        assert_eq!(tally.pace(at(4)).unwrap(), "50/s, about 76 s left");
        assert_eq!(tally.pace(origin), None, "too early to tell");
        // Samples older than the window are ignored.
        for second in 1..=200 {
            tally.sample(at(second));
        }
        assert_eq!(tally.pace(at(200)), None);
    }

    #[test]
    fn rates_and_durations_are_rounded_for_display() {
        let of = |number, seconds| rate(number, Duration::from_secs(seconds));
        assert_eq!(
            [of(550, 10), of(25, 10), of(2, 10), of(1, 600)].join(" "),
            "55/s 2.5/s 12/min 1/min"
        );
        let of = |seconds| lasting(Duration::from_secs(seconds));
        assert_eq!([of(69), of(750), of(11_100)].join(", "), "69 s, 12 min, 3 h 5 min");
    }
}
