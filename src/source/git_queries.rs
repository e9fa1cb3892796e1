//! Queries of git, in one function per query.

use std::collections::BTreeMap;

use super::SourceError;
use super::git::{Git, LOCAL_LIMIT, REMOTE_LIMIT, display};

/// A ref that may be the default branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DefaultBranchRef {
    /// `origin/main`, or `main` for a local one.
    pub(super) name: String,
    pub(super) commit: String,
}

/// A file of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TreeBlob {
    pub(super) hash: String,
    /// From the root of the repository: its attributes depend on it.
    pub(super) path: String,
}

impl TreeBlob {
    /// `git cat-file --batch` reads a line, and trims all whitespace after the hash: builtin/cat-file.c.
    fn fits_a_line(&self) -> bool {
        !self.path.starts_with(' ') && !self.path.contains(char::is_control)
    }
}

impl Git {
    /// The full hash of the commit of a revision, if this clone has it.
    pub(super) async fn commit(&self, revision: &str) -> Result<Option<String>, SourceError> {
        // Text that begins with a dash would be an option, and is never a revision.
        if revision.starts_with('-') || revision.is_empty() {
            return Ok(None);
        }
        let commit = format!("{revision}^{{commit}}");
        self.line_or_one(&["rev-parse", "--verify", "--quiet", &commit]).await
    }

    /// The commit that is checked out; `None` before the first one.
    pub(super) async fn head(&self) -> Result<Option<String>, SourceError> {
        if let Some(commit) = self.commit("HEAD").await? {
            return Ok(Some(commit));
        }
        // A branch without a commit has no hash. This reads the hash, and does not check that its commit exists.
        match self.line_or_one(&["rev-parse", "--verify", "--quiet", "HEAD"]).await? {
            None => Ok(None),
            Some(commit) => {
                Err(SourceError::Damaged { commit, toplevel: self.toplevel().to_owned() })
            }
        }
    }

    /// The best common ancestors of two commits; none if they have no common history (or not in this clone).
    pub(super) async fn merge_bases(&self, a: &str, b: &str) -> Result<Vec<String>, SourceError> {
        let bases = self.line_or_one(&["merge-base", "--all", a, b]).await?;
        Ok(bases.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    /// The number of commits that `of` has and `head` does not have, in this clone.
    pub(super) async fn count_missing(&self, head: &str, of: &str) -> Result<u64, SourceError> {
        let range = format!("{head}..{of}");
        let args = ["rev-list", "--count", &range];
        let count = self.text(&args).await?;
        count
            .trim()
            .parse()
            .map_err(|_| SourceError::Answer { command: display(&args), problem: count })
    }

    pub(super) async fn is_shallow(&self) -> Result<bool, SourceError> {
        Ok(self.text(&["rev-parse", "--is-shallow-repository"]).await?.trim() == "true")
    }

    /// Whether HEAD is on no branch, as in CI.
    pub(super) async fn is_detached(&self) -> Result<bool, SourceError> {
        Ok(self.line_or_one(&["symbolic-ref", "--quiet", "HEAD"]).await?.is_none())
    }

    /// Whether the project's folder differs from the commit: changed, staged or untracked files (not ignored ones).
    pub(super) async fn is_dirty(&self) -> Result<bool, SourceError> {
        let prefix = self.prefix().as_str();
        let scope = if prefix.is_empty() { "." } else { prefix };
        let scope = format!(":(literal){scope}");
        let status = self
            .text(&["--no-optional-locks", "status", "--porcelain", "-z", "--", &scope])
            .await?;
        Ok(!status.is_empty())
    }

    /// Existing refs that may be the default branch, the best first: origin/HEAD's, origin/main, origin/master, main, master.
    pub(super) async fn default_branches(&self) -> Result<Vec<DefaultBranchRef>, SourceError> {
        const HEAD: &str = "refs/remotes/origin/HEAD";
        let refs = [
            HEAD,
            "refs/remotes/origin/main",
            "refs/remotes/origin/master",
            "refs/heads/main",
            "refs/heads/master",
        ];
        let mut args = vec!["for-each-ref", "--format=%(refname) %(objectname) %(symref)"];
        args.extend(refs);
        let answer = self.text(&args).await?;
        let mut found: Vec<(usize, DefaultBranchRef)> = Vec::new();
        for line in answer.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(commit)) = (words.next(), words.next()) else { continue };
            let target = words.next().filter(|target| !target.is_empty()).unwrap_or(name);
            let Some(rank) = refs.iter().position(|wanted| *wanted == name) else { continue };
            found.push((
                rank,
                DefaultBranchRef { name: short(target).to_owned(), commit: commit.to_owned() },
            ));
        }
        found.sort_by_key(|(rank, _)| *rank);
        let mut branches: Vec<DefaultBranchRef> =
            found.into_iter().map(|(_, branch)| branch).collect();
        // origin/HEAD occurs again under the name that it points to.
        let mut seen = Vec::new();
        branches.retain(|branch| {
            let new = !seen.contains(&branch.name);
            seen.push(branch.name.clone());
            new
        });
        Ok(branches)
    }

