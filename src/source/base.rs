//! Determines the base revision, and the reason that the report shows for it or for its absence.

use camino::{Utf8Path, Utf8PathBuf};

use super::branch_line::newest_on_line;
use super::change::{HostQueries, base_by_git};
use super::git::Git;
use super::git_queries::DefaultBranchRef;
use super::remote_repo::{self, RemoteRepo};
use super::revisions::{
    Base, BaseDivergence, BaseRequest, FoundRevision, HeadRevision, Revision, Revisions,
};
use super::{SourceError, remote, sparse, tree};

/// Finds base and head of the project at `root`, and reads the base's files at and below `paths`, which are relative to `root`;
/// an empty path means all files. Git is used first; if it is not available or does not have the base, the host of the
/// repository is used, if there is one.
///
/// # Errors
/// If a base should exist and cannot be read. The absence of a base is not an error: see [`Base::reason`].
pub(crate) async fn read_revisions(
    root: &Utf8Path,
    request: &BaseRequest,
    paths: &[Utf8PathBuf],
    remote_repo: Option<&RemoteRepo>,
) -> Result<Revisions, SourceError> {
    sparse::check(root, paths)?;
    let queries = if remote_repo.is_some() { HostQueries::Host } else { HostQueries::GitAlone };
    let error = match read_at(root, request, paths, queries).await {
        // Without a base, git is not required: the action's image does not contain it.
        Err(SourceError::GitMissing { .. }) if *request == BaseRequest::None => {
            return Ok(Revisions::without(NOT_WANTED, remote_repo::head(root)));
        }
        Err(error) if error.is_lack() => error,
        read => return read,
    };
    let Some(remote_repo) = remote_repo else { return Err(error) };
    let head = match read_at(root, &BaseRequest::None, &[], HostQueries::GitAlone).await {
        Ok(revisions) => revisions.head,
        Err(_) => None,
    };
    let failed = match remote_repo.read(root, request, paths, head).await {
        Ok(revisions) => return Ok(revisions),
        Err(failed) => failed,
    };
    // The event names a commit of the base branch, which git may have.
    if let (BaseRequest::Change(_), SourceError::Host { .. }) = (request, &failed)
        && let Ok(revisions) = read_at(root, request, paths, HostQueries::GitAlone).await
    {
        return Ok(revisions);
    }
    Err(failed.after(error))
}

async fn read_at(
    root: &Utf8Path,
    request: &BaseRequest,
    paths: &[Utf8PathBuf],
    queries: HostQueries,
) -> Result<Revisions, SourceError> {
    match Git::discover(root)? {
        Some(git) => read_with_queries(&git, request, paths, queries).await,
        None => match request {
            BaseRequest::Revision(revision) => {
                Err(SourceError::NoCheckout { revision: revision.clone(), root: root.to_owned() })
            }
            BaseRequest::Change(change) => Err(SourceError::NoCheckout {
                revision: format!("of {}", change.title),
                root: root.to_owned(),
            }),
            // A download without git still has a base.
            BaseRequest::Default if queries == HostQueries::Host => Err(SourceError::NoCheckout {
                revision: "of the default branch".into(),
                root: root.to_owned(),
            }),
            BaseRequest::Default => {
                Ok(Revisions::without("the project is not in a git checkout", None))
            }
            BaseRequest::None => Ok(Revisions::without(NOT_WANTED, None)),
        },
    }
}

const NOT_WANTED: &str = "no base was requested";

/// The same, in a checkout and with git only.
#[cfg(test)]
pub(super) async fn read_with(
    git: &Git,
    request: &BaseRequest,
    paths: &[Utf8PathBuf],
) -> Result<Revisions, SourceError> {
    read_with_queries(git, request, paths, HostQueries::GitAlone).await
}

