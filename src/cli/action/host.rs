//! GitHub as the host of the base's files: for an image without git, and for clones that lack the base.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::github::client::{self, Client};
use crate::github::error::Error;
use crate::source::{Answer, Commit, Comparison, Host, Listing, ListingEntry};

/// The job's repository at GitHub, or why it cannot be asked.
#[derive(Debug)]
pub(crate) struct GitHub(pub(crate) Result<Arc<Client>, String>);

impl GitHub {
    fn client(&self) -> Answer<&Client> {
        self.0.as_deref().map_err(Clone::clone)
    }
}

impl Host for GitHub {
    fn name(&self) -> &'static str {
        "GitHub"
    }

    fn advice(&self) -> &'static str {
        "the job needs `contents: read`, and the checkout has to be one of the repository that the workflow runs in"
    }

    fn commit<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, Answer<Option<Commit>>> {
        async {
            let found = self.client()?.commit(revision).await.map_err(in_words)?;
            Ok(found.map(|commit| Commit {
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
    ) -> BoxFuture<'a, Answer<Option<Comparison>>> {
        async {
            let found = self.client()?.compare(base, head).await.map_err(in_words)?;
            Ok(found.map(|found| Comparison {
                base: found.base_commit.sha,
                merge_base: found.merge_base_commit.sha,
                behind: found.behind_by,
            }))
        }
        .boxed()
    }

    fn default_branch(&self) -> BoxFuture<'_, Answer<String>> {
        async { self.client()?.default_branch().await.map_err(in_words) }.boxed()
    }

    fn tree<'a>(&'a self, hash: &'a str, recursive: bool) -> BoxFuture<'a, Answer<Listing>> {
        async move {
            let client::Tree { entries, truncated } =
                self.client()?.tree(hash, recursive).await.map_err(in_words)?;
            let entries = entries.into_iter().map(|entry| ListingEntry {
                path: entry.path,
                mode: entry.mode,
                hash: entry.sha,
            });
            Ok(Listing { entries: entries.collect(), truncated })
        }
        .boxed()
    }

    fn blob<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Answer<Vec<u8>>> {
        async { self.client()?.blob(hash).await.map_err(in_words) }.boxed()
    }
}

fn in_words(error: Error) -> String {
    format!("{error}; {}", error.advice())
}
