//! Progress as lines, for logs: the server, the start and end of each database, each failed unit, and the progress every few
//! seconds.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::tally::{Tally, lasting};
use super::{Task, name};
use crate::model::{RunEvent, TrackKind, UnitName, Verdict};
use crate::report::grouped;

/// The maximum number of lines for failed units of one database in `verify`: the report has all of them, and a log has to stay
/// readable. On real databases each failure gets its line.
const FAILED: usize = 20;
/// The interval between two progress lines of a database.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// A unit that runs for longer may be waiting for a lock or another resource.
const LONG: Duration = Duration::from_secs(10);

/// Writes to `writer` and ignores errors: a closed log is no reason to stop a run.
pub(crate) struct Lines {
    task: Task,
    writer: Box<dyn Write + Send>,
    databases: BTreeMap<Arc<str>, Tally>,
    said: Instant,
}

impl Lines {
    pub(super) fn new(task: Task, writer: Box<dyn Write + Send>, now: Instant) -> Self {
        Self { task, writer, databases: BTreeMap::new(), said: now }
    }

    pub(super) fn on_event(&mut self, event: &RunEvent, now: Instant) {
        match event {
            RunEvent::ProviderStarting { description } => {
                self.line(&format!("starting PostgreSQL: {}", name(description)));
            }
            RunEvent::ServerReady { description, version, took } => self.line(&format!(
                "PostgreSQL {} is ready ({}), {}",
                name(version),
                name(description),
                shown(*took)
            )),
            RunEvent::DatabaseStarted { database, units } => {
                let noun = match self.task {
                    Task::Verify => "unit",
                    Task::Upgrade => "target",
                };
                let plural = if *units == 1 { "" } else { "s" };
                let number = grouped(*units);
                self.line(&format!("database {}: {number} {noun}{plural}", name(database)));
                self.databases.insert(Arc::clone(database), Tally::new(*units, now));
            }
            RunEvent::UnitStarted { unit, phase } => {
                let what = phase.to_string().into();
                self.tally(unit, now).runs(unit, what, now);
            }
            RunEvent::StepStarted { unit, migration } => {
                let what = Arc::clone(migration);
                self.tally(unit, now).runs(unit, what, now);
            }
            RunEvent::UnitFinished { unit, verdict, took } => self.unit(unit, *verdict, *took, now),
            RunEvent::DatabaseFinished { database, took } => self.database(database, *took, now),
            RunEvent::ReplayedAgain { database, reason } => self.line(&format!(
                "database {}: replayed again from an empty state, with one job: {}",
                name(database),
                name(reason)
            )),
            RunEvent::CleaningUp => self.line("cleaning up"),
        }
    }

    /// Called regularly; writes the progress.
    pub(super) fn tick(&mut self, now: Instant) {
        self.databases.values_mut().for_each(|tally| tally.sample(now));
        if now.duration_since(self.said) < SAID_EVERY {
            return;
        }
        self.said = now;
        let far = |(database, tally): (&Arc<str>, &Tally)| {
            let pace = tally.pace(now).map_or_else(String::new, |pace| format!(", {pace}"));
            let mut line = format!("database {}: {}{pace}", name(database), tally.so_far());
            let longest = tally.running.iter().min_by_key(|(_, running)| running.since);
            if let Some((unit, running)) = longest
                && now.duration_since(running.since) >= LONG
            {
                let since = lasting(now.duration_since(running.since));
                line += &format!("; {} is at {} for {since}", unit_name(unit), name(&running.what));
            }
            line
        };
        let lines: Vec<String> = self.databases.iter().map(far).collect();
        lines.iter().for_each(|line| self.line(line));
    }

    fn tally(&mut self, unit: &UnitName, now: Instant) -> &mut Tally {
        let database = Arc::clone(&unit.database);
        self.databases.entry(database).or_insert_with(|| Tally::new(0, now))
    }

