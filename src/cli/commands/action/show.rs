//! Shows the results of a job: annotations, the job's summary, outputs, the report's file. A failed write is a warning.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use camino::{Utf8Path, Utf8PathBuf};

use super::publisher::Publisher;
use super::run_progress::RunProgress;
use super::shown_result::{NOT_VERIFIED, ShownResult, links_of};
use super::tell;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::stream::Streams;
use crate::config::process_environment;
use crate::github::check_run::annotation::CheckRunAnnotation;
use crate::github::commands;
use crate::github::comment_key::DEFAULT_KEY;
use crate::github::file_commands::{self, FileCommandError};
use crate::github::publish::Published;
use crate::github_action::ActionJob;
use crate::report::verify::v1::{Report, Verdict};
use crate::report::{self, Links};

/// The initial output: a run can be killed at any time, and of an output that is written twice the last value counts.
pub(crate) fn result_is_error(streams: &Streams) {
    let file = process_environment("GITHUB_OUTPUT").filter(|path| !path.is_empty());
    if let Some(path) = file {
        let error = [("result", "error".to_owned())];
        let written = file_commands::write_outputs(Utf8Path::new(&path), &error);
        if let Err(error) = written {
            tell(streams, &commands::warning("mig-ci", &error.to_string()));
        }
    }
}

/// The job's environment or event is invalid.
pub(crate) fn invalid_job(text: &str, streams: &Streams) {
    tell(streams, &commands::error("mig-ci", text));
    let file = process_environment("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    if let Some(path) = file {
        let text = report::problem(NOT_VERIFIED, text, &Links::default());
        // The log already contains it.
        let _ = file_commands::write_summary(Utf8Path::new(&path), &[text]);
    }
}

#[derive(Debug)]
pub(crate) struct Show<'a> {
    job: &'a ActionJob,
    streams: &'a Streams,
    /// The project's folder in the repository: `services/shop/`, or empty.
    folder: String,
}

/// A file, and its path for other steps (`known_as`).
#[derive(Debug, PartialEq, Eq)]
struct OutputFile {
    path: Utf8PathBuf,
    known_as: String,
}

impl<'a> Show<'a> {
    pub(crate) fn new(job: &'a ActionJob, streams: &'a Streams) -> Self {
        Self { job, streams, folder: String::new() }
    }

    /// Sets the folder that the paths of a report are relative to.
    pub(crate) fn project_is_at(&mut self, root: &Utf8Path) {
        self.folder = folder_in_repository(root, &self.job.context.workspace);
    }

    pub(crate) fn save_state(&self, name: &str, value: RunProgress) {
        if let Some(path) = &self.job.context.files.state {
            self.warn_of(file_commands::write_state(path, &[(name, value.to_string())]));
        }
    }

    /// The event has nothing to verify: this is neither a failure nor a verdict.
    pub(crate) fn nothing_to_do(&self, why: &str) {
        let text = format!("{why}: there is nothing to verify");
        tell(self.streams, &commands::notice("mig-ci", &text));
        self.outputs(&[("result", "not-run".to_owned())]);
    }

    /// There is no result, because the job was cancelled. The log already says so.
    pub(crate) fn interrupted(&self) {
        let text = "The run was interrupted before it had a result.";
        self.summary(report::problem(NOT_VERIFIED, text, &self.links()));
    }

    /// There is no report, for this reason. An older successful comment must be replaced. `false` if something could not be
    /// shown.
    pub(crate) async fn problem(&self, text: &str, publisher: Option<Publisher<'_>>) -> bool {
        tell(self.streams, &commands::error(NOT_VERIFIED, text));
        self.summary(report::problem(NOT_VERIFIED, text, &self.links()));
        self.outputs(&[("result", "error".to_owned())]);
        let Some(publisher) = publisher else { return true };
        let links = Links { commit: publisher.head_sha(), ..self.links() };
        let shown = ShownResult::problem(text, &links);
        let published = publisher.publish(shown, self.streams).await;
        let is_whole = !published.is_incomplete();
        self.comment_url(published);
        is_whole
    }

    /// `false` if something could not be shown.
    pub(crate) async fn report(
        &self,
        report: &Report,
        exit: Exit,
        publisher: Publisher<'_>,
    ) -> bool {
        self.summary(report::summary(report, &self.links()));
        let tenants = report.counts.tenants;
        let result = match exit {
            Exit::Passed | Exit::Failed => report.verdict.to_string(),
            _ => "error".to_owned(),
        };
        // Counted like the headline: they completed, and no pending migration was run on them.
        let at_head = report::untested(report);
        let mut outputs = vec![
            ("result", result),
            ("tenants-passed", tenants.passed.saturating_sub(at_head).to_string()),
            ("tenants-at-head", at_head.to_string()),
            ("tenants-failed", tenants.failed.to_string()),
            ("tenants-not-run", tenants.not_run.to_string()),
        ];
        outputs.extend(self.save(report).map(|path| ("report", path)));
        self.outputs(&outputs);

        let mut annotations = match self.job.inputs.annotations {
            true => report::annotations(report, &self.folder),
            false => Vec::new(),
        };
        let links = Links { commit: publisher.head_sha(), ..self.links() };
        let shown = ShownResult {
            // A run that lost its server has no verdict, independent of units that passed before.
            verdict: if exit == Exit::Environment { Verdict::NotRun } else { report.verdict },
            title: report::headline(report),
            body: report::comment(report, &links),
            has_changes: report.counts.pending_migrations > 0,
            annotations: annotations.iter().filter_map(CheckRunAnnotation::of).collect(),
        };
        let published = publisher.publish(shown, self.streams).await;
        if published.annotated {
            // A check run has no annotations without a position.
            annotations.retain(|annotation| annotation.place.is_none());
        }
        tell(self.streams, &commands::annotations(&annotations));
        let is_whole = !published.is_incomplete();
        self.comment_url(published);
        is_whole
    }

