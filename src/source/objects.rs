//! Access to a revision's objects: by git, or by the repository's host ([`super::remote_repo`]).

use std::collections::BTreeMap;

use super::SourceError;
use super::git::Git;
use super::git_queries::TreeBlob;

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    pub(super) hash: String,
    /// From the root of the repository.
    pub(super) path: String,
    /// The path is not UTF-8, and `path` is only similar.
    pub(super) odd_name: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Symlink,
    Submodule,
    Directory,
}

impl EntryKind {
    /// By the mode of a tree entry, as written by git.
    pub(super) fn of_mode(mode: &str) -> Self {
        match mode {
            "120000" => Self::Symlink,
            "160000" => Self::Submodule,
            "040000" => Self::Directory,
            _ => Self::File,
        }
    }
}

impl Entry {
    pub(super) fn blob(&self) -> TreeBlob {
        TreeBlob { hash: self.hash.clone(), path: self.path.clone() }
    }
}

/// A file's content, or why it cannot be read, as a clause.
pub(super) type BlobContent = Result<Vec<u8>, String>;

/// The objects of a repository.
pub(super) trait Objects {
    /// The entries of a commit's tree with these paths, without their contents.
    async fn at(&self, commit: &str, paths: &[String]) -> Result<Vec<Entry>, SourceError>;

    /// The files, links and submodules at and below these paths; of the whole tree if there are none.
    async fn below(&self, commit: &str, paths: &[String]) -> Result<Vec<Entry>, SourceError>;

    /// Stored contents, by their hashes.
    async fn stored(&self, hashes: &[String]) -> Result<BTreeMap<String, Vec<u8>>, SourceError>;

    /// Contents as a checkout of the commit would write them.
    async fn checked_out(
        &self,
        commit: &str,
        files: &[TreeBlob],
    ) -> Result<BTreeMap<TreeBlob, BlobContent>, SourceError>;
}

impl Objects for Git {
    async fn at(&self, commit: &str, paths: &[String]) -> Result<Vec<Entry>, SourceError> {
        let mut entries = parse(&self.list_tree(commit, false, paths).await?)?;
        // To find `a/b`, git also lists all of `a` if that was requested.
        entries.retain(|entry| paths.contains(&entry.path));
        Ok(entries)
    }

    async fn below(&self, commit: &str, paths: &[String]) -> Result<Vec<Entry>, SourceError> {
        parse(&self.list_tree(commit, true, paths).await?)
    }

    async fn stored(&self, hashes: &[String]) -> Result<BTreeMap<String, Vec<u8>>, SourceError> {
        self.blobs(hashes).await
    }

    async fn checked_out(
        &self,
        commit: &str,
        files: &[TreeBlob],
    ) -> Result<BTreeMap<TreeBlob, BlobContent>, SourceError> {
        let contents = Git::checked_out(self, commit, files).await?;
        Ok(contents.into_iter().map(|(file, bytes)| (file, Ok(bytes))).collect())
    }
}

/// `<mode> <type> <hash>\t<path>\0`, repeated.
fn parse(answer: &[u8]) -> Result<Vec<Entry>, SourceError> {
    let entries = answer.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let text = String::from_utf8_lossy(entry);
            let parsed = text.split_once('\t').and_then(|(header, path)| {
                let mut words = header.split(' ');
                let kind = EntryKind::of_mode(words.next()?);
                let hash = words.nth(1)?.to_owned();
                let odd_name = std::str::from_utf8(entry).is_err();
                Some(Entry { kind, hash, path: path.to_owned(), odd_name })
            });
            parsed.ok_or_else(|| SourceError::Answer {
                command: "git ls-tree -z".into(),
                problem: text.into_owned(),
            })
        })
        .collect()
}