    fn unit(&mut self, unit: &UnitName, verdict: Verdict, took: Duration, now: Instant) {
        let task = self.task;
        let tally = self.tally(unit, now);
        tally.ends(unit, verdict);
        if verdict != Verdict::Failed {
            return;
        }
        let (failed, database) = (tally.failed, name(&unit.database));
        if task == Task::Upgrade || failed <= FAILED {
            self.line(&format!("{} failed, {}", described(unit, task), shown(took)));
        } else if failed == FAILED + 1 {
            self.line(&format!("database {database}: more failed, see the report"));
        }
    }

    fn database(&mut self, database: &Arc<str>, took: Duration, now: Instant) {
        let tally = self.databases.remove(database).unwrap_or_else(|| Tally::new(0, now));
        let passed = match self.task {
            Task::Verify => "passed",
            Task::Upgrade => "done",
        };
        let mut counts = vec![format!("{} {passed}", grouped(tally.passed))];
        if tally.failed > 0 {
            counts.push(format!("{} failed", grouped(tally.failed)));
        }
        if tally.not_run > 0 {
            counts.push(format!("{} not run", grouped(tally.not_run)));
        }
        let counts = counts.join(", ");
        self.line(&format!("database {}: {counts}, {}", name(database), shown(took)));
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.writer, "mig-ci: {text}");
    }
}

/// `database app: tenant acme`.
fn described(unit: &UnitName, task: Task) -> String {
    let database = name(&unit.database);
    match (unit.track, task) {
        // It starts from several states, and each is a unit.
        (TrackKind::Shared, Task::Verify) => {
            format!("database {database}: shared track from {}", name(&unit.name))
        }
        _ => format!("database {database}: {}", unit_name(unit)),
    }
}

