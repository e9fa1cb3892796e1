//! The base without git, from the repository's host. An image for CI may have no git, and a shallow clone may lack the required
//! commits.
//!
//! ```text
//! checkout: its commit ─▶ which commit is the base ─▶ host: its listing ─▶ contents that the checkout does not have
//! ```

mod change;
mod objects;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use futures::future::BoxFuture;

use super::checkout::{Checkout, is_hash};
use super::git::toplevel_of;
use super::project_place::ProjectPlace;
use super::revisions::{Base, BaseDivergence, BaseRequest, HeadRevision, Revision, Revisions};
use super::{SourceError, Worktree, tree};
use objects::HostObjects;
pub(crate) use objects::is_stored_as;

/// A host's answer, or why there is none, as a clause with advice.
pub(crate) type HostAnswer<T> = Result<T, String>;

/// The host of the repository, for queries about revisions. `None` means "it does not exist".
pub(crate) trait RepositoryHost: fmt::Debug + Send + Sync {
    /// Its name for users: `GitHub`.
    fn name(&self) -> &'static str;

    /// Advice if something does not exist: missing permissions have the same answer.
    fn advice(&self) -> &'static str;

    /// The commit of a branch, a tag or a full hash.
    fn commit<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, HostAnswer<Option<HostCommit>>>;

    /// The relation between two commits. `base` may be a branch.
    fn compare<'a>(
        &'a self,
        base: &'a str,
        head: &'a str,
    ) -> BoxFuture<'a, HostAnswer<Option<CommitComparison>>>;

    fn default_branch(&self) -> BoxFuture<'_, HostAnswer<String>>;

    /// The entries of a commit or a tree; those of its folders too if `recursive`.
    fn tree<'a>(&'a self, hash: &'a str, recursive: bool)
    -> BoxFuture<'a, HostAnswer<TreeListing>>;

    /// The stored content of a file.
    fn blob<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, HostAnswer<Vec<u8>>>;
}

/// A commit at the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostCommit {
    pub(crate) hash: String,
    pub(crate) parents: Vec<String>,
}

/// The relation between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitComparison {
    /// The commit of the base: of a branch, its tip.
    pub(crate) base: String,
    pub(crate) merge_base: String,
    /// The number of commits of the base that the head lacks.
    pub(crate) behind: u64,
}

/// The entries of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeListing {
    pub(crate) entries: Vec<ListingEntry>,
    /// It is too long, and incomplete.
    pub(crate) truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListingEntry {
    /// From the requested tree.
    pub(crate) path: String,
    /// As git writes it: `100644`.
    pub(crate) mode: String,
    pub(crate) hash: String,
}

/// A repository at a host, and the local checkout of it.
#[derive(Debug, Clone)]
pub(crate) struct RemoteRepo {
    pub(crate) host: Arc<dyn RepositoryHost>,
    /// The folder of the checkout, if it contains no git folder.
    pub(crate) folder: Utf8PathBuf,
    /// The commit of the checkout, in the same case.
    pub(crate) commit: Option<String>,
}

/// The commit that is checked out, without git: see [`Checkout`].
pub(super) fn head(root: &Utf8Path) -> Option<HeadRevision> {
    let real = root.canonicalize_utf8().ok()?;
    let commit = Checkout::open(toplevel_of(&real)?)?.commit()?;
    Some(HeadRevision { commit, dirty: None })
}

impl RemoteRepo {
    /// What [`super::read_revisions`] reads, from the host. `head` is git's answer, if git was available.
    pub(super) async fn read(
        &self,
        root: &Utf8Path,
        request: &BaseRequest,
        paths: &[Utf8PathBuf],
        head: Option<HeadRevision>,
    ) -> Result<Revisions, SourceError> {
        let real = root.canonicalize_utf8().map_err(|error| SourceError::Discovery {
            path: root.to_owned(),
            reason: error.to_string(),
        })?;
        let workspace = self.folder.canonicalize_utf8().unwrap_or_else(|_| real.clone());
        let toplevel = toplevel_of(&real).unwrap_or(&workspace);
        let prefix = real.strip_prefix(toplevel).map_err(|_| SourceError::OutsideRepository {
            path: real.clone(),
            toplevel: toplevel.to_owned(),
        })?;
        if toplevel_of(&real).is_none() && real != workspace {
            // Its root in this tree is unknown, and a folder that the base does not have would look new.
            let reason =
                "there is no .git in the checkout, and the project is in a folder of the workspace";
            return Err(self.failure(reason.to_owned()));
        }
        let checkout = Checkout::open(toplevel);
        let known = checkout.as_ref().map_or_else(|| self.commit.clone(), Checkout::commit);
        let head = head.or(known.map(|commit| HeadRevision { commit, dirty: None }));
        let commit = head.as_ref().map(|head| head.commit.as_str());
        let merge = commit.zip(checkout.as_ref());
        let merge = merge.and_then(|(commit, checkout)| checkout.merge_at(commit));
        let (revision, reason, divergence) = match request {
            BaseRequest::Revision(name) => self.named(name, commit).await?,
            BaseRequest::Change(change) => {
                self.base_of_change(commit, merge.as_deref(), change).await?
            }
            BaseRequest::Default => self.default(commit, merge).await?,
            BaseRequest::None => return Ok(Revisions::without("no base was requested", head)),
        };
        let worktree = Worktree::new(toplevel);
        let objects = HostObjects::new(self.host.as_ref(), &worktree);
        let files =
            tree::read(&objects, ProjectPlace { toplevel, prefix }, &revision.commit, paths)
                .await?;
        let base = Base { revision: Some(revision), reason, divergence, files: Some(files) };
        Ok(Revisions { base, head })
    }

