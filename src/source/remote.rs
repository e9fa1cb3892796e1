//! Queries origin, and fetches missing commits: as few as possible, with an error that lists all attempts.
//!
//! A clone lacks commits if it is shallow, or if it contains one branch, as created by GitLab. No ref is stored, so the next
//! run in the same clone queries again.

use super::SourceError;
use super::git::Git;
use super::git_queries::DefaultBranchRef;

/// The number of commits that each round of deepening adds, before all of the history is fetched.
const ROUNDS: [u32; 3] = [50, 250, 1250];

/// The commit of `--base REV` that this clone does not have: a branch, a tag or a full hash of the remote.
pub(super) async fn fetch_named(git: &Git, name: &str) -> Result<String, SourceError> {
    let mut tried = vec![format!("git rev-parse {name}: no such commit")];
    let unknown =
        |tried: Vec<String>| SourceError::UnknownRevision { revision: name.to_owned(), tried };
    if name.starts_with('-') || name.is_empty() {
        return Err(unknown(tried));
    }
    if let Err(reason) = origin(git).await? {
        tried.push(reason);
        return Err(unknown(tried));
    }
    let commit = if is_full_hash(name) {
        name.to_owned()
    } else {
        match remote_commit(git, name).await {
            Ok(Some(commit)) => commit,
            Ok(None) => {
                tried.push(format!("git ls-remote origin {name}: no such branch or tag"));
                tried.push("only branches, tags and full hashes can be fetched from origin".into());
                return Err(unknown(tried));
            }
            Err(error) => {
                tried.push(error.to_string());
                return Err(unknown(tried));
            }
        }
    };
    if git.commit(&commit).await?.is_none()
        && let Err(error) = fetch_one(git, &commit).await
    {
        tried.push(error.to_string());
    }
    // Converts a tag's hash to that of its commit.
    git.commit(&commit).await?.ok_or_else(|| unknown(tried))
}

/// Fetches a commit if it is missing. `wanted` describes it in an error.
pub(super) async fn need(git: &Git, commit: &str, wanted: String) -> Result<(), SourceError> {
    if git.commit(commit).await?.is_some() {
        return Ok(());
    }
    let mut tried = vec![format!("git rev-parse {commit}: not in this clone")];
    if let Err(error) = fetch_one(git, commit).await {
        tried.push(error.to_string());
    }
    match git.commit(commit).await? {
        Some(_) => Ok(()),
        None => Err(SourceError::BaseMissing { wanted, tried }),
    }
}

/// The relation of `origin` to a repository with that name.
pub(super) enum OriginMatch {
    /// There is no remote.
    None,
    Ours,
    /// Its branches are not those of the repository, with the reason.
    Other(String),
}

/// The owner of a fork controls its `main`. A path on this machine has no such name, and is a copy.
pub(super) async fn origin_of(git: &Git, repository: &str) -> Result<OriginMatch, SourceError> {
    if let Err(why) = origin(git).await? {
        let is_alone = git.remotes().await?.is_empty();
        return Ok(if is_alone { OriginMatch::None } else { OriginMatch::Other(why) });
    }
    let url = git.text(&["remote", "get-url", "origin"]).await?;
    Ok(match name_of(url.trim_end()) {
        Some(name) if !name.eq_ignore_ascii_case(repository) => {
            OriginMatch::Other(format!("origin is {name}, but the base repository is {repository}"))
        }
        _ => OriginMatch::Ours,
    })
}

/// `owner/name` of a URL or an `ssh` address.
fn name_of(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split_once('/')?.1,
        // `git@github.com:acme/shop`; a path has no colon before its first slash.
        None => url.split_once(':').filter(|(host, _)| !host.contains('/'))?.1,
    };
    let path = path.trim_end_matches('/');
    let mut parts = path.strip_suffix(".git").unwrap_or(path).rsplit('/');
    let (name, owner) = (parts.next()?, parts.next()?);
    Some(format!("{owner}/{name}"))
}

/// The tip of a branch of origin; `None` if there is no such branch.
pub(super) async fn branch(git: &Git, name: &str) -> Result<Option<String>, SourceError> {
    let wanted = format!("refs/heads/{name}");
    let answer = git.remote_refs(&[&wanted]).await?;
    let lines = answer.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.into_iter().find(|(_, name)| *name == wanted).map(|(hash, _)| hash.to_owned()))
}