/// `tenant acme`.
fn unit_name(unit: &UnitName) -> String {
    match unit.track {
        TrackKind::Tenant => format!("tenant {}", name(&unit.name)),
        TrackKind::Shared => "the shared track".to_owned(),
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
    use crate::ui::{Progress, ProgressMode, TICK, spawn};

    /// A writer whose contents the test can read.
    #[derive(Clone, Default)]
    struct LineBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for LineBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl LineBuffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn unit(track: TrackKind, name: &str) -> UnitName {
        UnitName { database: "app".into(), track, name: name.into() }
    }

    fn finished(name: &str, verdict: Verdict) -> RunEvent {
        let took = Duration::from_millis(12);
        RunEvent::UnitFinished { unit: unit(TrackKind::Tenant, name), verdict, took }
    }

    fn run(events: &[RunEvent], mode: ProgressMode) -> String {
        run_of(Task::Verify, events, mode)
    }

    fn run_of(task: Task, events: &[RunEvent], mode: ProgressMode) -> String {
        let writer = LineBuffer::default();
        let mut progress = Progress::new(mode, task, Box::new(writer.clone()));
        for event in events {
            progress.on_event(event, Instant::now());
        }
        progress.finish();
        writer.text()
    }

    fn a_run() -> Vec<RunEvent> {
        let acme = unit(TrackKind::Tenant, "acme");
        vec![
            RunEvent::ProviderStarting { description: "local binaries".into() },
            RunEvent::ServerReady {
                description: "local binaries".into(),
                version: "15.18".into(),
                took: Duration::from_millis(700),
            },
            RunEvent::DatabaseStarted { database: "app".into(), units: 4 },
            RunEvent::UnitFinished {
                unit: unit(TrackKind::Shared, "base"),
                verdict: Verdict::Passed,
                took: Duration::from_millis(8),
            },
            RunEvent::UnitStarted { unit: acme.clone(), phase: Phase::Prepare },
            RunEvent::StepStarted { unit: acme, migration: "7.sql".into() },
            finished("acme", Verdict::Failed),
            finished("globex", Verdict::Passed),
            finished("initech", Verdict::NotRun),
            RunEvent::DatabaseFinished {
                database: "app".into(),
                took: Duration::from_millis(1_500),
            },
            RunEvent::CleaningUp,
        ]
    }

    #[test]
    fn a_run_has_a_few_lines() {
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
    fn thousands_of_failed_tenants_have_limited_lines() {
        let mut events: Vec<_> =
            (0..5_000).map(|number| finished(&format!("t{number}"), Verdict::Failed)).collect();
        events.push(RunEvent::DatabaseFinished { database: "app".into(), took: Duration::ZERO });
        let text = run(&events, ProgressMode::Lines);
        assert_eq!(text.lines().count(), FAILED + 2);
        assert!(text.ends_with("mig-ci: database app: 0 passed, 5,000 failed, 0 ms\n"), "{text}");
        // Each failure on a real database needs attention.
        let text = run_of(Task::Upgrade, &events, ProgressMode::Lines);
        assert_eq!(text.lines().count(), 5_001);
        assert!(text.ends_with("mig-ci: database app: 0 done, 5,000 failed, 0 ms\n"), "{text}");
    }

    #[test]
    fn an_upgrade_has_its_own_wording() {
        let events = a_run().split_off(2);
        assert_eq!(
            run_of(Task::Upgrade, &events, ProgressMode::Lines),
            "mig-ci: database app: 4 targets\n\
             mig-ci: database app: tenant acme failed, 12 ms\n\
             mig-ci: database app: 2 done, 1 failed, 1 not run, 1.5 s\n\
             mig-ci: cleaning up\n"
        );
        let shared = unit(TrackKind::Shared, "app");
        let took = Duration::ZERO;
        let shared = RunEvent::UnitFinished { unit: shared, verdict: Verdict::Failed, took };
        let text = run_of(Task::Upgrade, &[shared], ProgressMode::Lines);
        assert_eq!(text, "mig-ci: database app: the shared track failed, 0 ms\n");
    }

    /// Every ten seconds a line shows the progress, the rate, and units that may be waiting.
    #[test]
    fn a_long_run_shows_its_progress() {
        let writer = LineBuffer::default();
        let started = Instant::now();
        let mut lines = Lines::new(Task::Upgrade, Box::new(writer.clone()), started);
        lines
            .on_event(&RunEvent::DatabaseStarted { database: "app".into(), units: 5_000 }, started);
        let stuck = unit(TrackKind::Tenant, "t9");
        let migration = "2_x.sql".into();
        lines.on_event(&RunEvent::StepStarted { unit: stuck, migration }, started);
        let mut number = 0;
        for second in 1..=24 {
            let now = started + second * TICK;
            for _ in 0..50 {
                number += 1;
                let name = format!("n{number}");
                let unit = unit(TrackKind::Tenant, &name);
                lines.on_event(&RunEvent::UnitStarted { unit, phase: Phase::Head }, now);
                let verdict = if number == 7 { Verdict::Failed } else { Verdict::Passed };
                lines.on_event(&finished(&name, verdict), now);
            }
            lines.tick(now);
        }
        assert_eq!(
            writer.text(),
            "mig-ci: database app: 5,000 targets\n\
             mig-ci: database app: tenant n7 failed, 12 ms\n\
             mig-ci: database app: 500 of 5,000 done, 1 failed, 50/s, about 90 s left; tenant t9 is at 2_x.sql for 10 s\n\
             mig-ci: database app: 1,000 of 5,000 done, 1 failed, 50/s, about 80 s left; tenant t9 is at 2_x.sql for 20 s\n"
        );
    }

    #[test]
    fn control_characters_in_names_stay_on_their_line() {
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
    async fn the_task_ends_when_all_senders_are_dropped() {
        let writer = LineBuffer::default();
        let progress = Progress::new(ProgressMode::Lines, Task::Verify, Box::new(writer.clone()));
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let task = spawn(progress, receiver);
        sender.send(RunEvent::CleaningUp).unwrap();
        drop(sender);
        task.await.unwrap();
        assert_eq!(writer.text(), "mig-ci: cleaning up\n");
    }

    #[test]
    fn a_closed_log_does_not_stop_a_run() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut progress = Progress::new(ProgressMode::Lines, Task::Verify, Box::new(Closed));
        for event in a_run() {
            progress.on_event(&event, Instant::now());
        }
        progress.finish();
        assert_eq!(format!("{progress:?}"), "Progress::Lines");
    }
}