    async fn named(&self, name: &str, head: Option<&str>) -> Result<FoundBase, SourceError> {
        let wanted = match name {
            "HEAD" | "@" => head.unwrap_or(name),
            _ => name.strip_prefix("origin/").unwrap_or(name),
        };
        if let Some(sign) = wanted.find(['~', '^', ':', '{', ' ']) {
            let part = &wanted[sign..];
            return Err(self.failure(format!(
                "the base revision {name:?} contains {part:?}, but {} resolves only branches, tags and full hashes",
                self.host.name()
            )));
        }
        let commit = self.ask(self.host.commit(wanted).await)?.ok_or_else(|| {
            self.absent(&format!("it has no branch, tag or commit {name:?} in this repository"))
        })?;
        let divergence = match head {
            Some(head) => self.divergence(&commit.hash, head).await?,
            None => BaseDivergence::Unknown,
        };
        let reason = format!("{name}, as requested; read from {}", self.host.name());
        Ok((Revision { commit: commit.hash, name: name.to_owned() }, reason, divergence))
    }

    /// An unknown divergence is not an error; a head that belongs to another repository is.
    async fn divergence(&self, base: &str, head: &str) -> Result<BaseDivergence, SourceError> {
        if base == head {
            return Ok(BaseDivergence::Nothing);
        }
        match self.host.compare(base, head).await {
            Ok(Some(CommitComparison { behind: 0, .. })) => Ok(BaseDivergence::Nothing),
            Ok(Some(CommitComparison { behind, .. })) => Ok(BaseDivergence::Commits(behind)),
            Ok(None) => Err(self.absent(&format!(
                "it finds no path from {base} to {head}, the checked-out commit"
            ))),
            Err(_) => Ok(BaseDivergence::Unknown),
        }
    }

    async fn default(
        &self,
        head: Option<&str>,
        merge: Option<String>,
    ) -> Result<FoundBase, SourceError> {
        let host = self.host.name();
        let Some(head) = head else { return Err(self.no_head()) };
        if let Some(merge) = merge {
            let commit = self.ask(self.host.commit(head).await)?;
            let commit = commit.ok_or_else(|| self.absent(&format!("it has no commit {head}")))?;
            // The merge of a pull request has its base as the first parent.
            if let [base, _] = commit.parents.as_slice() {
                let reason =
                    format!("first parent of the merge commit HEAD ({merge}); read from {host}");
                let revision = Revision { commit: base.clone(), name: base.clone() };
                return Ok((revision, reason, BaseDivergence::Nothing));
            }
        }
        let branch = self.ask(self.host.default_branch().await)?;
        let found = self.ask(self.host.compare(&branch, head).await)?;
        let Some(CommitComparison { merge_base: commit, .. }) = found else {
            return Err(self.absent(&format!("it finds no common commit of {branch} and {head}")));
        };
        let reason = format!("merge base of HEAD with {branch}; read from {host}");
        Ok((Revision { commit, name: branch }, reason, BaseDivergence::Nothing))
    }

    fn no_head(&self) -> SourceError {
        let reason = "the checked-out commit is unknown: .git is missing in the checkout, or does not contain it";
        self.failure(reason.to_owned())
    }

    fn ask<T>(&self, answer: HostAnswer<T>) -> Result<T, SourceError> {
        answer.map_err(|reason| self.failure(reason))
    }

    fn absent(&self, what: &str) -> SourceError {
        self.failure(format!("{what}; {}", self.host.advice()))
    }

    fn failure(&self, reason: String) -> SourceError {
        failure(self.host.as_ref(), reason)
    }
}

/// A base, how it was found, and whether HEAD has all of it.
type FoundBase = (Revision, String, BaseDivergence);

fn failure(host: &dyn RepositoryHost, reason: String) -> SourceError {
    SourceError::Host { host: host.name(), reason, local: None }
}

/// Checks that a hash can be used in a request.
fn checked(host: &dyn RepositoryHost, hash: &str) -> Result<(), SourceError> {
    if is_hash(hash) {
        return Ok(());
    }
    Err(failure(host, format!("it returned the invalid hash {hash:?}")))
}