/// The default branch according to the remote, for a clone without a ref of it. Afterwards the clone has its commit. `None` if
/// there is no remote, and the history is complete.
pub(super) async fn default_branch(git: &Git) -> Result<Option<DefaultBranchRef>, SourceError> {
    let wanted = "the default branch";
    let mut tried =
        vec!["origin/HEAD, origin/main, origin/master, main, master: none exists".to_owned()];
    if let Err(reason) = origin(git).await? {
        if git.remotes().await?.is_empty() && !git.is_shallow().await? {
            return Ok(None);
        }
        tried.push(reason);
        return Err(SourceError::BaseMissing { wanted: wanted.into(), tried });
    }
    let answer = match git.remote_refs(&["HEAD"]).await {
        Ok(answer) => answer,
        Err(error) => {
            tried.push(error.to_string());
            return Err(SourceError::BaseMissing { wanted: wanted.into(), tried });
        }
    };
    let Some((name, commit)) = parse_remote_head(&answer) else {
        tried.push("git ls-remote --symref origin HEAD: the remote names no branch".into());
        return Err(SourceError::BaseMissing { wanted: wanted.into(), tried });
    };
    let branch = DefaultBranchRef { name: format!("origin/{name}"), commit };
    if git.commit(&branch.commit).await?.is_none()
        && let Err(error) = fetch_one(git, &branch.commit).await
    {
        tried.push(error.to_string());
        return Err(SourceError::BaseMissing { wanted: branch.name, tried });
    }
    Ok(Some(branch))
}

/// Whether there is an `origin` to query; otherwise the reason.
async fn origin(git: &Git) -> Result<Result<(), String>, SourceError> {
    let remotes = git.remotes().await?;
    Ok(if remotes.iter().any(|name| name == "origin") {
        Ok(())
    } else if remotes.is_empty() {
        Err("nothing was fetched: there is no remote".into())
    } else {
        Err(format!("nothing was fetched: there is no remote origin, only {}", remotes.join(", ")))
    })
}

/// Fetches one commit. Into a shallow clone it is fetched alone; into a complete one with its history, because a depth would
/// truncate the existing history.
async fn fetch_one(git: &Git, commit: &str) -> Result<(), SourceError> {
    let depth = git.is_shallow().await?.then_some("--depth=1");
    git.fetch(depth, &[commit]).await
}

/// Fetches history of both sides until they meet.
///
/// # Errors
/// [`SourceError::BaseMissing`] if the history cannot be fetched, [`SourceError::Unrelated`] if there is no more of it.
pub(super) async fn deepen_to_merge_base(
    git: &Git,
    head: &str,
    branch: &DefaultBranchRef,
) -> Result<Vec<String>, SourceError> {
    let mut tried = vec![format!("git merge-base HEAD {}: none in the local history", branch.name)];
    let rounds = ROUNDS.iter().map(|commits| format!("--deepen={commits}"));
    for depth in rounds.chain(["--unshallow".to_owned()]) {
        // A fetch of both fails as a whole if HEAD was never pushed; the other side alone may be sufficient then.
        let both = git.fetch(Some(&depth), &[&branch.commit, head]).await;
        if let Err(error) = both {
            tried.push(error.to_string());
            if let Err(error) = git.fetch(Some(&depth), &[&branch.commit]).await {
                tried.push(error.to_string());
                break;
            }
        }
        let bases = git.merge_bases(head, &branch.commit).await?;
        if !bases.is_empty() {
            return Ok(bases);
        }
        if !git.is_shallow().await? {
            return Err(SourceError::Unrelated { branch: branch.name.clone() });
        }
        tried.push(format!("git fetch {depth}: still no common commit"));
    }
    Err(SourceError::BaseMissing {
        wanted: format!("merge base of HEAD with {}", branch.name),
        tried,
    })
}