    /// The refs below `refs/remotes/` that point to a commit: `refs/remotes/pull/7/merge`.
    pub(super) async fn remote_refs_at(&self, commit: &str) -> Result<Vec<String>, SourceError> {
        let at = format!("--points-at={commit}");
        let refs =
            self.text(&["for-each-ref", "--format=%(refname)", &at, "refs/remotes/"]).await?;
        Ok(refs.lines().map(str::to_owned).collect())
    }

    /// The parents in a commit object, even if they are missing: a shallow clone hides them from `rev-parse`.
    pub(super) async fn named_parents(&self, commit: &str) -> Result<Vec<String>, SourceError> {
        let text = self.text(&["cat-file", "commit", commit]).await?;
        let header = text.split("\n\n").next().unwrap_or_default();
        Ok(header
            .lines()
            .filter_map(|line| line.strip_prefix("parent "))
            .map(str::to_owned)
            .collect())
    }

    /// The entries of a commit's tree below (or at) the paths, NUL-separated; `recursive` omits directories.
    pub(super) async fn list_tree(
        &self,
        commit: &str,
        recursive: bool,
        paths: &[String],
    ) -> Result<Vec<u8>, SourceError> {
        let mut args = vec!["ls-tree", "-z", "--full-tree"];
        if recursive {
            args.push("-r");
        }
        args.extend([commit, "--"]);
        args.extend(paths.iter().map(String::as_str));
        self.bytes(&args, Vec::new(), LOCAL_LIMIT).await
    }

    /// The stored contents of blobs, by their hashes, read with one process.
    pub(super) async fn blobs(
        &self,
        hashes: &[String],
    ) -> Result<BTreeMap<String, Vec<u8>>, SourceError> {
        if hashes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let args = ["cat-file", "--batch"];
        let mut input = hashes.join("\n").into_bytes();
        input.push(b'\n');
        // In a partial clone git fetches missing objects.
        let answer = self.bytes(&args, input, REMOTE_LIMIT).await?;
        parse_batch(&answer)
            .map_err(|problem| SourceError::Answer { command: display(&args), problem })
    }

    /// The names of the remotes.
    pub(super) async fn remotes(&self) -> Result<Vec<String>, SourceError> {
        Ok(self.text(&["remote"]).await?.lines().map(str::to_owned).collect())
    }

    /// The contents of files as a checkout of the commit would write them: with line ends, encodings and filters of its
    /// attributes and the configuration.
    pub(super) async fn checked_out(
        &self,
        commit: &str,
        files: &[TreeBlob],
    ) -> Result<BTreeMap<TreeBlob, Vec<u8>>, SourceError> {
        let (plain, odd): (Vec<&TreeBlob>, Vec<&TreeBlob>) =
            files.iter().partition(|file| file.fits_a_line());
        let git = self.with_attributes_of(commit);
        let mut contents = BTreeMap::new();
        if !plain.is_empty() {
            // Git returns the sizes of the blobs here, not of the converted contents. Therefore each answer begins with an
            // unpredictable word.
            let mark = uuid::Uuid::new_v4().simple().to_string();
            let format = format!("--batch={mark} %(objectname) %(objecttype)");
            let args = ["cat-file", &format, "--filters"];
            let lines = plain.iter().map(|file| format!("{} {}\n", file.hash, file.path));
            let input = lines.collect::<String>().into_bytes();
            // In a partial clone git fetches missing objects.
            let answer = git.bytes(&args, input, REMOTE_LIMIT).await?;
            let bytes = parse_marked(&answer, &mark, &plain)
                .map_err(|problem| SourceError::Answer { command: display(&args), problem })?;
            contents.extend(plain.into_iter().cloned().zip(bytes));
        }
        for file in odd {
            let path = format!("--path={}", file.path);
            let args = ["cat-file", "--filters", &path, &file.hash];
            contents.insert(file.clone(), git.bytes(&args, Vec::new(), REMOTE_LIMIT).await?);
        }
        Ok(contents)
    }

