//! Reads the checked-out commit without git.
//!
//! Source: gitrepository-layout(5). Refs are read as files and from `packed-refs`; other storage (reftables) is not supported,
//! and the commit is then unknown.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

/// The maximum length of a chain of symbolic refs (`ref: refs/heads/main`). Git's own limit.
const MOST_HOPS: usize = 5;

/// The git folder of a checkout.
#[derive(Debug)]
pub(super) struct Checkout {
    /// Contains HEAD.
    own: Utf8PathBuf,
    /// Contains the refs: the same folder, unless this is a linked worktree.
    common: Utf8PathBuf,
}

impl Checkout {
    /// `None` if `toplevel` contains no readable git folder.
    pub(super) fn open(toplevel: &Utf8Path) -> Option<Self> {
        let path = toplevel.join(".git");
        let own = if path.is_file() {
            // A submodule, or a linked worktree.
            let text = fs::read_to_string(&path).ok()?;
            toplevel.join(text.trim_end().strip_prefix("gitdir: ")?)
        } else {
            path
        };
        let common = match fs::read_to_string(own.join("commondir")) {
            Ok(text) => own.join(text.trim_end()),
            Err(_) => own.clone(),
        };
        own.join("HEAD").is_file().then_some(Self { own, common })
    }

    /// The commit that is checked out.
    pub(super) fn commit(&self) -> Option<String> {
        let mut text = fs::read_to_string(self.own.join("HEAD")).ok()?;
        for _ in 0..MOST_HOPS {
            let value = text.trim_end();
            match value.strip_prefix("ref: ") {
                None => return is_hash(value).then(|| value.to_owned()),
                Some(name) => text = self.reference(name)?,
            }
        }
        None
    }

    /// The index, and the length of its hashes in bytes.
    pub(super) fn index(&self) -> Option<(Vec<u8>, usize)> {
        let hash = self.commit()?.len() / 2;
        Some((fs::read(self.own.join("index")).ok()?, hash))
    }

    /// The name of the pull request's merge ref for this commit, as fetched by actions/checkout: `pull/7/merge`.
    pub(super) fn merge_at(&self, commit: &str) -> Option<String> {
        const PULLS: &str = "refs/remotes/pull";
        let is_merge = |name: &str| name.strip_suffix("/merge").is_some_and(is_number);
        let loose = fs::read_dir(self.common.join(PULLS)).into_iter().flatten();
        let loose = loose.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let loose = loose.map(|number| format!("{number}/merge"));
        let packed = self.packed();
        let packed = packed
            .iter()
            .filter_map(|(name, _)| name.strip_prefix(PULLS)?.strip_prefix('/').map(str::to_owned));
        let mut names = loose.chain(packed).filter(|name| is_merge(name));
        let found = names.find(|name| {
            self.reference(&format!("{PULLS}/{name}")).is_some_and(|at| at.trim_end() == commit)
        });
        found.map(|name| format!("pull/{name}"))
    }

    fn reference(&self, name: &str) -> Option<String> {
        // The name comes from a file, and is used as a path.
        let is_plain = name.starts_with("refs/") && name.split('/').all(|part| part != "..");
        if !is_plain {
            return None;
        }
        let loose = fs::read_to_string(self.common.join(name)).ok();
        let packed = || self.packed().into_iter().find(|(known, _)| known == name);
        loose.or_else(|| packed().map(|(_, hash)| hash))
    }

    /// Names and hashes.
    fn packed(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.common.join("packed-refs")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let known = lines.filter(|(hash, _)| is_hash(hash));
        known.map(|(hash, name)| (name.to_owned(), hash.to_owned())).collect()
    }
}

/// A full SHA-1 or SHA-256 hash.
pub(super) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::TestRepository;

    fn commit_of(repository: &TestRepository) -> Option<String> {
        Checkout::open(repository.path())?.commit()
    }

    #[test]
    fn the_commit_is_that_of_git() {
        let repository = TestRepository::new();
        assert_eq!(commit_of(&repository), None, "there is no commit yet");
        let commit = repository.commit("m/1.sql", "one");
        assert_eq!(commit_of(&repository).as_ref(), Some(&commit), "a loose ref");
        repository.git(&["pack-refs", "--all"]);
        assert_eq!(commit_of(&repository).as_ref(), Some(&commit), "a packed one");
        let second = repository.commit("m/2.sql", "two");
        assert_eq!(commit_of(&repository), Some(second), "the loose one is newer");
        repository.git(&["checkout", "--quiet", "--detach", &commit]);
        assert_eq!(commit_of(&repository), Some(commit), "no ref");
    }

    #[test]
    fn a_linked_worktree_has_its_own() {
        let repository = TestRepository::new();
        repository.commit("m/1.sql", "one");
        let holder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(holder.path()).unwrap().join("linked");
        repository.git(&["worktree", "add", "--quiet", "-b", "other", folder.as_str()]);
        let commit = repository.commit("m/2.sql", "two");
        let linked = Checkout::open(&folder).unwrap();
        assert_eq!(linked.commit(), Some(repository.git(&["rev-parse", "other"])));
        assert_ne!(linked.commit(), Some(commit));
    }

    #[test]
    fn a_pull_requests_merge_is_recognised_by_its_ref() {
        let repository = TestRepository::new();
        let commit = repository.commit("m/1.sql", "one");
        let merge = || Checkout::open(repository.path()).unwrap().merge_at(&commit);
        assert_eq!(merge(), None);
        repository.git(&["update-ref", "refs/remotes/pull/7/merge", "HEAD"]);
        repository.git(&["update-ref", "refs/remotes/pull/x/merge", "HEAD"]);
        assert_eq!(merge().as_deref(), Some("pull/7/merge"));
        repository.git(&["pack-refs", "--all"]);
        assert_eq!(merge().as_deref(), Some("pull/7/merge"));
        repository.commit("m/2.sql", "two");
        repository.git(&["update-ref", "refs/remotes/pull/7/merge", "HEAD"]);
        assert_eq!(merge(), None, "the branch has moved");
    }

    #[test]
    fn a_folder_without_git_has_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        assert!(Checkout::open(path).is_none());
        fs::create_dir(path.join(".git")).unwrap();
        assert!(Checkout::open(path).is_none());
        for head in ["ref: ../../etc/passwd", "ref: refs/heads/../../HEAD", "nonsense", ""] {
            fs::write(path.join(".git/HEAD"), head).unwrap();
            assert_eq!(Checkout::open(path).unwrap().commit(), None, "{head}");
        }
    }
}
