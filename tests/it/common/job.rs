//! A GitHub job as a step sees it, and the runner's part: reading a step's log and files.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use tempfile::TempDir;

use super::github::{Fake, TOKEN};
use super::{Command, Outcome, Project, postgres};

/// The files that a runner creates for a step, and the payload of its event.
#[derive(Debug)]
pub(crate) struct Job {
    folder: TempDir,
    event: String,
}

/// A finished step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) log: Vec<Line>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) state: BTreeMap<String, String>,
    pub(crate) summary: String,
    pub(crate) stderr: String,
}

/// A line of a step's log as the runner parses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Text(String),
    Command { name: String, properties: BTreeMap<String, String>, data: String },
}

/// The head of the pull request in the payloads.
pub(crate) const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

impl Job {
    /// Triggered by an event of GitHub's examples, as in `pull_request.opened.json`.
    pub(crate) fn of_event(file: &str) -> Self {
        let payload = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/github/events")
            .join(file);
        Self::of_payload(file.split('.').next().unwrap(), &fs::read_to_string(payload).unwrap())
    }

    pub(crate) fn of_payload(event: &str, payload: &str) -> Self {
        let job = Self { folder: tempfile::tempdir().unwrap(), event: event.to_owned() };
        fs::write(job.path("event.json"), payload).unwrap();
        for file in ["output", "state", "summary"] {
            fs::write(job.path(file), "").unwrap();
        }
        fs::create_dir(job.path("temp")).unwrap();
        job
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    /// The step, on the server that all tests share.
    pub(crate) fn step(&self, project: &Project) -> Command {
        self.command(project, ["action"])
            .env("INPUT_PROVIDER", "url")
            .env("MIG_CI_POSTGRES_URL", postgres().url("postgres"))
    }

    /// The program with the environment of the step.
    pub(crate) fn command<const N: usize>(&self, project: &Project, args: [&str; N]) -> Command {
        project
            .mig_ci(args)
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", &self.event)
            .env("GITHUB_EVENT_PATH", self.path("event.json"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_REPOSITORY", "acme/shop")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_RUN_ID", "9876543210")
            .env("GITHUB_SHA", checked_out(project))
            .env("GITHUB_STATE", self.path("state"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .env("GITHUB_WORKSPACE", project.path())
            .env("RUNNER_TEMP", self.path("temp"))
    }

    /// With a token for the fake GitHub, and that job's repository.
    pub(crate) fn step_at(&self, fake: &Fake, project: &Project) -> Command {
        at(fake, self.step(project)).env("INPUT_GITHUB-TOKEN", TOKEN)
    }

    /// Reads the results of a step.
    pub(crate) fn read(&self, ended: &Outcome) -> Step {
        Step::read(ended, |name| fs::read_to_string(self.path(name)).unwrap())
    }
}

impl Step {
    /// `file` returns the content of the runner's file `output`, `state` or `summary`.
    pub(crate) fn read(ended: &Outcome, file: impl Fn(&str) -> String) -> Self {
        Self {
            log: log(&ended.stdout),
            outputs: values(&file("output")),
            state: values(&file("state")),
            summary: file("summary"),
            stderr: ended.stderr.clone(),
        }
    }

    /// The data of all commands of a name.
    pub(crate) fn commands(&self, wanted: &str) -> Vec<&str> {
        let commands = self.log.iter().filter_map(Line::command);
        commands.filter(|(name, _)| *name == wanted).map(|(_, data)| data).collect()
    }

    pub(crate) fn command_names(&self) -> Vec<&str> {
        self.log.iter().filter_map(Line::command).map(|(name, _)| name).collect()
    }

    pub(crate) fn text(&self) -> String {
        let texts = self.log.iter().filter_map(|line| match line {
            Line::Text(text) => Some(text.as_str()),
            Line::Command { .. } => None,
        });
        texts.flat_map(|text| [text, "\n"]).collect()
    }

    pub(crate) fn report(&self) -> Value {
        let text = fs::read_to_string(&self.outputs["report"]).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Sets the address of the API and the repository.
pub(crate) fn at(fake: &Fake, command: Command) -> Command {
    command
        .env("GITHUB_API_URL", fake.url())
        .env("GITHUB_GRAPHQL_URL", fake.graphql_url())
        .env("GITHUB_REPOSITORY", "shop/app")
        .env("NO_PROXY", "127.0.0.1")
}

/// By default actions/checkout checks out the merge commit of the event.
fn checked_out(project: &Project) -> String {
    match project.path().join(".git").exists() {
        true => project.git(&["rev-parse", "HEAD"]),
        false => "1".repeat(40),
    }
}

impl Line {
    /// Name and data.
    fn command(&self) -> Option<(&str, &str)> {
        match self {
            Self::Command { name, data, .. } => Some((name, data)),
            Self::Text(_) => None,
        }
    }
}

/// Parses as `ActionCommandManager.TryProcessCommand` does: `::name key=value,…::data` after spaces, `##[name]` anywhere;
/// after `stop-commands` only its end.
fn log(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut stopped: Option<String> = None;
    for line in text.lines() {
        let found = parse(line);
        match (&stopped, found) {
            (Some(token), Some((name, _, _))) if name == *token => stopped = None,
            (None, Some((name, _, data))) if name == "stop-commands" => stopped = Some(data),
            (None, Some((name, properties, data))) => {
                lines.push(Line::Command { name, properties, data });
            }
            _ => lines.push(Line::Text(line.to_owned())),
        }
    }
    assert_eq!(stopped, None, "commands are still stopped at the end");
    lines
}

fn parse(line: &str) -> Option<(String, BTreeMap<String, String>, String)> {
    let unescape = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    if let Some((_, rest)) = line.split_once("##[") {
        let (name, data) = rest.split_once(']')?;
        return Some((name.to_owned(), BTreeMap::new(), data.to_owned()));
    }
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let properties = properties.split(',').filter_map(|pair| pair.split_once('='));
    let properties = properties.map(|(key, value)| {
        (key.to_owned(), unescape(&value.replace("%3A", ":").replace("%2C", ",")))
    });
    Some((name.to_owned(), properties.collect(), unescape(data)))
}

/// `name<<delimiter` and lines up to the delimiter.
pub(crate) fn values(text: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap();
        let value: Vec<_> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        values.insert(name.to_owned(), value.join("\n"));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_parsed_as_by_the_runner() {
        let text = "a\n  ::error file=a%2Cb,line=1::x%0Ay\nb ##[add-mask]c\n::stop-commands::tok\n\
                    ::error::no\nx ##[error]no\n::tok::\n::notice::yes";
        let lines = log(text);
        let names: Vec<_> = lines.iter().map(|line| matches!(line, Line::Command { .. })).collect();
        assert_eq!(names, [false, true, true, false, false, true]);
        let Line::Command { properties, data, .. } = &lines[1] else { panic!("{lines:?}") };
        assert_eq!((properties["file"].as_str(), data.as_str()), ("a,b", "x\ny"));
    }

    #[test]
    #[should_panic(expected = "still stopped")]
    fn commands_that_stay_stopped_are_an_error() {
        log("::stop-commands::tok\nx");
    }
}
