//! Progress as lines, for logs: the server, the start and end of each database, and each failed unit while there are few.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Event, UnitName};
use crate::model::{TrackKind, Verdict};

use super::name;

/// Lines for failed units of one database. The report has all of them; a log has to stay readable.
const FAILED: usize = 20;

/// Writes to what it was given, and ignores errors: nobody is helped by a replay that stops because its log is closed.
pub(crate) struct Lines {
    writer: Box<dyn Write + Send>,
    databases: BTreeMap<Arc<str>, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    not_run: usize,
}

impl Lines {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, databases: BTreeMap::new() }
    }

    pub(super) fn on_event(&mut self, event: &Event) {
        match event {
            Event::ProviderStarting { description } => {
                self.line(&format!("starting PostgreSQL: {}", name(description)));
            }
            Event::ServerReady { description, version, took } => self.line(&format!(
                "PostgreSQL {} is ready ({}), {}",
                name(version),
                name(description),
                shown(*took)
            )),
            Event::DatabaseStarted { database, units } => {
                let noun = if *units == 1 { "unit" } else { "units" };
                self.line(&format!("database {}: {units} {noun}", name(database)));
            }
            Event::UnitFinished { unit, verdict, took } => self.unit(unit, *verdict, *took),
            Event::DatabaseFinished { database, took } => self.database(database, *took),
            Event::CleaningUp => self.line("cleaning up"),
            // Thousands of these come; a log is not the place.
            Event::UnitStarted { .. } | Event::StepStarted { .. } => {}
        }
    }

    fn unit(&mut self, unit: &UnitName, verdict: Verdict, took: Duration) {
        let tally = self.databases.entry(Arc::clone(&unit.database)).or_default();
        match verdict {
            Verdict::Passed => tally.passed += 1,
            Verdict::NotRun => tally.not_run += 1,
            Verdict::Failed => {
                tally.failed += 1;
                let failed = tally.failed;
                if failed <= FAILED {
                    self.line(&format!("{} failed, {}", described(unit), shown(took)));
                } else if failed == FAILED + 1 {
                    let database = name(&unit.database);
                    self.line(&format!("database {database}: more failed, see the report"));
                }
            }
        }
    }

    fn database(&mut self, database: &Arc<str>, took: Duration) {
        let Tally { passed, failed, not_run } = self.databases.remove(database).unwrap_or_default();
        let mut counts = vec![format!("{passed} passed")];
        if failed > 0 {
            counts.push(format!("{failed} failed"));
        }
        if not_run > 0 {
            counts.push(format!("{not_run} not run"));
        }
        let counts = counts.join(", ");
        self.line(&format!("database {}: {counts}, {}", name(database), shown(took)));
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.writer, "mig-ci: {text}");
    }
}

/// `database app: tenant acme`.
fn described(unit: &UnitName) -> String {
    let database = name(&unit.database);
    match unit.track {
        TrackKind::Tenant => format!("database {database}: tenant {}", name(&unit.name)),
        TrackKind::Shared => format!("database {database}: shared track from {}", name(&unit.name)),
    }
}

fn shown(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::model::Phase;
    use crate::ui::{Progress, ProgressMode, spawn};

    /// A writer that the test can read.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn unit(track: TrackKind, name: &str) -> UnitName {
        UnitName { database: "app".into(), track, name: name.into() }
    }

    fn finished(name: &str, verdict: Verdict) -> Event {
        let took = Duration::from_millis(12);
        Event::UnitFinished { unit: unit(TrackKind::Tenant, name), verdict, took }
    }

    fn run(events: &[Event], mode: ProgressMode) -> String {
        let writer = Shared::default();
        let mut progress = Progress::new(mode, Box::new(writer.clone()));
        for event in events {
            progress.on_event(event);
        }
        progress.finish();
        writer.text()
    }

    fn a_run() -> Vec<Event> {
        let acme = unit(TrackKind::Tenant, "acme");
        vec![
            Event::ProviderStarting { description: "local binaries".into() },
            Event::ServerReady {
                description: "local binaries".into(),
                version: "15.18".into(),
                took: Duration::from_millis(700),
            },
            Event::DatabaseStarted { database: "app".into(), units: 4 },
            Event::UnitFinished {
                unit: unit(TrackKind::Shared, "base"),
                verdict: Verdict::Passed,
                took: Duration::from_millis(8),
            },
            Event::UnitStarted { unit: acme.clone(), phase: Phase::Prepare },
            Event::StepStarted { unit: acme, migration: "7.sql".into() },
            finished("acme", Verdict::Failed),
            finished("globex", Verdict::Passed),
            finished("initech", Verdict::NotRun),
            Event::DatabaseFinished { database: "app".into(), took: Duration::from_millis(1_500) },
            Event::CleaningUp,
        ]
    }

    #[test]
    fn a_run_is_told_in_a_few_lines() {
        assert_eq!(
            run(&a_run(), ProgressMode::Lines),
            "mig-ci: starting PostgreSQL: local binaries\n\
             mig-ci: PostgreSQL 15.18 is ready (local binaries), 700 ms\n\
             mig-ci: database app: 4 units\n\
             mig-ci: database app: tenant acme failed, 12 ms\n\
             mig-ci: database app: 2 passed, 1 failed, 1 not run, 1.5 s\n\
             mig-ci: cleaning up\n"
        );
    }

    #[test]
    fn thousands_of_tenants_are_no_flood() {
        let mut events: Vec<_> =
            (0..5_000).map(|number| finished(&format!("t{number}"), Verdict::Failed)).collect();
        events.push(Event::DatabaseFinished { database: "app".into(), took: Duration::ZERO });
        let text = run(&events, ProgressMode::Lines);
        assert_eq!(text.lines().count(), FAILED + 2);
        assert!(text.ends_with("mig-ci: database app: 0 passed, 5000 failed, 0 ms\n"), "{text}");
    }

    #[test]
    fn hostile_names_stay_on_their_line() {
        let text = run(&[finished("a\n::error::x\u{1b}[2J", Verdict::Failed)], ProgressMode::Lines);
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn quiet_and_bars_write_nothing_to_the_writer() {
        assert_eq!(run(&a_run(), ProgressMode::Quiet), "");
        assert_eq!(run(&a_run(), ProgressMode::Bars), "");
    }

    #[tokio::test]
    async fn the_task_ends_when_the_senders_are_gone() {
        let writer = Shared::default();
        let progress = Progress::new(ProgressMode::Lines, Box::new(writer.clone()));
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let task = spawn(progress, receiver);
        sender.send(Event::CleaningUp).unwrap();
        drop(sender);
        task.await.unwrap();
        assert_eq!(writer.text(), "mig-ci: cleaning up\n");
    }

    #[test]
    fn a_closed_log_stops_nothing() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut progress = Progress::new(ProgressMode::Lines, Box::new(Closed));
        for event in a_run() {
            progress.on_event(&event);
        }
        progress.finish();
        assert_eq!(format!("{progress:?}"), "Progress::Lines");
    }
}
