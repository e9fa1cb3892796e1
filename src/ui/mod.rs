//! Progress: what replay tells while it works, for those who wait. Bars on a terminal, plain lines elsewhere, or nothing.
//!
//! It goes to stderr alone: stdout belongs to the report. Names come from files and databases, and stderr may be a job's log
//! that takes commands, so names are shown without control characters and never at the start of a line.

mod bars;
mod lines;

use std::fmt;
use std::io;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::model::Event;

use bars::Bars;
use lines::Lines;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum ProgressMode {
    /// A bar for each database, and what runs now. For terminals; indicatif draws on stderr.
    Bars,
    /// A line for each thing worth a line.
    Lines,
    /// Nothing at all.
    Quiet,
}

/// The sink of a run's events.
pub(crate) enum Progress {
    Bars(Bars),
    Lines(Lines),
    Quiet,
}

impl Progress {
    /// `writer` takes the plain lines; bars draw on stderr themselves.
    pub(crate) fn new(mode: ProgressMode, writer: Box<dyn io::Write + Send>) -> Self {
        match mode {
            ProgressMode::Bars => Self::Bars(Bars::new()),
            ProgressMode::Lines => Self::Lines(Lines::new(writer)),
            ProgressMode::Quiet => Self::Quiet,
        }
    }

    /// Takes in what has happened. Never fails: a closed stderr is no reason to stop a replay.
    pub(crate) fn on_event(&mut self, event: &Event) {
        match self {
            Self::Bars(bars) => bars.on_event(event),
            Self::Lines(lines) => lines.on_event(event),
            Self::Quiet => {}
        }
    }

    /// Clears the screen of everything that was only for the time of waiting.
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
            Self::Quiet => "Progress::Quiet",
        })
    }
}

/// Shows events until their senders are gone. Await the handle before the report is written: then the screen is clear.
pub(crate) fn spawn(
    mut progress: Progress,
    mut events: UnboundedReceiver<Event>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            progress.on_event(&event);
        }
        progress.finish();
    })
}

/// A name as it can be shown: control characters, which could be a terminal's commands, as the replacement character.
fn name(name: &str) -> String {
    name.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
