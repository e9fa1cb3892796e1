//! Workflow commands: lines of a step's output that the runner executes (docs.github.com, "Workflow commands for GitHub
//! Actions"; `src/Runner.Common/ActionCommand.cs` and `src/Runner.Worker/ActionCommandManager.cs` of actions/runner).
//!
//! The runner reads both stdout and stderr, so text from a database could contain a command. Text from outside of mig-ci is
//! printed between [`StoppedCommands::begin`] and [`StoppedCommands::end`].

use std::fmt::Write as _;

use crate::report::SourceAnnotation;
use crate::report::verify::v1::Severity;
use crate::secrets;

/// The maximum length of a message in characters, and the maximum number of annotations of one type in a step
/// (`ExecutionContext.cs`: `_maxIssueMessageLength`, `_maxIssueCountInJob`).
const MESSAGE: usize = 4_096;
const OF_ONE_TYPE: usize = 10;
/// The maximum length of a title in characters (docs.github.com, REST, check runs: `annotations[].title`).
const TITLE: usize = 255;

/// `Escape…` in `ActionCommand.cs`: first `%`, because the other escapes begin with it.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// `##[name]` is a command of an older kind, at any position in a line, and colours the log even while commands are stopped.
fn break_old_commands(text: &str) -> String {
    text.replace("##[", "##\u{ff3b}")
}

/// One command on one line.
fn command(name: &str, properties: &[(&str, String)], data: &str) -> String {
    let mut line = format!("::{name}");
    for (index, (key, value)) in properties.iter().enumerate() {
        let separator = if index == 0 { ' ' } else { ',' };
        let _ = write!(line, "{separator}{key}={}", escape_property(&break_old_commands(value)));
    }
    let _ = writeln!(line, "::{}", escape_data(&break_old_commands(data)));
    line
}

/// A notice for the run's page that belongs to no file.
pub(crate) fn notice(title: &str, message: &str) -> String {
    at_run("notice", title, message)
}

/// A warning for a failure that does not affect the verdict.
pub(crate) fn warning(title: &str, message: &str) -> String {
    at_run("warning", title, message)
}

/// An error message for the run's page.
pub(crate) fn error(title: &str, message: &str) -> String {
    at_run("error", title, message)
}

fn at_run(name: &str, title: &str, message: &str) -> String {
    command(name, &[("title", clip(title, TITLE))], &clip(message, MESSAGE))
}

/// The first annotations of each type as commands. The last one states how many were omitted.
pub(crate) fn annotations(all: &[SourceAnnotation]) -> String {
    [Severity::Error, Severity::Warning, Severity::Info]
        .into_iter()
        .map(|severity| {
            let of_type: Vec<_> = all.iter().filter(|each| each.severity == severity).collect();
            let shown = if of_type.len() > OF_ONE_TYPE { OF_ONE_TYPE - 1 } else { of_type.len() };
            let mut lines: String = of_type[..shown].iter().map(|each| annotation(each)).collect();
            if of_type.len() > shown {
                let more = format!("{} more: see the job summary", of_type.len() - shown);
                lines.push_str(&at_run(name_of(severity), "mig-ci", &more));
            }
            lines
        })
        .collect()
}

fn annotation(annotation: &SourceAnnotation) -> String {
    let mut properties = Vec::new();
    if let Some(place) = &annotation.place {
        properties.push(("file", place.path.clone()));
        properties.push(("line", place.line.to_string()));
        if let Some(column) = place.column {
            properties.push(("col", column.to_string()));
        }
    }
    properties.push(("title", clip(&annotation.title, TITLE)));
    command(name_of(annotation.severity), &properties, &clip(&annotation.message, MESSAGE))
}

fn name_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

/// Cuts a text to `limit` UTF-16 code units, as the runner counts, and states that it was cut.
fn clip(text: &str, limit: usize) -> String {
    const MARK: &str = " […]";
    let text = &*secrets::mask(text);
    let units = |text: &str| text.encode_utf16().count();
    if units(text) <= limit {
        return text.to_owned();
    }
    let room = limit - units(MARK);
    let mut used = 0;
    let kept = text.chars().take_while(|char| {
        used += char.len_utf16();
        used <= room
    });
    kept.collect::<String>() + MARK
}

/// Makes the runner mask a secret in everything that it logs from now on. A secret with several lines is masked line by line,
/// because logs are.
pub(crate) fn add_mask(secret: &str) -> String {
    // A mask of one character would make the whole log unreadable.
    let lines = secret.lines().map(str::trim).filter(|line| line.chars().count() > 1);
    lines.map(|line| command("add-mask", &[], line)).collect()
}

/// The lines around a folded part of the log.
pub(crate) fn group(title: &str) -> String {
    command("group", &[], title)
}

pub(crate) const END_GROUP: &str = "::endgroup::\n";

/// A part of the log in which the runner executes no commands.
#[derive(Debug)]
pub(crate) struct StoppedCommands {
    token: String,
}

impl StoppedCommands {
    /// With an unpredictable token.
    pub(crate) fn new() -> Self {
        Self { token: uuid::Uuid::new_v4().simple().to_string() }
    }

