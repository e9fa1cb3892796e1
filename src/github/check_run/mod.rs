//! The check run: in progress on the head's commit while mig-ci works, completed at the end with annotations.

pub(crate) mod annotation;
#[cfg(test)]
mod tests;

use self::annotation::CheckRunAnnotation;

use super::client::{
    CheckRun, CheckRunOutput, CheckUpdate, Conclusion, GithubClient, NewCheckRun, Status,
    WireAnnotation,
};
use super::comment_key::DEFAULT_KEY;
use super::error::GithubError;
use super::marker::RunAttempt;

/// Source: GitHub's description of checks/update: `maxItems`.
const BATCH: usize = 50;
/// The maximum number of annotations: 20 requests, and more than a person reads.
const MOST: usize = 20 * BATCH;
/// Source: GitHub's description: `maxLength` 65,535, in characters. Applied to bytes, the limit holds in either unit.
const SUMMARY: usize = 65_535;
/// GitHub shows one line.
const TITLE: usize = 255;

/// The input `check-run`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum CheckRunMode {
    /// If the token is expected to have the permission.
    #[default]
    Auto,
    Always,
    Never,
}

/// Identifies a check run.
#[derive(Debug, Clone)]
pub(crate) struct Identity<'a> {
    /// The head of the pull request: GitHub does not show check runs on its merge commit.
    pub(crate) head_sha: &'a str,
    pub(crate) key: &'a str,
    pub(crate) run: RunAttempt,
}

impl Identity<'_> {
    /// The name that the pull request shows; it contains the key, so that each job of a matrix has its own.
    pub(crate) fn name(&self) -> String {
        if self.key == DEFAULT_KEY { "mig-ci".to_owned() } else { format!("mig-ci ({})", self.key) }
    }

    fn external_id(&self) -> String {
        format!("mig-ci:{}:{}:{}", self.run.id, self.run.attempt, self.key)
    }
}

/// The conclusion of a check run.
#[derive(Debug, Clone)]
pub(crate) struct Ending<'a> {
    pub(crate) conclusion: Conclusion,
    /// The verdict in one sentence.
    pub(crate) title: &'a str,
    /// Markdown.
    pub(crate) summary: &'a str,
    pub(crate) annotations: &'a [CheckRunAnnotation],
}

/// A completed check run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Concluded {
    pub(crate) url: Option<String>,
    /// The number of annotations that GitHub accepted.
    pub(crate) annotations: usize,
    /// Why it did not accept all.
    pub(crate) problem: Option<GithubError>,
}

/// Creates it, in progress.
pub(crate) async fn begin(
    client: &GithubClient,
    identity: &Identity<'_>,
) -> Result<CheckRun, GithubError> {
    let new = NewCheckRun {
        name: &identity.name(),
        head_sha: identity.head_sha,
        external_id: &identity.external_id(),
        status: Status::InProgress,
        conclusion: None,
        output: CheckRunOutput {
            title: "Migrations are being verified",
            summary: "The result will be shown here.",
            annotations: &[],
        },
    };
    client.check_runs().create(&new).await
}

/// Completes it. Annotations are sent first, in batches, and the conclusion with the last batch; without annotations if GitHub
/// refuses them.
pub(crate) async fn conclude(
    client: &GithubClient,
    id: u64,
    ending: &Ending<'_>,
) -> Result<Concluded, GithubError> {
    let annotations =
        ending.annotations.iter().filter_map(CheckRunAnnotation::on_the_wire).take(MOST);
    let annotations: Vec<WireAnnotation> = annotations.collect();
    let title = cut(ending.title, TITLE);
    let summary = summary(ending.summary, &title);
    let output = |annotations| CheckRunOutput { title: &title, summary: &summary, annotations };
    let last = annotations.len().saturating_sub(1) / BATCH * BATCH;
    let (before, with_it) = annotations.split_at(last);
    let mut sent = 0;
    let mut problem = None;
    for batch in before.chunks(BATCH) {
        let update = CheckUpdate { status: None, conclusion: None, output: output(batch) };
        match send(client, id, &update, sent).await {
            Ok(_) => sent += batch.len(),
            Err(error) => problem = Some(error),
        }
        if problem.is_some() || !client.pause_between_writes().await {
            break;
        }
    }
    let whole = |annotations| CheckUpdate {
        status: Some(Status::Completed),
        conclusion: Some(ending.conclusion),
        output: output(annotations),
    };
    if sent == before.len() && problem.is_none() {
        match send(client, id, &whole(with_it), sent).await {
            Ok(run) => {
                let annotations = sent + with_it.len();
                return Ok(Concluded { url: run.html_url, annotations, problem: None });
            }
            Err(error) if with_it.is_empty() => return Err(error),
            Err(error) => problem = Some(error),
        }
    }
    // A check run that is never completed would block the pull request.
    let run = send(client, id, &whole(&[]), sent).await?;
    Ok(Concluded { url: run.html_url, annotations: sent, problem })
}

