//! The base of a change, found with git.

use super::{ChangeRequest, Moved, Position};
use crate::source::branch_line::newest_on_line;
use crate::source::git::Git;
use crate::source::git_queries::DefaultBranchRef;
use crate::source::revisions::{FoundRevision, Revision};
use crate::source::{SourceError, remote};

/// Whether the repository's host is queried for what git does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostQueries {
    Host,
    GitAlone,
}

/// The tip of the base branch.
enum Tip {
    /// The remote's answer.
    Current(DefaultBranchRef),
    /// A ref of this clone, which may be outdated.
    Stored(DefaultBranchRef),
    Gone,
    Unknown(String),
    /// The change has no target branch.
    None,
}

impl Tip {
    fn branch(&self) -> Option<&DefaultBranchRef> {
        match self {
            Self::Current(branch) | Self::Stored(branch) => Some(branch),
            Self::Gone | Self::Unknown(_) | Self::None => None,
        }
    }

    /// What it means if it is not used.
    fn without(&self) -> Moved {
        match self {
            Self::Gone => Moved::Gone,
            Self::Unknown(why) => Moved::Unknown(why.clone()),
            Self::Current(_) | Self::Stored(_) | Self::None => Moved::No,
        }
    }
}

/// See the file of the module.
///
/// # Errors
/// [`SourceError::BaseMissing`] if the host may have more, [`SourceError::AnotherCommit`] if HEAD does not belong to the
/// change.
pub(crate) async fn base_by_git(
    git: &Git,
    head: &str,
    change: &ChangeRequest,
    queries: HostQueries,
) -> Result<FoundRevision, SourceError> {
    let position = position(git, head, change).await?;
    let tip = tip(git, change).await?;
    if let Position::Merge { base, name } = &position {
        let wanted = format!("{base}, the first parent of the merge commit HEAD");
        remote::need(git, base, wanted).await?;
        let moved = match tip.branch() {
            Some(branch) => moved(git, head, base, branch).await?,
            None => tip.without(),
        };
        return Ok((Revision::of(base), change.reason_of_merge(name, &moved)));
    }
    if let (Tip::Unknown(why), HostQueries::Host) = (&tip, queries) {
        let wanted = format!("the tip of {}", change.branch_name());
        return Err(SourceError::BaseMissing { wanted, tried: vec![why.clone()] });
    }
    MergeBase { git, head, change, position, tip }.find().await
}

async fn position(git: &Git, head: &str, change: &ChangeRequest) -> Result<Position, SourceError> {
    let parents = git.named_parents(head).await?;
    let refs = git.remote_refs_at(head).await?;
    let names = refs.iter().filter_map(|name| name.strip_prefix("refs/remotes/"));
    let merge_ref = names.into_iter().find(|name| Some(*name) == change.merge_ref.as_deref());
    if let Some(position) = change.position(head, &parents, merge_ref) {
        return Ok(position);
    }
    let Some(wanted) = &change.head else { return Err(change.not_it(head)) };
    let is_here = git.commit(wanted).await?.is_some();
    if is_here && git.merge_bases(head, wanted).await?.contains(wanted) {
        return Ok(Position::Beyond);
    }
    if git.is_shallow().await? {
        let tried = vec![format!(
            "git merge-base: this clone is shallow, so it is unknown whether HEAD contains the head of {}",
            change.title
        )];
        return Err(SourceError::BaseMissing {
            wanted: format!("{wanted}, {}'s head", change.title),
            tried,
        });
    }
    Err(change.not_it(head))
}

async fn tip(git: &Git, change: &ChangeRequest) -> Result<Tip, SourceError> {
    let Some(name) = &change.branch else { return Ok(Tip::None) };
    let stored = async |prefix: &str| -> Result<Option<Tip>, SourceError> {
        let found = git.commit(&format!("{prefix}{name}")).await?;
        Ok(found.map(|commit| Tip::Stored(DefaultBranchRef { name: name.clone(), commit })))
    };
    let why = match remote::origin_of(git, &change.repository).await? {
        remote::OriginMatch::None => {
            let local = stored("refs/heads/").await?;
            return Ok(
                local.unwrap_or_else(|| Tip::Unknown("there is no remote to query".to_owned()))
            );
        }
        remote::OriginMatch::Other(why) => return Ok(Tip::Unknown(why)),
        remote::OriginMatch::Ours => match remote::branch(git, name).await {
            Ok(Some(commit)) => {
                return Ok(Tip::Current(DefaultBranchRef { name: name.clone(), commit }));
            }
            Ok(None) => return Ok(Tip::Gone),
            Err(error) => error.to_string(),
        },
    };
    Ok(stored("refs/remotes/origin/").await?.unwrap_or(Tip::Unknown(why)))
}

