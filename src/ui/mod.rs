//! The progress of a run: bars on a terminal, plain lines elsewhere, JSON for log collectors, or nothing.
//!
//! It is written to stderr only: stdout is for the report. Names come from files and databases, and stderr may be a job log
//! that interprets commands, so names are shown without control characters and never at the start of a line.

mod bars;
mod json;
mod lines;
mod tally;

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::model::RunEvent;

use bars::Bars;
use json::Json;
use lines::Lines;

pub(crate) use json::line;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum ProgressMode {
    /// A bar for each database with its running units. For terminals; indicatif draws on stderr.
    Bars,
    /// A line for each important event.
    Lines,
    /// An object for each event.
    Json,
    /// No output.
    Quiet,
}

/// The kind of run; it determines the wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Migrations are tested: units pass or fail.
    Verify,
    /// Real databases are changed: units are done or have failed.
    Upgrade,
}

/// The sink of a run's events.
pub(crate) enum Progress {
    Bars(Bars),
    Lines(Lines),
    Json(Json),
    Quiet,
}

/// The interval at which counts and times are updated.
const TICK: Duration = Duration::from_secs(1);

impl Progress {
    /// `writer` receives lines; bars draw on stderr themselves.
    pub(crate) fn new(mode: ProgressMode, task: Task, writer: Box<dyn io::Write + Send>) -> Self {
        let now = Instant::now();
        match mode {
            ProgressMode::Bars => Self::Bars(Bars::new()),
            ProgressMode::Lines => Self::Lines(Lines::new(task, writer, now)),
            ProgressMode::Json => Self::Json(Json::new(writer, now)),
            ProgressMode::Quiet => Self::Quiet,
        }
    }

    /// Handles an event. Never fails: a closed stderr is no reason to stop a run.
    pub(crate) fn on_event(&mut self, event: &RunEvent, now: Instant) {
        match self {
            Self::Bars(bars) => bars.on_event(event, now),
            Self::Lines(lines) => lines.on_event(event, now),
            Self::Json(json) => json.on_event(event, now),
            Self::Quiet => {}
        }
    }

    /// Called regularly, without an event.
    pub(crate) fn tick(&mut self, now: Instant) {
        match self {
            Self::Bars(bars) => bars.tick(now),
            Self::Lines(lines) => lines.tick(now),
            Self::Json(json) => json.tick(now),
            Self::Quiet => {}
        }
    }

    /// Removes temporary output from the screen.
    pub(crate) fn finish(&mut self) {
        if let Self::Bars(bars) = self {
            bars.clear();
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bars(_) => "Progress::Bars",
            Self::Lines(_) => "Progress::Lines",
            Self::Json(_) => "Progress::Json",
            Self::Quiet => "Progress::Quiet",
        })
    }
}

/// Shows events until all senders are dropped. Await the handle before writing the report: then the screen is clear.
pub(crate) fn spawn(
    mut progress: Progress,
    mut events: UnboundedReceiver<RunEvent>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => progress.on_event(&event, Instant::now()),
                    None => break,
                },
                _ = clock.tick() => progress.tick(Instant::now()),
            }
        }
        progress.finish();
    })
}

/// A displayable name: control characters, which could be terminal commands, are replaced by the replacement character.
fn name(name: &str) -> String {
    name.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
