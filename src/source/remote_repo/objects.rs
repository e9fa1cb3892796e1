//! A revision's objects from its host: one listing, and only those contents that the checkout does not already have, identified
//! by git's hash of the content.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sha1::Digest as _;

use super::{RepositoryHost, TreeListing, checked, failure};
use crate::model::Files as _;
use crate::source::git_queries::TreeBlob;
use crate::source::objects::{BlobContent, Entry, EntryKind, Objects};
use crate::source::{SourceError, Worktree};

/// The maximum number of concurrent requests. Source: docs.github.com, "Best practices for using the REST API": few.
const CONCURRENT_REQUESTS: usize = 4;
/// Source: the specification of git-lfs, `docs/spec.md`.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

#[derive(Debug)]
pub(super) struct HostObjects<'a> {
    host: &'a dyn RepositoryHost,
    /// All files of the checkout.
    worktree: &'a Worktree,
    listings: Mutex<BTreeMap<(String, bool), Arc<TreeListing>>>,
}

impl<'a> HostObjects<'a> {
    pub(super) fn new(host: &'a dyn RepositoryHost, worktree: &'a Worktree) -> Self {
        Self { host, worktree, listings: Mutex::default() }
    }

    /// Each listing is requested once.
    async fn listing(&self, hash: &str, recursive: bool) -> Result<Arc<TreeListing>, SourceError> {
        let key = (hash.to_owned(), recursive);
        let lock = || self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        checked(self.host, hash)?;
        let asked = self.host.tree(hash, recursive).await;
        let listing = Arc::new(asked.map_err(|reason| failure(self.host, reason))?);
        lock().insert(key, Arc::clone(&listing));
        Ok(listing)
    }