/// The hash of a branch or tag on the remote. `origin/main` means the remote's `main`.
async fn remote_commit(git: &Git, name: &str) -> Result<Option<String>, SourceError> {
    let plain = name.strip_prefix("origin/").unwrap_or(name);
    let plain = plain.strip_prefix("refs/remotes/origin/").unwrap_or(plain);
    let candidates = [name.to_owned(), format!("refs/heads/{plain}"), format!("refs/tags/{plain}")];
    // A pattern without `refs/` would match the ends of other names.
    let patterns: Vec<&str> =
        candidates.iter().map(String::as_str).filter(|name| name.starts_with("refs/")).collect();
    let answer = git.remote_refs(&patterns).await?;
    let hash_of = |wanted: &str| {
        answer.lines().find_map(|line| {
            let (hash, name) = line.split_once('\t')?;
            (name == wanted).then(|| hash.to_owned())
        })
    };
    Ok(patterns.iter().find_map(|wanted| hash_of(wanted)))
}

/// `ref: refs/heads/main\tHEAD` and `<hash>\tHEAD`.
fn parse_remote_head(answer: &str) -> Option<(String, String)> {
    let lines = || answer.lines().filter_map(|line| line.strip_suffix("\tHEAD"));
    let name = lines().find_map(|line| line.strip_prefix("ref: refs/heads/"))?;
    let commit = lines().find(|line| !line.starts_with("ref: "))?;
    Some((name.to_owned(), commit.to_owned()))
}

