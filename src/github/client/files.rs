//! Files of a commit without git: docs.github.com, "REST API endpoints for Git trees" and "… for Git blobs".

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::GithubClient;
use super::pulls::check_hash;
use crate::github::error::{GithubError, GithubProblem, Operation};

/// All files of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Tree {
    #[serde(rename = "tree")]
    pub(crate) entries: Vec<TreeEntry>,
    /// The tree has over 100,000 entries or 7 MB: the list is incomplete, and absence from it means nothing.
    #[serde(default)]
    pub(crate) truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TreeEntry {
    /// From the repository's root.
    pub(crate) path: String,
    /// `100644`, `100755`, `120000` (a link), `040000` (a folder), `160000` (a submodule).
    pub(crate) mode: String,
    /// Git's object hash, which is equal for the same content in any other commit.
    pub(crate) sha: String,
}

#[derive(Deserialize)]
struct BlobResponse {
    content: String,
    encoding: String,
}

/// Requests on the files of a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RepositoryFiles<'a>(pub(super) &'a GithubClient);

impl RepositoryFiles<'_> {
    /// The entries of a commit or a tree; those in its folders too if `recursive`.
    pub(crate) async fn tree(self, sha: &str, recursive: bool) -> Result<Tree, GithubError> {
        check_hash(Operation::ReadTree, sha)?;
        // Any value means yes, also `0` and `false`.
        let query = if recursive { "?recursive=1" } else { "" };
        self.0.get(Operation::ReadTree, &self.0.route(&format!("git/trees/{sha}{query}"))).await
    }

    /// The content of a file, up to GitHub's limit of 100 MB.
    pub(crate) async fn blob(self, sha: &str) -> Result<Vec<u8>, GithubError> {
        let operation = Operation::ReadFile;
        check_hash(operation, sha)?;
        let blob: BlobResponse =
            self.0.get(operation, &self.0.route(&format!("git/blobs/{sha}"))).await?;
        let not = |reason: String| GithubError::new(operation, GithubProblem::NotJson { reason });
        match blob.encoding.as_str() {
            "base64" => {
                // GitHub adds line breaks.
                let text: String = blob.content.split_ascii_whitespace().collect();
                BASE64_STANDARD.decode(text).map_err(|error| not(error.to_string()))
            }
            "utf-8" => Ok(blob.content.into_bytes()),
            _ => {
                Err(not("the file has an encoding that GitHub's API does not document".to_owned()))
            }
        }
    }
}