/// Completes the check run of an interrupted run, if there is one: its number may not have arrived. A completed one is not
/// changed.
pub(crate) async fn cancel(
    client: &GithubClient,
    identity: &Identity<'_>,
) -> Result<(), GithubError> {
    let Identity { head_sha, .. } = *identity;
    let found =
        client.check_runs().find(head_sha, &identity.name(), &identity.external_id()).await?;
    let Some(CheckRun { id, .. }) = found.filter(|run| run.status != "completed") else {
        return Ok(());
    };
    let output = CheckRunOutput {
        title: "The run was interrupted",
        summary: "The migrations were not verified.",
        annotations: &[],
    };
    let update = CheckUpdate {
        status: Some(Status::Completed),
        conclusion: Some(Conclusion::Cancelled),
        output,
    };
    send(client, id, &update, 0).await.map(drop)
}

/// Completes the check run of a run without a result: a required check must neither pass nor stay pending. If GitHub refuses
/// the update, or none was created, a new one is created: of several with one name, the last counts.
pub(crate) async fn end_without_result(
    client: &GithubClient,
    identity: &Identity<'_>,
    ending: &Ending<'_>,
) -> Result<(), GithubError> {
    let (name, external_id) = (identity.name(), identity.external_id());
    let found = client.check_runs().find(identity.head_sha, &name, &external_id).await?;
    if found.as_ref().is_some_and(|run| run.status == "completed") {
        return Ok(());
    }
    let title = cut(ending.title, TITLE);
    let output = CheckRunOutput {
        title: &title,
        summary: &summary(ending.summary, &title),
        annotations: &[],
    };
    let ended = (Some(Status::Completed), Some(ending.conclusion));
    if let Some(CheckRun { id, .. }) = found {
        let update = CheckUpdate { status: ended.0, conclusion: ended.1, output: output.clone() };
        match send(client, id, &update, 0).await {
            Err(error) if error.problem.is_refusal() => {}
            ended => return ended.map(drop),
        }
    }
    let new = NewCheckRun {
        name: &name,
        head_sha: identity.head_sha,
        // Not the `external_id` of the first one, which would be found instead.
        external_id: &format!("{external_id}:no-result"),
        status: Status::Completed,
        conclusion: ended.1,
        output,
    };
    client.check_runs().create(&new).await.map(drop)
}

/// Updates append to the existing annotations (`there`): before an update that may have arrived is sent again, its effect is
/// checked.
async fn send(
    client: &GithubClient,
    id: u64,
    update: &CheckUpdate<'_>,
    there: usize,
) -> Result<CheckRun, GithubError> {
    let new = update.output.annotations.len();
    let find = async || {
        if new == 0 {
            return Ok(None);
        }
        let run = client.check_runs().get(id).await?;
        Ok(has_arrived(&run, update, there + new).then_some(run))
    };
    client.check_runs().update(id, update, find).await
}

fn has_arrived(run: &CheckRun, update: &CheckUpdate<'_>, annotations: usize) -> bool {
    let ended = update.conclusion.is_none() || run.status == "completed";
    ended && run.output.annotations_count >= annotations
}

/// The Markdown, or if it is too long, a text that says where the complete one is: nothing is cut in the middle.
fn summary(markdown: &str, title: &str) -> String {
    let markdown = super::marker::unmarked(markdown);
    if markdown.trim().is_empty() {
        return title.to_owned();
    }
    if markdown.len() <= SUMMARY {
        return markdown.to_owned();
    }
    format!("{title}\n\nSee the job summary and the JSON report for details.")
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most - 1).collect();
            format!("{kept}…")
        }
    }
}