    pub(crate) fn begin(&self) -> String {
        command("stop-commands", &[], &self.token)
    }

    /// On a separate line, with any preceding text.
    pub(crate) fn end(&self) -> String {
        format!("\n::{}::\n", self.token)
    }

    /// Text from outside of mig-ci, for such a part.
    pub(crate) fn text(text: &str) -> String {
        break_old_commands(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verify::annotations::AnnotationPlace;

    fn an_annotation(severity: Severity, message: &str) -> SourceAnnotation {
        SourceAnnotation {
            severity,
            place: Some(AnnotationPlace {
                path: "migrations/a,b:c.sql".into(),
                line: 7,
                column: Some(3),
            }),
            title: "migration-failed, 2 tenants: 100%".into(),
            message: message.into(),
        }
    }

    /// Parses a line as the runner does: `ActionCommand.TryParseV2`.
    fn parse(line: &str) -> (String, Vec<(String, String)>, String) {
        let rest = line.trim_start().strip_prefix("::").unwrap();
        let (head, data) = rest.split_once("::").unwrap();
        let unescape = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n");
        let unescape_property = |text: &str| unescape(text).replace("%3A", ":").replace("%2C", ",");
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let properties = properties.split(',').filter_map(|pair| pair.split_once('='));
        let properties = properties
            .map(|(key, value)| (key.to_owned(), unescape_property(value).replace("%25", "%")));
        (name.to_owned(), properties.collect(), unescape(data).replace("%25", "%"))
    }

    #[test]
    fn an_annotation_round_trips_as_one_line() {
        let message = "null in \"currency\"\r\n::set-output name=x::y\n100%0A, really";
        let line = annotations(&[an_annotation(Severity::Error, message)]);
        insta::assert_snapshot!(line, @r#"::error file=migrations/a%2Cb%3Ac.sql,line=7,col=3,title=migration-failed%2C 2 tenants%3A 100%25::null in "currency"%0D%0A::set-output name=x::y%0A100%250A, really"#);
        assert_eq!(line.matches('\n').count(), 1);
        let (name, properties, data) = parse(line.trim_end());
        assert_eq!(name, "error");
        assert_eq!(properties[0], ("file".into(), "migrations/a,b:c.sql".into()));
        assert_eq!(properties[3].1, "migration-failed, 2 tenants: 100%");
        assert_eq!(data, message);
    }

    #[test]
    fn old_commands_are_broken_everywhere() {
        let line = notice("##[error]x", "a ##[add-mask]b");
        assert!(!line.contains("##["), "{line}");
        assert!(!StoppedCommands::text("x ##[group]y").contains("##["));
    }

    #[test]
    fn a_type_has_ten_annotations_and_the_last_counts_the_rest() {
        let of = |severity, number: usize| {
            (0..number).map(move |n| an_annotation(severity, &format!("message {n}")))
        };
        let ten: Vec<_> = of(Severity::Warning, 10).collect();
        let lines = annotations(&ten);
        assert_eq!(lines.matches("::warning file").count(), 10);

        let many =
            of(Severity::Info, 2).chain(of(Severity::Error, 500)).chain(of(Severity::Warning, 11));
        let lines = annotations(&many.collect::<Vec<_>>());
        assert_eq!(lines.matches("::error ").count(), 10);
        assert_eq!(lines.matches("::warning ").count(), 10);
        assert_eq!(lines.matches("::notice ").count(), 2);
        assert!(lines.contains("::error title=mig-ci::491 more: see the job summary\n"));
        assert!(lines.contains("::warning title=mig-ci::2 more: see the job summary\n"));
        assert!(lines.find("::error").unwrap() < lines.find("::warning").unwrap());
    }

    #[test]
    fn messages_are_cut_to_the_runners_limit() {
        for text in ["x".repeat(1 << 20), "🐘".repeat(5_000), "é".repeat(4_097)] {
            let (_, _, data) = parse(&error("mig-ci", &text));
            let data = data.trim_end();
            let units = data.encode_utf16().count();
            assert!((4_090..=4_096).contains(&units), "{units}");
            assert!(data.ends_with(" […]"));
        }
        let (_, _, data) = parse(&error("mig-ci", &"x".repeat(4_096)));
        assert_eq!(data.trim_end(), "x".repeat(4_096));
    }

    #[test]
    fn a_secret_is_masked_line_by_line() {
        assert_eq!(add_mask("one%\n\n  two\r\nx"), "::add-mask::one%25\n::add-mask::two\n");
        assert_eq!(add_mask(""), "");
    }

    #[test]
    fn stopped_parts_end_with_an_unpredictable_token() {
        let stopped = StoppedCommands::new();
        let begin = stopped.begin();
        let token = begin.trim_end().strip_prefix("::stop-commands::").unwrap();
        assert_eq!(token.len(), 32);
        assert_eq!(stopped.end(), format!("\n::{token}::\n"));
        assert_ne!(StoppedCommands::new().begin(), begin);
    }

    #[test]
    fn a_group_is_closed() {
        assert_eq!(group("what\nwas"), "::group::what%0Awas\n");
        assert_eq!(END_GROUP, "::endgroup::\n");
    }
}
