//! Progress as bars, for terminals: one for each database with what runs now in it. All of it is gone at the end.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::Verdict;
use crate::model::{Event, UnitName};

use super::name;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

const BAR: &str = "{prefix} {bar:24} {pos}/{len} {wide_msg}";
const SPINNER: &str = "{spinner} {wide_msg}";

/// Draws on stderr, and only if that is a terminal (indicatif sees to it).
pub(crate) struct Bars {
    screen: MultiProgress,
    /// The server, before and after the databases.
    server: ProgressBar,
    databases: IndexMap<Arc<str>, Bar>,
}

struct Bar {
    bar: ProgressBar,
    failed: usize,
    /// What runs now: the unit, and its migration.
    now: IndexMap<UnitName, Arc<str>>,
}

impl Bars {
    pub(super) fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let server = screen.add(ProgressBar::new_spinner().with_style(style(SPINNER)));
        Self { screen, server, databases: IndexMap::new() }
    }

    pub(super) fn on_event(&mut self, event: &Event) {
        match event {
            Event::ProviderStarting { description } => {
                self.spin(format!("starting PostgreSQL: {}", name(description)));
            }
            Event::ServerReady { description, version, .. } => {
                self.server.disable_steady_tick();
                let (version, description) = (name(version), name(description));
                self.server.set_message(format!("PostgreSQL {version} ({description})"));
            }
            Event::DatabaseStarted { database, units } => self.start(database, *units),
            Event::UnitStarted { unit, phase } => {
                self.update(unit, |bar| {
                    bar.now.insert(unit.clone(), phase.to_string().into());
                });
            }
            Event::StepStarted { unit, migration } => {
                self.update(unit, |bar| {
                    bar.now.insert(unit.clone(), Arc::clone(migration));
                });
            }
            Event::UnitFinished { unit, verdict, .. } => {
                self.update(unit, |bar| {
                    bar.now.shift_remove(unit);
                    bar.failed += usize::from(*verdict == Verdict::Failed);
                    bar.bar.inc(1);
                });
            }
            Event::DatabaseFinished { database, .. } => {
                if let Some(bar) = self.databases.get_mut(database) {
                    bar.now.clear();
                    bar.show();
                    bar.bar.abandon();
                }
            }
            Event::CleaningUp => self.spin("cleaning up".to_owned()),
        }
    }

    /// Takes everything off the screen.
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

    fn start(&mut self, database: &Arc<str>, units: usize) {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let bar = self.screen.add(ProgressBar::new(units).with_style(style(BAR)));
        bar.set_prefix(name(database));
        self.databases.insert(Arc::clone(database), Bar { bar, failed: 0, now: IndexMap::new() });
    }

    fn update(&mut self, unit: &UnitName, change: impl FnOnce(&mut Bar)) {
        if let Some(bar) = self.databases.get_mut(&unit.database) {
            change(bar);
            bar.show();
        }
    }
}

impl Bar {
    fn show(&self) {
        self.bar.set_message(self.message());
    }

    /// `2 failed · acme 0042_index.sql, globex base`.
    fn message(&self) -> String {
        let mut parts = Vec::new();
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        let now: Vec<_> = self
            .now
            .iter()
            .map(|(unit, what)| format!("{} {}", name(&unit.name), name(what)))
            .collect();
        if !now.is_empty() {
            parts.push(now.join(", "));
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
    use crate::model::{Phase, TrackKind};

    #[test]
    fn a_bar_tells_what_runs_now_and_how_many_failed() {
        let mut bars = Bars::new();
        let unit = |name: &str| UnitName {
            database: "app".into(),
            track: TrackKind::Tenant,
            name: name.into(),
        };
        let (acme, globex) = (unit("acme"), unit("globex"));
        for event in [
            Event::DatabaseStarted { database: "app".into(), units: 2 },
            Event::UnitStarted { unit: acme.clone(), phase: Phase::Base },
            Event::UnitStarted { unit: globex.clone(), phase: Phase::Prepare },
            Event::StepStarted { unit: acme.clone(), migration: "7.sql".into() },
        ] {
            bars.on_event(&event);
        }
        assert_eq!(bars.databases["app"].message(), "acme 7.sql, globex prepare");
        let took = Duration::ZERO;
        bars.on_event(&Event::UnitFinished { unit: acme, verdict: Verdict::Failed, took });
        assert_eq!(bars.databases["app"].message(), "1 failed · globex prepare");
        bars.on_event(&Event::UnitFinished { unit: globex, verdict: Verdict::Passed, took });
        assert_eq!(bars.databases["app"].message(), "1 failed");
        assert_eq!(bars.databases["app"].bar.position(), 2);
        bars.clear();
        assert!(bars.databases["app"].bar.is_finished());
    }

    #[test]
    fn the_templates_are_understood() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