/// A full SHA-1 or SHA-256 hash. Servers do not resolve abbreviations.
fn is_full_hash(name: &str) -> bool {
    matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::revisions::BaseRequest;
    use crate::source::testing::TestRepository;

    /// `main` and `feature`, many commits apart; `main` is checked out.
    fn long_history() -> (TestRepository, String) {
        let repository = TestRepository::new();
        repository.commit("m/1.sql", "one");
        let fork = repository.commit("m/2.sql", "two");
        repository.git(&["checkout", "--quiet", "-b", "feature"]);
        repository.commit("m/3.sql", "three");
        (0..60).for_each(|_| drop(repository.commit_all("more")));
        repository.git(&["checkout", "--quiet", "main"]);
        (0..3).for_each(|_| drop(repository.commit_all("other")));
        (repository, fork)
    }

    #[test]
    fn the_name_of_a_repository_is_read_from_its_address() {
        for (url, name) in [
            ("https://github.com/acme/shop", Some("acme/shop")),
            ("https://x-access-token:s3cret@git.example:8443/acme/shop.git/", Some("acme/shop")),
            ("ssh://git@github.com/acme/shop.git", Some("acme/shop")),
            ("git@github.com:acme/shop.git", Some("acme/shop")),
            ("file:///srv/acme/shop", None),
            ("/srv/a:b/shop", None),
            ("../shop", None),
        ] {
            assert_eq!(name_of(url).as_deref(), name, "{url}");
        }
    }

    async fn base_of(clone: &TestRepository, request: BaseRequest) -> Result<String, SourceError> {
        let found = clone.revisions(&request).await?;
        Ok(found.base.revision.unwrap().commit)
    }

    #[tokio::test]
    async fn a_clone_of_one_branch_fetches_the_default_branch_and_deepens() {
        let (origin, fork) = long_history();
        let clone = origin.clone(&["--depth=1", "--branch=feature"]);
        let before = clone.git(&["for-each-ref"]);
        assert_eq!(base_of(&clone, BaseRequest::Default).await.unwrap(), fork);
        assert_eq!(clone.git(&["for-each-ref"]), before, "no ref moves");
        assert!(!clone.path().join(".git/FETCH_HEAD").exists());
    }

    #[tokio::test]
    async fn the_second_run_in_a_shallow_clone_has_the_same_base() {
        let (origin, fork) = long_history();
        let clone = origin.clone(&["--depth=1", "--branch=feature"]);
        for run in ["first", "second"] {
            assert_eq!(base_of(&clone, BaseRequest::Default).await.unwrap(), fork, "{run}");
        }
        // The clone is no longer shallow, and still has no ref of main.
        assert_eq!(clone.git(&["rev-parse", "--is-shallow-repository"]), "false");
        for name in ["main", "origin/main"] {
            let found = base_of(&clone, BaseRequest::Revision(name.into())).await.unwrap();
            assert_eq!(found, origin.git(&["rev-parse", "main"]), "{name}");
        }
    }

    #[tokio::test]
    async fn a_complete_clone_of_one_branch_queries_the_remote_and_stays_complete() {
        let (origin, fork) = long_history();
        let tip = origin.git(&["rev-parse", "main"]);
        for (request, commit) in [
            (BaseRequest::Default, &fork),
            (BaseRequest::Revision("origin/main".into()), &tip),
            (BaseRequest::Revision(tip.clone()), &tip),
        ] {
            let clone = origin.clone(&["--single-branch", "--branch=feature"]);
            let before = clone.git(&["for-each-ref"]);
            assert_eq!(base_of(&clone, request.clone()).await.unwrap(), *commit, "{request:?}");
            assert_eq!(clone.git(&["for-each-ref"]), before, "no ref moves");
            assert_eq!(clone.git(&["rev-parse", "--is-shallow-repository"]), "false");
            assert_eq!(clone.git(&["rev-list", "--count", &tip]), "5", "all of its history");
        }
    }

    #[tokio::test]
    async fn a_complete_clone_whose_remote_is_unavailable_is_an_error() {
        let (origin, _) = long_history();
        let clone = origin.clone(&["--single-branch", "--branch=feature"]);
        clone.git(&["remote", "rename", "origin", "upstream"]);
        let error = base_of(&clone, BaseRequest::Default).await.unwrap_err().to_string();
        assert!(error.contains("there is no remote origin, only upstream"), "{error}");
        clone.git(&["remote", "rename", "upstream", "origin"]);
        drop(origin);
        let error = base_of(&clone, BaseRequest::Default).await.unwrap_err();
        assert!(matches!(error, SourceError::BaseMissing { .. }), "{error}");
        assert!(error.to_string().contains("--no-base"), "{error}");
    }

    #[tokio::test]
    async fn a_shallow_clone_without_a_remote_is_an_error() {
        let (origin, _) = long_history();
        let clone = origin.clone(&["--depth=1", "--branch=feature"]);
        clone.git(&["remote", "remove", "origin"]);
        let error = base_of(&clone, BaseRequest::Default).await.unwrap_err().to_string();
        assert!(error.contains("there is no remote"), "{error}");
    }

    #[tokio::test]
    async fn commits_that_were_never_pushed_do_not_stop_the_deepening() {
        let (origin, fork) = long_history();
        let clone = origin.clone(&["--depth=1", "--no-single-branch", "--branch=feature"]);
        clone.commit("m/4.sql", "four");
        assert_eq!(base_of(&clone, BaseRequest::Default).await.unwrap(), fork);
    }

    #[tokio::test]
    async fn a_named_base_is_fetched_alone() {
        let (origin, _) = long_history();
        let tip = origin.git(&["rev-parse", "main"]);
        origin.git(&["tag", "-a", "-m", "x", "v1", "main~2"]);
        let tagged = origin.git(&["rev-parse", "v1^{commit}"]);
        for (name, commit) in
            [("main", &tip), ("origin/main", &tip), (tip.as_str(), &tip), ("v1", &tagged)]
        {
            let clone = origin.clone(&["--depth=1", "--branch=feature"]);
            let request = BaseRequest::Revision(name.into());
            assert_eq!(base_of(&clone, request).await.unwrap(), *commit, "{name}");
            let count = clone.git(&["rev-list", "--count", commit]);
            assert_eq!(count, "1", "{name}: no more than was needed");
        }
    }

    #[tokio::test]
    async fn a_name_unknown_to_the_remote_is_an_error() {
        let (origin, _) = long_history();
        let clone = origin.clone(&["--depth=1", "--branch=feature"]);
        let error = base_of(&clone, BaseRequest::Revision("nowhere".into())).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("git ls-remote origin nowhere: no such branch or tag"), "{text}");
    }

    #[tokio::test]
    async fn an_unavailable_remote_is_an_error() {
        let (origin, _) = long_history();
        let clone = origin.clone(&["--depth=1", "--branch=feature"]);
        drop(origin);
        let error = base_of(&clone, BaseRequest::Default).await.unwrap_err();
        assert!(matches!(error, SourceError::BaseMissing { .. }), "{error}");
        assert!(error.to_string().contains("git ls-remote"), "{error}");
    }

    #[test]
    fn reads_the_remotes_head() {
        let answer = "ref: refs/heads/trunk\tHEAD\nabc\tHEAD\n";
        assert_eq!(parse_remote_head(answer), Some(("trunk".into(), "abc".into())));
        assert_eq!(parse_remote_head("abc\tHEAD\n"), None);
    }
}
