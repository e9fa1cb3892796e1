//! Whether HEAD contains a commit: by git, and where git cannot tell, by the repository's host.

use camino::Utf8Path;

use super::SourceError;
use super::git::Git;
use super::remote_repo::{self, CommitComparison, RemoteRepo};

/// `None` if neither can determine it.
pub(crate) async fn head_contains(
    root: &Utf8Path,
    commit: &str,
    remote_repo: Option<&RemoteRepo>,
) -> Option<bool> {
    if let Ok(Some(answer)) = by_git(root, commit).await {
        return Some(answer);
    }
    let remote_repo = remote_repo?;
    let head = match Git::discover(root) {
        Ok(Some(git)) => git.head().await.ok().flatten(),
        _ => None,
    };
    let head = head.or_else(|| remote_repo::head(root).map(|head| head.commit))?;
    match remote_repo.host.compare(commit, &head).await {
        Ok(Some(CommitComparison { behind, .. })) => Some(behind == 0),
        // Without a common ancestor.
        Ok(None) => Some(false),
        Err(_) => None,
    }
}

async fn by_git(root: &Utf8Path, commit: &str) -> Result<Option<bool>, SourceError> {
    let Some(git) = Git::discover(root)? else { return Ok(None) };
    let Some(head) = git.head().await? else { return Ok(None) };
    let is_here = git.commit(commit).await?.is_some();
    if is_here && git.merge_bases(&head, commit).await?.iter().any(|base| base == commit) {
        return Ok(Some(true));
    }
    // In a partial history, a commit that is not found may be older than its end.
    Ok((!git.is_shallow().await?).then_some(false))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::RepositoryHost;
    use crate::source::testing::{GitHost, TestRepository};

    #[tokio::test]
    async fn git_and_the_host_agree() {
        let origin = TestRepository::new();
        let first = origin.commit("m/1.sql", "one");
        let second = origin.commit("m/2.sql", "two");
        origin.git(&["checkout", "--quiet", "-b", "other", &first]);
        let other = origin.commit("m/3.sql", "three");
        origin.git(&["update-ref", "refs/pull/7/head", &second]);
        let full = origin.clone(&["--branch=main"]);
        let shallow = origin.checkout_action("refs/pull/7/head", 1);
        let host = Arc::new(GitHost::of(&origin)) as Arc<dyn RepositoryHost>;
        let remote_repo = RemoteRepo { host, folder: shallow.path().to_owned(), commit: None };
        for (commit, contains) in [(&first, true), (&second, true), (&other, false)] {
            assert_eq!(head_contains(full.path(), commit, None).await, Some(contains));
            let by_host = head_contains(shallow.path(), commit, Some(&remote_repo)).await;
            assert_eq!(by_host, Some(contains), "{commit}");
        }
        assert_eq!(head_contains(shallow.path(), &first, None).await, None);
        assert_eq!(head_contains(full.path(), &"1".repeat(40), None).await, Some(false));
    }
}