async fn read_with_queries(
    git: &Git,
    request: &BaseRequest,
    paths: &[Utf8PathBuf],
    queries: HostQueries,
) -> Result<Revisions, SourceError> {
    let head = match git.head().await? {
        Some(commit) => Some(HeadRevision { commit, dirty: Some(git.is_dirty().await?) }),
        None => None,
    };
    let found = match (request, &head) {
        (BaseRequest::None, _) => Err(NOT_WANTED.to_owned()),
        (BaseRequest::Revision(revision), _) => Ok(named(git, revision).await?),
        (BaseRequest::Change(change), Some(head)) => {
            Ok(base_by_git(git, &head.commit, change, queries).await?)
        }
        (BaseRequest::Default, Some(head)) => default(git, &head.commit).await?,
        (BaseRequest::Default | BaseRequest::Change(_), None) => {
            Err("the git repository has no commit yet".into())
        }
    };
    let (revision, reason) = match found {
        Ok(found) => found,
        Err(reason) => return Ok(Revisions::without(&reason, head)),
    };
    let files = tree::read(git, git.place(), &revision.commit, paths).await?;
    let divergence = match (request, &head) {
        (BaseRequest::Revision(_), Some(head)) => {
            divergence(git, &head.commit, &revision.commit).await?
        }
        _ => BaseDivergence::Nothing,
    };
    let base = Base { revision: Some(revision), reason, divergence, files: Some(files) };
    Ok(Revisions { base, head })
}

async fn divergence(git: &Git, head: &str, base: &str) -> Result<BaseDivergence, SourceError> {
    Ok(match git.count_missing(head, base).await? {
        0 => BaseDivergence::Nothing,
        _ if git.is_shallow().await? => BaseDivergence::Unknown,
        commits => BaseDivergence::Commits(commits),
    })
}

/// `--base REV`: exactly this revision.
async fn named(git: &Git, name: &str) -> Result<FoundRevision, SourceError> {
    let commit = match git.commit(name).await? {
        Some(commit) => commit,
        None => remote::fetch_named(git, name).await?,
    };
    Ok((Revision { commit, name: name.to_owned() }, format!("{name}, as requested")))
}

/// The base if none was named; `Err` in the inner result is the reason why there is none.
async fn default(git: &Git, head: &str) -> Result<Result<FoundRevision, String>, SourceError> {
    if let Some(found) = pull_request(git, head).await? {
        return Ok(Ok(found));
    }
    let branches = git.default_branches().await?;
    let known = match branches.first() {
        Some(branch) => Some(branch.clone()),
        None => remote::default_branch(git).await?,
    };
    let Some(branch) = known else {
        return Ok(Err("no default branch was found: neither origin/HEAD, nor a branch main or master, on origin or local; \
                       and there is no remote to query"
            .into()));
    };
    let mut bases = git.merge_bases(head, &branch.commit).await?;
    if bases.is_empty() {
        if !git.is_shallow().await? {
            return Err(SourceError::Unrelated { branch: branch.name });
        }
        bases = remote::deepen_to_merge_base(git, head, &branch).await?;
    }
    let reason = reason(&branch, &branches, bases.len());
    let own = newest_on_line(git, head, &branch.commit, &bases).await?;
    let Some(commit) = own.or_else(|| bases.into_iter().next()) else {
        return Err(SourceError::Unrelated { branch: branch.name });
    };
    Ok(Ok((Revision { commit, name: branch.name }, reason)))
}

fn reason(
    branch: &DefaultBranchRef,
    candidates: &[DefaultBranchRef],
    merge_bases: usize,
) -> String {
    let mut reason = format!("merge base of HEAD with {}", branch.name);
    if merge_bases > 1 {
        reason += &format!(
            " (of {merge_bases} merge bases, the newest state of {} that HEAD contains)",
            branch.name
        );
    }
    // A local main next to origin/main is not mentioned; main next to master is.
    let side = |name: &str| name.starts_with("origin/");
    let others: Vec<&str> = candidates
        .iter()
        .filter(|other| side(&other.name) == side(&branch.name) && other.name != branch.name)
        .map(|other| other.name.as_str())
        .collect();
    if !others.is_empty() {
        reason += &format!("; {} also exists and was not used", others.join(", "));
    }
    reason
}

