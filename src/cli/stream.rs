//! Standard output and standard error, each with its own colour setting. No other file of the program writes to them.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _, Write as _};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use super::args::{ColorWhen, LogFormat};
use super::edge;
use super::error::CommandError;
use crate::project::ProjectError;
use crate::report::visible;
use crate::secrets;
use crate::ui::{self, ProgressMode};

/// The two streams of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    out_colour: bool,
    err_colour: bool,
    /// The format for log collectors on stderr.
    log: LogFormat,
}

impl Streams {
    pub(crate) fn new(when: ColorWhen, log: LogFormat) -> Self {
        let wanted = |automatic: anstream::ColorChoice| match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            // It reads NO_COLOR, CLICOLOR, TERM=dumb and CI.
            ColorWhen::Auto => automatic != anstream::ColorChoice::Never,
        };
        Self {
            out_colour: wanted(AutoStream::choice(&io::stdout())),
            err_colour: log == LogFormat::Text && wanted(AutoStream::choice(&io::stderr())),
            log,
        }
    }

    /// Whether output on stdout may contain colours.
    pub(crate) fn out_colour(self) -> bool {
        self.out_colour
    }

    /// The form of progress on stderr.
    pub(crate) fn progress(self, quiet: bool) -> ProgressMode {
        let redraws = || redraws(io::stderr().is_terminal(), std::env::var("TERM").ok().as_deref());
        match self.log {
            _ if quiet => ProgressMode::Quiet,
            LogFormat::Json => ProgressMode::Json,
            LogFormat::Text if redraws() => ProgressMode::Bars,
            LogFormat::Text => ProgressMode::Lines,
        }
    }

    /// Whether output on stderr may contain colours.
    pub(crate) fn err_colour(self) -> bool {
        self.err_colour
    }

    /// The columns of the terminal on stdout; without a terminal, a width for logs.
    pub(crate) fn out_width(self) -> usize {
        const OF_A_LOG: usize = 100;
        if !io::stdout().is_terminal() {
            return OF_A_LOG;
        }
        terminal_size::terminal_size().map_or(OF_A_LOG, |(width, _)| usize::from(width.0).max(60))
    }

    /// Writes to stdout unchanged. A closed reader (`| head`) is not an error.
    pub(crate) fn print(self, text: &str) -> Result<(), CommandError> {
        let text = edge::harmless(text, edge::is_job_log(io::stdout()));
        Self::write(&text)
    }

    /// Writes mig-ci's own commands for the runner; text from outside in them is already escaped.
    pub(crate) fn print_commands(self, text: &str) -> Result<(), CommandError> {
        Self::write(&secrets::mask(text))
    }

    /// Writes a command that contains a secret for the runner, which does not display it.
    pub(crate) fn print_masks(self, text: &str) -> Result<(), CommandError> {
        Self::write(text)
    }

    fn write(text: &str) -> Result<(), CommandError> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CommandError::Output { path: "stdout".into(), reason: error.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Writes one error line to stderr.
    pub(crate) fn complain(self, text: &str) {
        // If stderr is closed, this cannot be reported.
        Self::say(&self.complaint(text));
    }

    fn complaint(self, text: &str) -> String {
        if self.log == LogFormat::Json {
            return ui::line("error", text);
        }
        let style = if self.err_colour { AnsiColor::Red.on_default().bold() } else { Style::new() };
        format!("{style}error{style:#}: {}\n", visible(text))
    }

    /// Writes one line to stderr.
    pub(crate) fn remark(self, text: &str) {
        let line = match self.log {
            LogFormat::Text => format!("{}\n", visible(text)),
            LogFormat::Json => ui::line("note", text),
        };
        Self::say(&line);
    }

    fn say(text: &str) {
        let text = edge::harmless(text, edge::is_job_log(io::stderr()));
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Writes an error with all details and advice to stderr.
    pub(crate) fn explain(self, error: &CommandError) {
        Self::say(&self.explanation(error));
    }

    /// The same as text.
    pub(crate) fn explanation(self, error: &CommandError) -> String {
        if self.log == LogFormat::Json {
            let text = plain_explanation(error);
            // The object already contains the kind of event.
            return ui::line("error", text.trim_start_matches("error: ").trim_end());
        }
        match error {
            // They have their own excerpts and help.
            CommandError::Project(ProjectError::Config(errors)) => errors.render(self.err_colour),
            other => {
                let helps = super::help::of(other);
                let helps =
                    helps.iter().map(|line| format!("{}\n", visible(line))).collect::<String>();
                self.complaint(&other.to_string()) + &helps
            }
        }
    }
}

/// Help and the version are written to stdout; a usage error, which quotes the command line, to stderr.
pub(crate) fn print_usage(error: &clap::Error) {
    let streams = Streams::new(ColorWhen::Auto, LogFormat::Text);
    let is_error = error.use_stderr();
    let text = error.render();
    let colour = if is_error { streams.err_colour } else { streams.out_colour };
    let text = if colour { text.ansi().to_string() } else { text.to_string() };
    if is_error {
        Streams::say(&text);
    } else {
        // A closed reader is not an error, and another error cannot be reported.
        let _ = streams.print(&text);
    }
}

/// From now on the message of a panic, which may quote any text, is written like all other text on stderr.
pub(crate) fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let trace = Backtrace::capture();
        let trace = match trace.status() {
            BacktraceStatus::Captured => format!("{trace}"),
            _ => "set RUST_BACKTRACE=1 for a backtrace\n".to_owned(),
        };
        Streams::say(&format!("thread '{}': {panic}\n{trace}", thread.name().unwrap_or("unnamed")));
    }));
}

/// An error without colours, for output that is not a terminal.
pub(crate) fn plain_explanation(error: &CommandError) -> String {
    Streams { out_colour: false, err_colour: false, log: LogFormat::Text }.explanation(error)
}

/// A dumb terminal (an editor's shell, a job log behind a pseudo-terminal) supports only lines.
fn redraws(is_terminal: bool, term: Option<&str>) -> bool {
    is_terminal && term != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_gets_lines() {
        assert!(redraws(true, Some("xterm")));
        assert!(redraws(true, None));
        assert!(!redraws(true, Some("dumb")));
        assert!(!redraws(false, Some("xterm")));
    }
}
