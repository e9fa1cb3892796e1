//! GitHub as the host of the base's files: for an image without git, and for clones without the base.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::github::client::{self, GithubClient};
use crate::github::error::GithubError;
use crate::source::{
    CommitComparison, HostAnswer, HostCommit, ListingEntry, RepositoryHost, TreeListing,
};

/// The job's repository at GitHub, or why it is not available.
#[derive(Debug)]
pub(crate) struct GitHub(pub(crate) Result<Arc<GithubClient>, String>);

impl GitHub {
    fn client(&self) -> HostAnswer<&GithubClient> {
        self.0.as_deref().map_err(Clone::clone)
    }
}

impl RepositoryHost for GitHub {
    fn name(&self) -> &'static str {
        "GitHub"
    }

    fn advice(&self) -> &'static str {
        "the job needs `contents: read`, and the checkout has to be one of the repository that the workflow runs in"
    }

    fn commit<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, HostAnswer<Option<HostCommit>>> {
        async {
            let found = self.client()?.commits().find(revision).await.map_err(in_words)?;
            Ok(found.map(|commit| HostCommit {
                hash: commit.sha,
                parents: commit.parents.into_iter().map(|parent| parent.sha).collect(),
            }))
        }
        .boxed()
    }

    fn compare<'a>(
        &'a self,
        base: &'a str,
        head: &'a str,
    ) -> BoxFuture<'a, HostAnswer<Option<CommitComparison>>> {
        async {
            let found = self.client()?.commits().compare(base, head).await.map_err(in_words)?;
            Ok(found.map(|found| CommitComparison {
                base: found.base_commit.sha,
                merge_base: found.merge_base_commit.sha,
                behind: found.behind_by,
            }))
        }
        .boxed()
    }

    fn default_branch(&self) -> BoxFuture<'_, HostAnswer<String>> {
        async { self.client()?.commits().default_branch().await.map_err(in_words) }.boxed()
    }

    fn tree<'a>(
        &'a self,
        hash: &'a str,
        recursive: bool,
    ) -> BoxFuture<'a, HostAnswer<TreeListing>> {
        async move {
            let client::Tree { entries, truncated } =
                self.client()?.files().tree(hash, recursive).await.map_err(in_words)?;
            let entries = entries.into_iter().map(|entry| ListingEntry {
                path: entry.path,
                mode: entry.mode,
                hash: entry.sha,
            });
            Ok(TreeListing { entries: entries.collect(), truncated })
        }
        .boxed()
    }

    fn blob<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, HostAnswer<Vec<u8>>> {
        async { self.client()?.files().blob(hash).await.map_err(in_words) }.boxed()
    }
}

fn in_words(error: GithubError) -> String {
    format!("{error}; {}", error.advice())
}
