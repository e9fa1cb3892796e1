//! Progress for log collectors: one object per line. `docs/progress.md` describes the fields.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::tally::Tally;
use crate::model::{RunEvent, TrackKind, UnitName, Verdict};

/// The interval between two lines with the counts of a database.
const COUNTED_EVERY: Duration = Duration::from_secs(10);

/// Writes to `writer` and ignores errors: a closed log is no reason to stop a run.
pub(crate) struct Json {
    writer: Box<dyn Write + Send>,
    databases: BTreeMap<Arc<str>, Tally>,
    counted: Instant,
}

/// One line. Fields that do not apply to an event are omitted.
#[derive(Debug, Default, Serialize)]
struct JsonLine<'a> {
    timestamp: String,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_run: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl Json {
    pub(super) fn new(writer: Box<dyn Write + Send>, now: Instant) -> Self {
        Self { writer, databases: BTreeMap::new(), counted: now }
    }

    pub(super) fn on_event(&mut self, event: &RunEvent, now: Instant) {
        match event {
            RunEvent::ProviderStarting { description } => {
                self.line(JsonLine { message: Some(description), ..named("provider-starting") });
            }
            RunEvent::ServerReady { description, version, took } => {
                let message = format!("PostgreSQL {version} ({description})");
                let message = Some(message.as_str());
                self.line(JsonLine { message, duration_ms: ms(*took), ..named("server-ready") });
            }
            RunEvent::DatabaseStarted { database, units } => {
                self.databases.insert(Arc::clone(database), Tally::new(*units, now));
                let (database, units) = (Some(&**database), Some(*units));
                self.line(JsonLine { database, units, ..named("database-started") });
            }
            RunEvent::UnitStarted { unit, phase } => {
                let phase = Some(phase.to_string());
                self.line(JsonLine { phase, ..with_unit("unit-started", unit) });
            }
            RunEvent::StepStarted { unit, migration } => {
                let migration = Some(&**migration);
                self.line(JsonLine { migration, ..with_unit("migration-started", unit) });
            }
            RunEvent::UnitFinished { unit, verdict, took } => self.unit(unit, *verdict, *took),
            RunEvent::DatabaseFinished { database, took } => {
                let tally = self.databases.remove(database);
                let tally = tally.unwrap_or_else(|| Tally::new(0, now));
                let counted = counted("database-finished", database, &tally);
                self.line(JsonLine { duration_ms: ms(*took), ..counted });
            }
            RunEvent::ReplayedAgain { database, reason } => {
                let (database, message) = (Some(&**database), Some(reason.as_str()));
                self.line(JsonLine { database, message, ..named("database-replayed-again") });
            }
            RunEvent::CleaningUp => self.line(named("cleaning-up")),
        }
    }

    /// Called regularly.
    pub(super) fn tick(&mut self, now: Instant) {
        if now.duration_since(self.counted) < COUNTED_EVERY {
            return;
        }
        self.counted = now;
        let databases = std::mem::take(&mut self.databases);
        for (database, tally) in &databases {
            self.line(counted("progress", database, tally));
        }
        self.databases = databases;
    }

    fn unit(&mut self, unit: &UnitName, verdict: Verdict, took: Duration) {
        if let Some(tally) = self.databases.get_mut(&unit.database) {
            tally.ends(unit, verdict);
        }
        let verdict = Some(verdict.to_string());
        self.line(JsonLine { verdict, duration_ms: ms(took), ..with_unit("unit-finished", unit) });
    }

    fn line(&mut self, line: JsonLine<'_>) {
        let timestamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        if let Ok(text) = serde_json::to_string(&JsonLine { timestamp, ..line }) {
            let _ = writeln!(self.writer, "{text}");
        }
    }
}

/// A line that is not an event of the run: an `error`, or a `note`.
pub(crate) fn line(event: &str, message: &str) -> String {
    let timestamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let line = JsonLine { timestamp, message: Some(message), ..named(event) };
    serde_json::to_string(&line).map_or_else(|_| String::new(), |text| text + "\n")
}

fn named(event: &str) -> JsonLine<'_> {
    JsonLine { event, ..JsonLine::default() }
}

fn with_unit<'a>(event: &'a str, unit: &'a UnitName) -> JsonLine<'a> {
    let name = Some(&*unit.name);
    let is_tenant = unit.track == TrackKind::Tenant;
    JsonLine {
        database: Some(&unit.database),
        track: Some(unit.track.to_string()),
        tenant: name.filter(|_| is_tenant),
        // A shared track of an upgrade has the database's name.
        start: name.filter(|name| !is_tenant && **name != *unit.database),
        ..named(event)
    }
}

