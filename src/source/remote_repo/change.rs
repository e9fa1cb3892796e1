//! The base of a change, with the host's answers: the same rules as with git.

use super::{CommitComparison, FoundBase, RemoteRepo};
use crate::source::SourceError;
use crate::source::change::{ChangeRequest, Moved, Position};
use crate::source::revisions::{BaseDivergence, Revision};

impl RemoteRepo {
    /// `merge_ref` is the name of the pull request's merge ref that points to HEAD.
    pub(super) async fn base_of_change(
        &self,
        head: Option<&str>,
        merge_ref: Option<&str>,
        change: &ChangeRequest,
    ) -> Result<FoundBase, SourceError> {
        let Some(head) = head else { return Err(self.no_head()) };
        let position = self.position(head, merge_ref, change).await?;
        if let Position::Merge { base, name } = &position {
            let moved = self.moved(head, change).await;
            return Ok(self.found(base, base, change.reason_of_merge(name, &moved)));
        }
        let now = match &change.branch {
            Some(branch) => self.ask(self.host.compare(branch, head).await)?,
            None => None,
        };
        let moved = match (&now, &change.branch) {
            (Some(found), Some(branch)) if found.merge_base != head => {
                let reason =
                    change.reason_of_merge_base(&position, &found.base, false, &Moved::of(found));
                return Ok(self.found(&found.merge_base, branch, reason));
            }
            (Some(_), _) => Moved::HasHead,
            (None, Some(_)) => Moved::Gone,
            (None, None) => Moved::No,
        };
        let Some(tip) = &change.tip else { return Err(change.no_base(vec![])) };
        let found = self.ask(self.host.compare(tip, head).await)?;
        let Some(CommitComparison { merge_base, .. }) = found else {
            let what =
                format!("it finds no common commit of {tip}, the base of the event, and {head}");
            return Err(self.absent(&what));
        };
        if merge_base == head && position == Position::Beyond {
            return Err(change.not_it(head));
        }
        let reason = change.reason_of_merge_base(&position, tip, true, &moved);
        let name = change.branch.as_deref().unwrap_or(&merge_base);
        Ok(self.found(&merge_base, name, reason))
    }

    async fn position(
        &self,
        head: &str,
        merge_ref: Option<&str>,
        change: &ChangeRequest,
    ) -> Result<Position, SourceError> {
        // The head itself needs no request.
        let parents = if change.head.as_deref() == Some(head) {
            Vec::new()
        } else {
            let commit = self.ask(self.host.commit(head).await)?;
            commit.ok_or_else(|| self.absent(&format!("it has no commit {head}")))?.parents
        };
        if let Some(position) = change.position(head, &parents, merge_ref) {
            return Ok(position);
        }
        let Some(wanted) = &change.head else { return Err(change.not_it(head)) };
        match self.ask(self.host.compare(wanted, head).await)? {
            Some(CommitComparison { behind: 0, .. }) => Ok(Position::Beyond),
            _ => Err(change.not_it(head)),
        }
    }

    /// A failure is not an error here: the base of a merge is its first parent.
    async fn moved(&self, head: &str, change: &ChangeRequest) -> Moved {
        let Some(branch) = &change.branch else { return Moved::No };
        match self.host.compare(branch, head).await {
            Ok(Some(found)) => Moved::of(&found),
            Ok(None) => Moved::Gone,
            Err(why) => Moved::Unknown(why),
        }
    }

    fn found(&self, commit: &str, name: &str, reason: String) -> FoundBase {
        let reason = format!("{reason}; read from {}", self.host.name());
        let revision = Revision { commit: commit.to_owned(), name: name.to_owned() };
        (revision, reason, BaseDivergence::Nothing)
    }
}

impl Moved {
    fn of(found: &CommitComparison) -> Self {
        match found.behind {
            0 => Self::No,
            commits => Self::By(Some(commits)),
        }
    }
}