    /// The remote's answer for some refs: lines of a hash (or `ref: …`), a tab, and a name.
    pub(super) async fn remote_refs(&self, patterns: &[&str]) -> Result<String, SourceError> {
        let mut args = vec!["ls-remote", "--symref", "origin"];
        args.extend(patterns);
        let bytes = self.bytes(&args, Vec::new(), REMOTE_LIMIT).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Fetches commits by hash, with `depth` as an option (`--depth=1`, `--deepen=50`, `--unshallow`; all of their history
    /// without one), and moves no ref: an empty refmap leaves the remote-tracking branches unchanged.
    pub(super) async fn fetch(
        &self,
        depth: Option<&str>,
        commits: &[&str],
    ) -> Result<(), SourceError> {
        let mut args = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
        args.extend(["--no-recurse-submodules", "--refmap="]);
        args.extend(depth);
        args.push("origin");
        args.extend(commits);
        self.bytes(&args, Vec::new(), REMOTE_LIMIT).await.map(drop)
    }
}

/// `refs/remotes/origin/main` as `origin/main`.
fn short(name: &str) -> &str {
    name.strip_prefix("refs/remotes/").or_else(|| name.strip_prefix("refs/heads/")).unwrap_or(name)
}

/// `<hash> blob <size>
/// <bytes>
/// `, repeated.
fn parse_batch(mut answer: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut blobs = BTreeMap::new();
    while !answer.is_empty() {
        let end = answer.iter().position(|byte| *byte == b'\n').ok_or("a header without an end")?;
        let header = String::from_utf8_lossy(&answer[..end]).into_owned();
        let words: Vec<&str> = header.split(' ').collect();
        let [hash, "blob", size] = words[..] else { return Err(header) };
        let size: usize = size.parse().map_err(|_| header.clone())?;
        let body = &answer[end + 1..];
        let bytes = body.get(..size).ok_or_else(|| format!("{header}: cut short"))?;
        blobs.insert(hash.to_owned(), bytes.to_vec());
        answer = body.get(size + 1..).unwrap_or_default();
    }
    Ok(blobs)
}

/// `<mark> <hash> blob
/// <bytes>
/// ` for each of the files, in their order.
fn parse_marked(answer: &[u8], mark: &str, files: &[&TreeBlob]) -> Result<Vec<Vec<u8>>, String> {
    let mut rest = answer;
    let mut contents = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let header = format!("{mark} {} blob\n", file.hash);
        let Some(body) = rest.strip_prefix(header.as_bytes()) else {
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            return Err(format!("{}: {}", file.path, String::from_utf8_lossy(line)));
        };
        let end = match files.get(at + 1) {
            None => body.len().checked_sub(1),
            Some(_) => find(body, format!("\n{mark} ").as_bytes()),
        };
        let Some(end) = end.filter(|end| body[*end] == b'\n') else {
            return Err(format!("{}: cut short, or what follows it is missing", file.path));
        };
        contents.push(body[..end].to_vec());
        rest = &body[end + 1..];
    }
    Ok(contents)
}

/// The position of `needle`.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blobs_with_any_content() {
        let answer = b"aa blob 4\nx\n\0y\nbb blob 0\n\n";
        let blobs = parse_batch(answer).unwrap();
        assert_eq!(blobs["aa"], b"x\n\0y");
        assert_eq!(blobs["bb"], b"");
    }

    #[test]
    fn reads_files_between_marks() {
        let file = |hash: &str| TreeBlob { hash: hash.into(), path: format!("{hash}.sql") };
        let (a, b) = (file("aa"), file("bb"));
        let answer = b"X aa blob\n\nX\r\n\nX bb blob\n\n";
        assert_eq!(parse_marked(answer, "X", &[&a, &b]).unwrap(), [b"\nX\r\n".to_vec(), vec![]]);
        let missing = parse_marked(b"X aa blob\n1\nbb missing\n", "X", &[&a, &b]);
        assert_eq!(missing.unwrap_err(), "aa.sql: cut short, or what follows it is missing");
        assert_eq!(parse_marked(b"aa missing\n", "X", &[&a]).unwrap_err(), "aa.sql: aa missing");
        assert!(parse_marked(b"X aa blob\n", "X", &[&a]).is_err());
    }

    #[test]
    fn a_missing_or_truncated_blob_is_an_error() {
        assert_eq!(parse_batch(b"aa missing\n").unwrap_err(), "aa missing");
        assert_eq!(parse_batch(b"aa blob 4\nx").unwrap_err(), "aa blob 4: cut short");
        assert!(parse_batch(b"aa blob").is_err());
    }
}