fn counted<'a>(event: &'a str, database: &'a str, tally: &Tally) -> JsonLine<'a> {
    JsonLine {
        database: Some(database),
        done: Some(tally.done()),
        failed: Some(tally.failed),
        not_run: Some(tally.not_run),
        units: Some(tally.units()),
        ..named(event)
    }
}

fn ms(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::Value;

    use super::*;
    use crate::model::Phase;

    #[derive(Clone, Default)]
    struct JsonBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for JsonBuffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// All kinds of events, and regular ticks.
    fn lines() -> Vec<Value> {
        let (writer, origin) = (JsonBuffer::default(), Instant::now());
        let mut json = Json::new(Box::new(writer.clone()), origin);
        let unit =
            |track, name: &str| UnitName { database: "app".into(), track, name: name.into() };
        let acme = unit(TrackKind::Tenant, "ac\nme");
        let took = Duration::from_millis(12);
        let description = "local binaries".to_owned();
        for event in [
            RunEvent::ProviderStarting { description: description.clone() },
            RunEvent::ServerReady { description, version: "15.18".into(), took },
            RunEvent::DatabaseStarted { database: "app".into(), units: 3 },
            RunEvent::UnitStarted { unit: acme.clone(), phase: Phase::Head },
            RunEvent::StepStarted { unit: acme.clone(), migration: "7.sql".into() },
            RunEvent::UnitFinished { unit: acme, verdict: Verdict::Failed, took },
            RunEvent::UnitFinished {
                unit: unit(TrackKind::Shared, "base"),
                verdict: Verdict::NotRun,
                took,
            },
            RunEvent::UnitFinished {
                unit: unit(TrackKind::Shared, "app"),
                verdict: Verdict::Passed,
                took,
            },
        ] {
            json.on_event(&event, origin);
        }
        json.tick(origin + Duration::from_secs(9));
        json.tick(origin + COUNTED_EVERY);
        let end = RunEvent::DatabaseFinished { database: "app".into(), took };
        json.on_event(&end, origin);
        json.on_event(&RunEvent::CleaningUp, origin);
        let text = String::from_utf8(writer.0.lock().unwrap().clone()).unwrap();
        let text = text + &line("error", "no") + &line("note", "so");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn without_time(line: &Value) -> String {
        let mut line = line.clone();
        line.as_object_mut().unwrap().remove("timestamp");
        line.to_string()
    }

    #[test]
    fn each_event_is_an_object_on_a_line() {
        let lines = lines();
        let of =
            |number: usize| serde_json::from_str::<Value>(&without_time(&lines[number])).unwrap();
        assert_eq!(
            of(5),
            serde_json::json!({
                "event": "unit-finished", "database": "app", "track": "tenant", "tenant": "ac\nme",
                "verdict": "failed", "duration_ms": 12
            })
        );
        assert_eq!(of(4)["migration"], "7.sql");
        assert_eq!((&of(6)["start"], of(6).get("tenant")), (&"base".into(), None));
        assert_eq!(of(7).get("start"), None, "an upgrade's shared track begins where it is");
        assert_eq!(
            of(8),
            serde_json::json!({
                "event": "progress", "database": "app", "units": 3, "done": 3, "failed": 1,
                "not_run": 1
            })
        );
        assert_eq!(of(11), serde_json::json!({"event": "error", "message": "no"}));
        for line in &lines {
            let time = line["timestamp"].as_str().unwrap();
            assert!(humantime::parse_rfc3339(time).is_ok() && time.len() == 24, "{time}");
        }
    }

    #[test]
    fn the_page_has_all_events_and_all_fields() {
        let page = include_str!("../../docs/progress.md");
        for line in lines() {
            let event = line["event"].as_str().unwrap();
            let row = page.lines().find(|row| row.starts_with(&format!("| `{event}` |")));
            let row = row.unwrap_or_else(|| panic!("{event}"));
            for field in line.as_object().unwrap().keys() {
                assert!(page.contains(&format!("\n| `{field}` |")), "{field}");
                let is_common = ["event", "timestamp"].contains(&field.as_str());
                assert!(is_common || row.contains(&format!("`{field}`")), "{event}: {field}");
            }
        }
    }
}