    /// The entry of one path in a tree too big for one listing: folder by folder.
    async fn walk(&self, commit: &str, path: &str) -> Result<Option<Entry>, SourceError> {
        let mut hash = commit.to_owned();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let listing = self.whole(&hash, false).await?;
            let Some(found) = entries(&listing, "").find(|entry| entry.path == part) else {
                return Ok(None);
            };
            match (parts.peek(), found.kind) {
                (None, _) => return Ok(Some(Entry { path: path.to_owned(), ..found })),
                (Some(_), EntryKind::Directory) => hash = found.hash,
                (Some(_), _) => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn whole(&self, hash: &str, recursive: bool) -> Result<Arc<TreeListing>, SourceError> {
        let listing = self.listing(hash, recursive).await?;
        if listing.truncated {
            let reason = "its list of the base's files is too long and was truncated; mig-ci uses git for the base where \
                          git is installed: run it on the runner itself"
                .to_owned();
            return Err(failure(self.host, reason));
        }
        Ok(listing)
    }

    /// A folder of a tree too big for one listing: its own listing, or that of a single file.
    async fn below_one(&self, commit: &str, path: &str) -> Result<Vec<Entry>, SourceError> {
        match self.walk(commit, path).await? {
            Some(Entry { kind: EntryKind::Directory, hash, .. }) => {
                let listing = self.whole(&hash, true).await?;
                Ok(entries(&listing, &format!("{path}/")).filter(is_leaf).collect())
            }
            found => Ok(found.into_iter().collect()),
        }
    }

    async fn fetch(&self, hash: &str) -> Result<Vec<u8>, SourceError> {
        checked(self.host, hash)?;
        let bytes = self.host.blob(hash).await.map_err(|reason| failure(self.host, reason))?;
        if hash_of(&bytes, hash.len()) != hash {
            let reason =
                format!("the content that it returned for the file {hash} has another hash");
            return Err(failure(self.host, reason));
        }
        Ok(bytes)
    }

    /// A file as the checkout would contain it: from the checkout itself if it has the same content.
    async fn content(&self, file: &TreeBlob) -> Result<BlobContent, SourceError> {
        let here = self.worktree.read(file.path.as_str().into()).ok().flatten();
        if let Some(bytes) = &here
            && is_stored_as(bytes, &file.hash)
        {
            return Ok(Ok(bytes.clone()));
        }
        let bytes = self.fetch(&file.hash).await?;
        if !bytes.starts_with(LFS_POINTER) {
            return Ok(Ok(bytes));
        }
        Ok(here.filter(|here| is_behind(&bytes, here)).ok_or_else(|| {
            "it is stored in git-lfs, so its content at the base cannot be read without git"
                .to_owned()
        }))
    }
}

impl Objects for HostObjects<'_> {
    async fn at(&self, commit: &str, paths: &[String]) -> Result<Vec<Entry>, SourceError> {
        let all = self.listing(commit, true).await?;
        if !all.truncated {
            let wanted = |entry: &Entry| paths.contains(&entry.path);
            return Ok(entries(&all, "").filter(wanted).collect());
        }
        let mut found = Vec::new();
        for path in paths {
            found.extend(self.walk(commit, path).await?);
        }
        Ok(found)
    }

    async fn below(&self, commit: &str, paths: &[String]) -> Result<Vec<Entry>, SourceError> {
        let all = self.listing(commit, true).await?;
        if !all.truncated {
            let is_at_or_below = |entry: &Entry| {
                let below = |path: &String| entry.path.strip_prefix(path.as_str());
                let rest = paths.iter().find_map(below);
                paths.is_empty()
                    || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            return Ok(entries(&all, "").filter(is_leaf).filter(is_at_or_below).collect());
        }
        if paths.is_empty() {
            self.whole(commit, true).await?;
        }
        let mut found = Vec::new();
        for path in paths {
            found.extend(self.below_one(commit, path).await?);
        }
        Ok(found)
    }

    async fn stored(&self, hashes: &[String]) -> Result<BTreeMap<String, Vec<u8>>, SourceError> {
        let each = async |hash: &String| Ok((hash.clone(), self.fetch(hash).await?));
        stream::iter(hashes.iter().map(each)).buffered(CONCURRENT_REQUESTS).try_collect().await
    }

    async fn checked_out(
        &self,
        _commit: &str,
        files: &[TreeBlob],
    ) -> Result<BTreeMap<TreeBlob, BlobContent>, SourceError> {
        let each = async |file: &TreeBlob| Ok((file.clone(), self.content(file).await?));
        stream::iter(files.iter().map(each)).buffered(CONCURRENT_REQUESTS).try_collect().await
    }
}

/// The listing's entries, their paths below `prefix`.
fn entries(listing: &TreeListing, prefix: &str) -> impl Iterator<Item = Entry> {
    listing.entries.iter().map(move |entry| Entry {
        kind: EntryKind::of_mode(&entry.mode),
        hash: entry.hash.clone(),
        path: format!("{prefix}{}", entry.path),
        // JSON cannot express it otherwise.
        odd_name: entry.path.contains(char::REPLACEMENT_CHARACTER),
    })
}

fn is_leaf(entry: &Entry) -> bool {
    entry.kind != EntryKind::Directory
}

/// Whether git would store this content under this hash, with its line ends unchanged or converted to LF: a checkout may have
/// converted them.
pub(crate) fn is_stored_as(bytes: &[u8], hash: &str) -> bool {
    let same = |bytes: &[u8]| hash_of(bytes, hash.len()) == hash;
    same(bytes) || bytes.contains(&b'\r') && same(&with_unix_line_ends(bytes))
}

fn with_unix_line_ends(bytes: &[u8]) -> Vec<u8> {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    let pairs = bytes.iter().zip(next).filter(|pair| *pair != (&b'\r', Some(&b'\n')));
    pairs.map(|(byte, _)| *byte).collect()
}

/// Whether this is the content that a pointer of git-lfs refers to.
fn is_behind(pointer: &[u8], bytes: &[u8]) -> bool {
    let hash = format!("oid sha256:{}", hex::encode(sha2::Sha256::digest(bytes)));
    pointer.split(|byte| *byte == b'\n').any(|line| line == hash.as_bytes())
}

/// Source: gitformat-loose(5): the kind, the length in bytes, a zero, and the content. `length` is that of the hash as text.
fn hash_of(bytes: &[u8], length: usize) -> String {
    let header = format!("blob {}\0", bytes.len());
    match length {
        64 => hex::encode(sha2::Sha256::new().chain_update(header).chain_update(bytes).finalize()),
        _ => hex::encode(sha1::Sha1::new().chain_update(header).chain_update(bytes).finalize()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_contents_equal_gits() {
        // `printf 'a
        // b
        // ' | git hash-object --stdin`, and the same in a SHA-256 repository.
        let sha1 = "422c2b7ab3b3c668038da977e4e93a5fc623169c";
        assert_eq!(hash_of(b"a\nb\n", 40), sha1);
        assert!(is_stored_as(b"a\nb\n", sha1) && is_stored_as(b"a\r\nb\r\n", sha1));
        assert!(!is_stored_as(b"a\rb\n", sha1) && !is_stored_as(b"a\n\nb\n", sha1));
        assert_eq!(with_unix_line_ends(b"\r\r\na\r\n\r"), b"\r\na\n\r");
    }
}