/// The input for finding a merge base.
struct MergeBase<'a> {
    git: &'a Git,
    head: &'a str,
    change: &'a ChangeRequest,
    position: Position,
    tip: Tip,
}

impl MergeBase<'_> {
    async fn find(self) -> Result<FoundRevision, SourceError> {
        let Some(branch) = self.tip.branch() else {
            return self.with_event(self.tip.without()).await;
        };
        let base = self.with(branch).await?;
        if base == self.head {
            return self.with_event(Moved::HasHead).await;
        }
        // A ref fetched before the event is older than the event.
        if let (Tip::Stored(_), Some(tip)) = (&self.tip, &self.change.tip)
            && *tip != branch.commit
            && let Ok(events) = self.event_base(tip).await
            && events != base
            && self.git.merge_bases(&events, &base).await?.contains(&base)
        {
            return self
                .with_event(Moved::Unknown(format!(
                    "the clone has it at {}, which is older than the event",
                    super::short(&branch.commit)
                )))
                .await;
        }
        let moved = moved(self.git, self.head, &base, branch).await?;
        let reason =
            self.change.reason_of_merge_base(&self.position, &branch.commit, false, &moved);
        Ok((Revision { commit: base, name: branch.name.clone() }, reason))
    }

    /// With the branch's tip in the event.
    async fn with_event(&self, moved: Moved) -> Result<FoundRevision, SourceError> {
        let Some(tip) = &self.change.tip else {
            return Err(self.change.no_base(vec![self.change.since(&moved).replacen("; ", "", 1)]));
        };
        let base = self.event_base(tip).await?;
        if base == self.head && self.position == Position::Beyond {
            return Err(self.change.not_it(self.head));
        }
        let reason = self.change.reason_of_merge_base(&self.position, tip, true, &moved);
        let name = self.change.branch.clone().unwrap_or_else(|| base.clone());
        Ok((Revision { commit: base, name }, reason))
    }

    async fn event_base(&self, tip: &str) -> Result<String, SourceError> {
        self.with(&DefaultBranchRef {
            name: self.change.branch_name().to_owned(),
            commit: tip.to_owned(),
        })
        .await
    }

    /// The merge base of HEAD with a commit of the base branch. If there are several, because the histories cross, it is the
    /// newest commit of the branch's own line that HEAD contains: a state that the branch really had.
    async fn with(&self, branch: &DefaultBranchRef) -> Result<String, SourceError> {
        let Self { git, head, .. } = *self;
        let wanted = format!("{} at {}", branch.name, branch.commit);
        remote::need(git, &branch.commit, wanted).await?;
        let mut bases = git.merge_bases(head, &branch.commit).await?;
        if bases.is_empty() {
            if !git.is_shallow().await? {
                return Err(SourceError::Unrelated { branch: branch.name.clone() });
            }
            bases = remote::deepen_to_merge_base(git, head, branch).await?;
        }
        let own = newest_on_line(git, head, &branch.commit, &bases).await?;
        own.or_else(|| bases.into_iter().next())
            .ok_or_else(|| SourceError::Unrelated { branch: branch.name.clone() })
    }
}

/// The commits that the branch has and HEAD does not have, if HEAD's base is `base`.
async fn moved(
    git: &Git,
    head: &str,
    base: &str,
    branch: &DefaultBranchRef,
) -> Result<Moved, SourceError> {
    if branch.commit == base {
        return Ok(Moved::No);
    }
    if git.is_shallow().await? || git.commit(&branch.commit).await?.is_none() {
        return Ok(Moved::By(None));
    }
    Ok(match git.count_missing(head, &branch.commit).await? {
        0 => Moved::No,
        commits => Moved::By(Some(commits)),
    })
}