/// The merge commit that GitHub creates for a pull request has the base as its first parent.
///
/// It is recognised by its ref (`refs/remotes/pull/7/merge`), or, in a shallow clone with a single commit, as a detached merge
/// whose parents are missing. A merge commit on a branch was created by an author, and does not count.
async fn pull_request(git: &Git, head: &str) -> Result<Option<FoundRevision>, SourceError> {
    let parents = git.named_parents(head).await?;
    let [base, _] = parents.as_slice() else { return Ok(None) };
    let refs = git.remote_refs_at(head).await?;
    let by_ref = refs
        .iter()
        .find(|name| name.starts_with("refs/remotes/pull/") && name.ends_with("/merge"))
        .and_then(|name| name.strip_prefix("refs/remotes/"));
    let is_here = git.commit(base).await?.is_some();
    if by_ref.is_none() && (is_here || !git.is_detached().await?) {
        return Ok(None);
    }
    let wanted = format!("{base}, the first parent of the merge commit HEAD");
    remote::need(git, base, wanted).await?;
    let reason = match by_ref {
        Some(name) => format!("first parent of the merge commit HEAD ({name})"),
        None => "first parent of the merge commit HEAD, which is the only commit of the clone, as usual in CI for pull \
                 requests"
            .into(),
    };
    Ok(Some((Revision { commit: base.clone(), name: base.clone() }, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{TestRepository, contents};

    /// `main` with two commits, `feature` with one more after the first.
    fn forked() -> (TestRepository, String) {
        let repository = TestRepository::new();
        let first = repository.commit("m/1.sql", "one");
        repository.commit("m/2.sql", "two");
        repository.git(&["checkout", "--quiet", "-b", "feature", &first]);
        repository.commit("m/3.sql", "three");
        (repository, first)
    }

    /// The state of `origin` for an open pull request: `main`, and GitHub's merge commit of it.
    fn with_pull_request() -> (TestRepository, String) {
        let (repository, _) = forked();
        repository.git(&["checkout", "--quiet", "--detach", "main"]);
        let base = repository.git(&["rev-parse", "HEAD"]);
        repository.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", "feature"]);
        repository.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
        repository.git(&["checkout", "--quiet", "feature"]);
        (repository, base)
    }

    fn names(base: &Base) -> Vec<String> {
        let files = contents(base.files.as_ref().unwrap());
        files.into_iter().map(|(path, _)| path.into_string()).collect()
    }

    fn commit(base: &Base) -> &str {
        &base.revision.as_ref().unwrap().commit
    }

    #[tokio::test]
    async fn outside_of_a_checkout_there_is_no_base() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().try_into().unwrap();
        let found = read_revisions(root, &BaseRequest::Default, &[], None).await.unwrap();
        assert_eq!(found.base.reason, "the project is not in a git checkout");
        assert!(found.base.revision.is_none() && found.head.is_none());

        let request = BaseRequest::Revision("main".into());
        let error = read_revisions(root, &request, &[], None).await.unwrap_err().to_string();
        assert!(error.contains("cannot read the base revision \"main\""), "{error}");
    }

    #[tokio::test]
    async fn before_the_first_commit_there_is_no_base() {
        let repository = TestRepository::new();
        let found = repository.revisions(&BaseRequest::Default).await.unwrap();
        assert_eq!(found.base.reason, "the git repository has no commit yet");
        assert_eq!(found.head, None);
    }

    #[tokio::test]
    async fn a_head_whose_commit_is_missing_is_an_error() {
        let (repository, _) = forked();
        let head = repository.git(&["rev-parse", "HEAD"]);
        for detached in [false, true] {
            if detached {
                repository.git(&["checkout", "--quiet", "--detach"]);
            }
            let objects = repository.path().join(".git/objects");
            let aside = repository.path().join("aside");
            std::fs::rename(&objects, &aside).unwrap();
            std::fs::create_dir(&objects).unwrap();
            for request in [BaseRequest::Default, BaseRequest::None] {
                let error = repository.revisions(&request).await.unwrap_err();
                assert!(matches!(error, SourceError::Damaged { .. }), "{error}");
                assert!(error.to_string().contains(&head), "{error}");
            }
            std::fs::remove_dir(&objects).unwrap();
            std::fs::rename(&aside, &objects).unwrap();
        }
    }

    #[tokio::test]
    async fn without_a_default_branch_there_is_no_base() {
        let repository = TestRepository::new();
        repository.commit("m/1.sql", "one");
        repository.git(&["branch", "-m", "trunk"]);
        let found = repository.revisions(&BaseRequest::Default).await.unwrap();
        assert!(found.base.reason.starts_with("no default branch was found"));
        assert!(found.base.files.is_none());
        assert_eq!(found.head.unwrap().dirty, Some(false));
    }

    #[tokio::test]
    async fn a_local_main_is_used_without_a_remote() {
        let (repository, first) = forked();
        let found = repository.revisions(&BaseRequest::Default).await.unwrap();
        assert_eq!(found.base.reason, "merge base of HEAD with main");
        assert_eq!(commit(&found.base), first);
        assert_eq!(names(&found.base), ["m/1.sql"]);
    }

    #[tokio::test]
    async fn the_remotes_head_precedes_main_and_master() {
        let (origin, first) = forked();
        origin.git(&["branch", "master", "main"]);
        origin.git(&["checkout", "--quiet", "main"]);
        origin.git(&["branch", "-m", "trunk"]);
        let clone = origin.clone(&[]);
        clone.git(&["checkout", "--quiet", "feature"]);
        let found = clone.revisions(&BaseRequest::Default).await.unwrap();
        assert_eq!(
            found.base.reason,
            "merge base of HEAD with origin/trunk; origin/master also exists and was not used"
        );
        assert_eq!(commit(&found.base), first);
    }

    #[tokio::test]
    async fn a_detached_head_and_a_linked_worktree_have_the_same_base() {
        let (repository, first) = forked();
        repository.git(&["checkout", "--quiet", "--detach", "feature"]);
        let found = repository.revisions(&BaseRequest::Default).await.unwrap();
        assert_eq!(commit(&found.base), first);

        let folder = tempfile::tempdir().unwrap();
        let linked = folder.path().join("linked");
        repository.git(&["worktree", "add", "--quiet", linked.to_str().unwrap(), "feature"]);
        let root = linked.as_path().try_into().unwrap();
        let found = read_revisions(root, &BaseRequest::Default, &["m".into()], None).await.unwrap();
        assert_eq!(commit(&found.base), first);
        assert_eq!(names(&found.base), ["m/1.sql"]);
    }

    #[tokio::test]
    async fn a_named_revision_is_used_exactly() {
        let (repository, _) = forked();
        repository.git(&["tag", "-a", "-m", "x", "v1", "main"]);
        let found = repository.revisions(&BaseRequest::Revision("v1".into())).await.unwrap();
        assert_eq!(commit(&found.base), repository.git(&["rev-parse", "main"]));
        assert_eq!(found.base.reason, "v1, as requested");
        assert_eq!(names(&found.base), ["m/1.sql", "m/2.sql"]);
    }

    #[tokio::test]
    async fn missing_commits_of_a_named_revision_are_counted() {
        let (repository, first) = forked();
        repository.git(&["checkout", "--quiet", "main"]);
        repository.commit("m/4.sql", "four");
        repository.git(&["checkout", "--quiet", "feature"]);
        let named = |name: &str| BaseRequest::Revision(name.into());
        for (request, divergence) in [
            (named("main"), BaseDivergence::Commits(2)),
            (named(&first), BaseDivergence::Nothing),
            (named("HEAD"), BaseDivergence::Nothing),
            (BaseRequest::Default, BaseDivergence::Nothing),
        ] {
            let found = repository.revisions(&request).await.unwrap();
            assert_eq!(found.base.divergence, divergence, "{request:?}");
        }
        let clone = repository.clone(&["--depth=1", "--branch=feature"]);
        let found = clone.revisions(&named("main")).await.unwrap();
        assert_eq!(found.base.divergence, BaseDivergence::Unknown);
    }

    #[tokio::test]
    async fn an_unknown_revision_is_an_error_that_lists_the_attempts() {
        let (repository, _) = forked();
        for name in ["nowhere", "--help", ""] {
            let request = BaseRequest::Revision(name.into());
            let error = repository.revisions(&request).await.unwrap_err();
            assert!(matches!(error, SourceError::UnknownRevision { .. }), "{error}");
            assert!(error.to_string().contains("tried: git rev-parse"), "{error}");
        }
    }

    #[tokio::test]
    async fn no_base_on_request() {
        let (repository, _) = forked();
        let found = repository.revisions(&BaseRequest::None).await.unwrap();
        assert_eq!(found.base.reason, "no base was requested");
        assert!(found.base.revision.is_none() && found.head.is_some());
    }

    #[tokio::test]
    async fn unrelated_histories_are_an_error() {
        let (repository, _) = forked();
        repository.git(&["checkout", "--quiet", "--orphan", "other"]);
        repository.commit("m/9.sql", "nine");
        let error = repository.revisions(&BaseRequest::Default).await.unwrap_err();
        assert!(matches!(error, SourceError::Unrelated { .. }), "{error}");
    }

    #[tokio::test]
    async fn only_changes_of_the_project_make_the_head_dirty() {
        let repository = TestRepository::new();
        repository.commit("p/m/1.sql", "one");
        let project = repository.path().join("p");
        let dirty = async || {
            let git = Git::discover_with(&project, "git".into()).unwrap().unwrap();
            read_with(&git, &BaseRequest::None, &[]).await.unwrap().head.unwrap().dirty
        };
        repository.write("elsewhere.sql", "");
        assert_eq!(dirty().await, Some(false));
        repository.write("p/m/2.sql", "");
        assert_eq!(dirty().await, Some(true));
    }

    #[tokio::test]
    async fn a_pull_requests_merge_commit_names_the_base() {
        let (origin, base) = with_pull_request();
        for depth in [1, 2, 100] {
            let clone = origin.checkout_action("refs/pull/7/merge", depth);
            let found = clone.revisions(&BaseRequest::Default).await.unwrap();
            assert_eq!(commit(&found.base), base, "depth {depth}");
            assert_eq!(found.base.reason, "first parent of the merge commit HEAD (pull/7/merge)");
            assert_eq!(names(&found.base), ["m/1.sql", "m/2.sql"]);
        }
    }

    #[tokio::test]
    async fn a_shallow_merge_commit_names_the_base() {
        let (origin, base) = with_pull_request();
        let clone = origin.checkout_action("refs/pull/7/merge", 1);
        clone.git(&["update-ref", "-d", "refs/remotes/pull/7/merge"]);
        let found = clone.revisions(&BaseRequest::Default).await.unwrap();
        assert_eq!(commit(&found.base), base);
        assert!(found.base.reason.contains("the only commit of the clone"));
    }

    #[tokio::test]
    async fn a_merge_on_a_branch_is_not_a_pull_requests_merge() {
        // "Merge main into feature": its first parent is the feature's own commit, and would hide what the feature adds.
        let (origin, _) = forked();
        origin.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", "main"]);
        origin.git(&["branch", "topic"]);
        origin.git(&["checkout", "--quiet", "main"]);
        let clone = origin.clone(&["--depth=1", "--branch=topic"]);
        let found = clone.revisions(&BaseRequest::Default).await.unwrap();
        assert_eq!(commit(&found.base), origin.git(&["rev-parse", "main"]));
    }

    #[tokio::test]
    async fn a_parent_that_cannot_be_fetched_is_an_error_with_advice() {
        let (origin, base) = with_pull_request();
        let clone = origin.checkout_action("refs/pull/7/merge", 1);
        drop(origin);
        let error = clone.revisions(&BaseRequest::Default).await.unwrap_err();
        assert!(matches!(error, SourceError::BaseMissing { .. }), "{error}");
        let text = error.to_string();
        for part in [base.as_str(), "git fetch", "fetch-depth: 0", "--base", "--no-base"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
