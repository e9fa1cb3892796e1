//! The last step before text is written to a stream: known secrets are masked, and in a job log only mig-ci's own commands are
//! commands of the runner.
//!
//! The runner reads stdout and stderr line by line, where `\r` also ends a line. `::name::` is a command at the start of a
//! line, after blanks; `##[name]` is one at any position (`ActionCommand.TryParse`, `TryParseV2` of actions/runner).

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::sys::stat::{SFlag, fstat};

use crate::config::process_environment;
use crate::secrets;

/// Whether the stream is written to a job log: a file that a step writes to is not one.
pub(crate) fn is_job_log(stream: impl AsFd) -> bool {
    let is_job = process_environment("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let is_file = || {
        fstat(stream).is_ok_and(|there| {
            SFlag::from_bits_truncate(there.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
        })
    };
    is_job && !is_file()
}

/// Text without known secrets, and without commands if it is written to a job log.
pub(crate) fn harmless(text: &str, is_job_log: bool) -> String {
    let masked = secrets::mask(text);
    if is_job_log { without_commands(&masked) } else { masked.into_owned() }
}

/// SQL for the user to execute. It is unchanged, unless it is written to a job log.
pub(crate) fn runnable(sql: &str, is_job_log: bool) -> Cow<'_, str> {
    if is_job_log { harmless(sql, true).into() } else { sql.into() }
}

/// In JSON and in XML, with an equivalent escape; elsewhere with characters that look the same.
fn without_commands(text: &str) -> String {
    let bracket = match text.trim_start().chars().next() {
        Some('{' | '[') => "\\u005b",
        Some('<') => "&#91;",
        _ => "\u{ff3b}",
    };
    let mut out = String::with_capacity(text.len());
    // Only blanks so far on this line.
    let mut at_line_start = true;
    let mut hashes = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '[' if hashes >= 2 => out.push_str(bracket),
            ':' if at_line_start && chars.peek() == Some(&':') => out.push('\u{ff1a}'),
            _ => out.push(c),
        }
        hashes = if c == '#' { hashes + 1 } else { 0 };
        let is_blank = c.is_whitespace() || c == '\u{feff}';
        at_line_start = matches!(c, '\n' | '\r') || (at_line_start && is_blank);
    }
    out
}

/// Standard error, for progress and diagnostics.
pub(crate) fn harmless_stderr() -> HarmlessWriter<io::Stderr> {
    HarmlessWriter::new(io::stderr(), is_job_log(io::stderr()))
}

/// A writer for text from outside of mig-ci, line by line.
pub(crate) struct HarmlessWriter<W: Write> {
    inner: W,
    is_job_log: bool,
    line: Vec<u8>,
}

impl<W: Write> HarmlessWriter<W> {
    pub(crate) fn new(inner: W, is_job_log: bool) -> Self {
        Self { inner, is_job_log, line: Vec::new() }
    }

    fn send(&mut self, length: usize) -> io::Result<()> {
        let rest = self.line.split_off(length);
        let lines = std::mem::replace(&mut self.line, rest);
        let text = harmless(&String::from_utf8_lossy(&lines), self.is_job_log);
        self.inner.write_all(text.as_bytes())
    }
}

impl<W: Write> Write for HarmlessWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            self.send(end + 1)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for HarmlessWriter<W> {
    fn drop(&mut self) {
        let length = self.line.len();
        // An error cannot be reported any more.
        let _ = self.send(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the runner would find a command: see the file's head.
    fn has_command(text: &str) -> bool {
        let mut lines = text.split(['\n', '\r']);
        lines.any(|line| line.contains("##[") || line.trim_start().starts_with("::"))
    }

    #[test]
    fn no_line_contains_a_command() {
        let texts = [
            "::error::x",
            "a\n  ::error::x",
            "a\r::error::x",
            "a\r\n\t::set-output name=x::y",
            "x ##[error]y",
            "###[error]y",
            "\u{a0}\u{2003}::error::x",
            "-- mig-ci\nSELECT '##[group]';\n::endgroup::\n",
        ];
        for text in texts {
            assert!(has_command(text) && !has_command(&without_commands(text)), "{text:?}");
        }
        for text in ["SELECT 1::int, '::x';\n", "#[derive]", "a :: b", "x::y"] {
            assert_eq!(without_commands(text), text);
        }
    }

    #[test]
    fn json_and_xml_keep_their_meaning() {
        let json = serde_json::json!({"a": ["##[error]x", "::y::"]});
        for text in [json.to_string(), format!("{json:#}\n")] {
            let harmless = without_commands(&text);
            assert!(!has_command(&harmless), "{harmless}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&harmless).unwrap(), json);
        }
        assert_eq!(without_commands("<a b='##[x]'/>"), "<a b='##&#91;x]'/>");
    }

    #[test]
    fn lines_are_written_completely() {
        crate::secrets::learn("planted-in-the-edge-test-1");
        let mut out = Vec::new();
        let mut writer = HarmlessWriter::new(&mut out, true);
        for part in
            ["mig-ci: ", "planted-in-the-", "edge-test-1 #", "#[error]x", "\n:", ":notice::y"]
        {
            writer.write_all(part.as_bytes()).unwrap();
        }
        drop(writer);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "mig-ci: *** ##\u{ff3b}error]x\n\u{ff1a}:notice::y");
    }
}