    fn comment_url(&self, published: Published) {
        if let Some(url) = published.comment_url {
            self.outputs(&[("comment-url", url)]);
        }
    }

    fn links(&self) -> Links {
        links_of(self.job, &self.folder)
    }

    fn summary(&self, text: String) {
        if let Some(path) = &self.job.context.files.summary {
            self.warn_of(file_commands::write_summary(path, &[text]));
        }
    }

    fn outputs(&self, outputs: &[(&str, String)]) {
        if let Some(path) = &self.job.context.files.output {
            self.warn_of(file_commands::write_outputs(path, outputs));
        }
    }

    /// Writes the report, and returns its path for other steps.
    fn save(&self, report: &Report) -> Option<String> {
        let OutputFile { path, known_as } = place(self.job);
        let made = missing_folders(&path);
        let text = report::json(report);
        if let Err(error) = output::write(&path, &text) {
            tell(self.streams, &commands::warning("mig-ci", &error.to_string()));
            return None;
        }
        if let Err(error) = give_away(&path, &made) {
            let text = format!("cannot give {path} to the owner of its folder: {error}");
            tell(self.streams, &commands::warning("mig-ci", &text));
        }
        Some(known_as)
    }

    fn warn_of(&self, written: Result<(), FileCommandError>) {
        if let Err(error) = written {
            tell(self.streams, &commands::warning("mig-ci", &error.to_string()));
        }
    }
}

/// The input `report-path`, or a file in the runner's temporary folder. Runners before 2.329 name that folder and do not mount
/// it into containers; then the workspace is used.
fn place(job: &ActionJob) -> OutputFile {
    let context = &job.context;
    if let Some(path) = &job.inputs.report_path {
        return OutputFile { path: context.workspace.join(path), known_as: path.to_string() };
    }
    let name = match job.inputs.comment_key.as_str() {
        DEFAULT_KEY => "mig-ci-report.json".to_owned(),
        key => format!("mig-ci-report-{key}.json"),
    };
    match (&context.temp, &context.host_temp) {
        (Some(temp), Some(host)) if temp.is_dir() => {
            OutputFile { path: temp.join(&name), known_as: host.join(&name).into_string() }
        }
        _ => OutputFile { path: context.workspace.join(&name), known_as: name },
    }
}

/// The missing folders of a path, the outermost last.
fn missing_folders(path: &Utf8Path) -> Vec<Utf8PathBuf> {
    let folders = path.ancestors().skip(1).take_while(|folder| !folder.exists());
    folders.map(Utf8Path::to_owned).collect()
}

/// In a container mig-ci is root, and the runner is another user: files of root in the workspace of a self-hosted runner break
/// the next checkout. Therefore new files get the owner of the existing folder.
fn give_away(path: &Utf8Path, made: &[Utf8PathBuf]) -> std::io::Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    let outermost = made.last().map_or(path, |folder| folder);
    let Some(folder) = outermost.parent() else { return Ok(()) };
    let owner = fs::metadata(folder)?;
    for path in made.iter().map(Utf8PathBuf::as_path).chain([path]) {
        chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

/// The path from the checkout to the project, with a trailing slash. A checkout can be in a folder of the workspace
/// (`actions/checkout` with `path`).
fn folder_in_repository(root: &Utf8Path, workspace: &Utf8Path) -> String {
    let workspace = workspace.canonicalize_utf8().unwrap_or_else(|_| workspace.to_owned());
    let checkout = root.ancestors().find(|folder| folder.join(".git").exists());
    let checkout = checkout.unwrap_or(&workspace);
    match root.strip_prefix(checkout) {
        Ok(folder) if !folder.as_str().is_empty() => format!("{folder}/"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let holder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(holder.path()).unwrap().canonicalize_utf8().unwrap();
        (holder, path)
    }

    #[test]
    fn a_project_is_found_in_its_repository() {
        let (_holder, workspace) = folder();
        let project = workspace.join("code/services/shop");
        fs::create_dir_all(&project).unwrap();
        assert_eq!(folder_in_repository(&project, &workspace), "code/services/shop/");
        fs::create_dir_all(workspace.join("code/.git")).unwrap();
        assert_eq!(folder_in_repository(&project, &workspace), "services/shop/");
        assert_eq!(folder_in_repository(&workspace.join("code"), &workspace), "");
        assert_eq!(folder_in_repository(&workspace, &workspace), "");
    }

    #[test]
    fn new_files_get_the_owner_of_their_folder() {
        let (_holder, workspace) = folder();
        let path = workspace.join("a/b/report.json");
        let made = missing_folders(&path);
        assert_eq!(made, [workspace.join("a/b"), workspace.join("a")]);
        fs::create_dir_all(workspace.join("a/b")).unwrap();
        fs::write(&path, "{}").unwrap();
        if !nix::unistd::Uid::effective().is_root() {
            give_away(&path, &made).unwrap();
            return;
        }
        chown(&workspace, Some(12_345), Some(23_456)).unwrap();
        give_away(&path, &made).unwrap();
        for path in [&path, &made[0], &made[1]] {
            let found = fs::metadata(path).unwrap();
            assert_eq!((found.uid(), found.gid()), (12_345, 23_456), "{path}");
        }
    }
}
