//! Progress bars for terminals: one for each database, with the units that are running. The bars are removed at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::name;
use super::tally::Tally;
use crate::model::{RunEvent, UnitName};
use crate::report::grouped;

/// The interval between two frames of a spinner.
const TICK: Duration = Duration::from_millis(100);

/// The maximum number of running units shown.
const SHOWN: usize = 4;

const BAR: &str = "{prefix} {bar:24} {pos}/{len} {wide_msg}";
const SPINNER: &str = "{spinner} {wide_msg}";

/// Draws on stderr, and only if that is a terminal (ensured by indicatif).
pub(crate) struct Bars {
    screen: MultiProgress,
    /// Shown before and after the databases.
    server: ProgressBar,
    databases: IndexMap<Arc<str>, Bar>,
}

struct Bar {
    bar: ProgressBar,
    tally: Tally,
}

impl Bars {
    pub(super) fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let server = screen.add(ProgressBar::new_spinner().with_style(style(SPINNER)));
        Self { screen, server, databases: IndexMap::new() }
    }

    pub(super) fn on_event(&mut self, event: &RunEvent, now: Instant) {
        match event {
            RunEvent::ProviderStarting { description } => {
                self.spin(format!("starting PostgreSQL: {}", name(description)));
            }
            RunEvent::ServerReady { description, version, .. } => {
                self.server.disable_steady_tick();
                let (version, description) = (name(version), name(description));
                self.server.set_message(format!("PostgreSQL {version} ({description})"));
            }
            RunEvent::DatabaseStarted { database, units } => self.start(database, *units, now),
            RunEvent::UnitStarted { unit, phase } => {
                self.update(unit, now, |bar| bar.tally.runs(unit, phase.to_string().into(), now));
            }
            RunEvent::StepStarted { unit, migration } => {
                self.update(unit, now, |bar| bar.tally.runs(unit, Arc::clone(migration), now));
            }
            RunEvent::UnitFinished { unit, verdict, .. } => {
                self.update(unit, now, |bar| {
                    bar.tally.ends(unit, *verdict);
                    bar.bar.inc(1);
                });
            }
            RunEvent::DatabaseFinished { database, .. } => {
                if let Some(bar) = self.databases.get_mut(database) {
                    bar.tally.running.clear();
                    bar.show(None);
                    bar.bar.abandon();
                }
            }
            // The bar starts again with the second run.
            RunEvent::ReplayedAgain { database, .. } => {
                if let Some(bar) = self.databases.shift_remove(database) {
                    bar.bar.finish_and_clear();
                }
            }
            RunEvent::CleaningUp => self.spin("cleaning up".to_owned()),
        }
    }

    /// Called regularly, because the rate changes even without events.
    pub(super) fn tick(&mut self, now: Instant) {
        for bar in self.databases.values_mut().filter(|bar| !bar.bar.is_finished()) {
            bar.tally.sample(now);
            bar.show(Some(now));
        }
    }

    /// Removes all bars from the screen.
    pub(super) fn clear(&mut self) {
        self.server.finish_and_clear();
        for bar in self.databases.values() {
            bar.bar.finish_and_clear();
        }
        // Fails only if stderr is closed, and then there is nothing to clear.
        let _ = self.screen.clear();
    }

    fn spin(&self, message: String) {
        self.server.set_message(message);
        self.server.enable_steady_tick(TICK);
    }

    fn start(&mut self, database: &Arc<str>, units: usize, now: Instant) {
        let length = u64::try_from(units).unwrap_or(u64::MAX);
        let bar = self.screen.add(ProgressBar::new(length).with_style(style(BAR)));
        bar.set_prefix(name(database));
        let tally = Tally::new(units, now);
        self.databases.insert(Arc::clone(database), Bar { bar, tally });
    }

    fn update(&mut self, unit: &UnitName, now: Instant, change: impl FnOnce(&mut Bar)) {
        if let Some(bar) = self.databases.get_mut(&unit.database) {
            change(bar);
            bar.show(Some(now));
        }
    }
}

impl Bar {
    /// Without a time, no rate is shown.
    fn show(&self, now: Option<Instant>) {
        self.bar.set_message(self.message(now));
    }

    /// `2 failed · 8 running · 55/s, about 69 s left · acme 0042_index.sql, globex base and 6 more`.
    fn message(&self, now: Option<Instant>) -> String {
        let mut parts = Vec::new();
        let running = &self.tally.running;
        if self.tally.failed > 0 {
            parts.push(format!("{} failed", grouped(self.tally.failed)));
        }
        if running.len() > SHOWN {
            parts.push(format!("{} running", running.len()));
        }
        parts.extend(now.and_then(|now| self.tally.pace(now)));
        let shown = running.iter().take(SHOWN);
        let shown = shown.map(|(unit, now)| format!("{} {}", name(&unit.name), name(&now.what)));
        let shown = shown.collect::<Vec<_>>().join(", ");
        match running.len().saturating_sub(SHOWN) {
            _ if running.is_empty() => {}
            0 => parts.push(shown),
            more => parts.push(format!("{shown} and {more} more")),
        }
        parts.join(" · ")
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Phase, TrackKind, Verdict};

    fn unit(name: &str) -> UnitName {
        UnitName { database: "app".into(), track: TrackKind::Tenant, name: name.into() }
    }

    #[test]
    fn a_bar_shows_running_units_and_the_number_of_failures() {
        let started = Instant::now();
        let mut bars = Bars::new();
        let (acme, globex) = (unit("acme"), unit("globex"));
        for event in [
            RunEvent::DatabaseStarted { database: "app".into(), units: 2 },
            RunEvent::UnitStarted { unit: acme.clone(), phase: Phase::Base },
            RunEvent::UnitStarted { unit: globex.clone(), phase: Phase::Prepare },
            RunEvent::StepStarted { unit: acme.clone(), migration: "7.sql".into() },
        ] {
            bars.on_event(&event, started);
        }
        let message = |bars: &Bars| bars.databases["app"].message(Some(started));
        assert_eq!(message(&bars), "acme 7.sql, globex prepare");
        let took = Duration::ZERO;
        let failed = RunEvent::UnitFinished { unit: acme, verdict: Verdict::Failed, took };
        bars.on_event(&failed, started);
        assert_eq!(message(&bars), "1 failed · globex prepare");
        bars.on_event(
            &RunEvent::UnitFinished { unit: globex, verdict: Verdict::Passed, took },
            started,
        );
        assert_eq!(message(&bars), "1 failed");
        assert_eq!(bars.databases["app"].bar.position(), 2);
        bars.clear();
        assert!(bars.databases["app"].bar.is_finished());
    }

    #[test]
    fn a_bar_of_many_units_shows_the_rate_and_some_running_units() {
        let started = Instant::now();
        let mut bars = Bars::new();
        bars.on_event(&RunEvent::DatabaseStarted { database: "app".into(), units: 1_000 }, started);
        let took = Duration::ZERO;
        for number in 0..206 {
            let unit = unit(&format!("t{number}"));
            bars.on_event(
                &RunEvent::UnitStarted { unit: unit.clone(), phase: Phase::Head },
                started,
            );
            if number < 200 {
                let verdict = Verdict::Passed;
                bars.on_event(&RunEvent::UnitFinished { unit, verdict, took }, started);
            }
        }
        let later = started + Duration::from_secs(4);
        bars.tick(later);
        assert_eq!(
            bars.databases["app"].message(Some(later)),
            "6 running · 50/s, about 16 s left · t200 head, t201 head, t202 head, t203 head and 2 more"
        );
        bars.clear();
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
