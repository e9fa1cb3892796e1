//! Commits, trees and files of a real repository on this disk.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::fault::refusal;
use super::state::{PULL_REQUEST, REPOSITORY, State};

type Answer = (u16, Value);

impl State {
    /// The response to a request for revisions, by the segments of its path below the repository's.
    pub(super) fn revision(&self, parts: &[&str], recursive: &str) -> Answer {
        match parts {
            ["commits", reference] => self.commit(reference),
            ["compare", both] => self.comparison(both),
            ["git", "commits", sha] => self.git_commit(sha),
            ["git", "trees", sha] => self.tree(sha, !recursive.is_empty()),
            ["git", "blobs", sha] => self.blob(sha),
            _ => refusal("not found"),
        }
    }

    /// `commits/{ref}`: the commit of a branch, a tag or a hash.
    fn commit(&self, reference: &str) -> Answer {
        match self.resolve(reference) {
            Some(sha) => (200, self.whole_commit(&sha)),
            None => no_commit(reference),
        }
    }

    /// `git/commits/{sha}`.
    fn git_commit(&self, sha: &str) -> Answer {
        let Some(sha) = self.resolve(sha) else { return refusal("not found") };
        let whole = self.whole_commit(&sha);
        let mut commit = whole["commit"].clone();
        let fields = commit.as_object_mut().unwrap();
        fields.remove("comment_count");
        for field in ["sha", "node_id", "html_url", "parents"] {
            fields.insert(field.to_owned(), whole[field].clone());
        }
        (200, commit)
    }

    /// `compare/{base}...{head}`.
    fn comparison(&self, both: &str) -> Answer {
        let (base, head) = both.split_once("...").unwrap_or((both, ""));
        let (Some(base), Some(head)) = (self.resolve(base), self.resolve(head)) else {
            return refusal("not found");
        };
        let Some(merge_base) = self.git(&["merge-base", &base, &head]) else {
            return refusal("not found");
        };
        let count = |range: String| {
            let count = self.git(&["rev-list", "--count", &range]).unwrap();
            count.parse::<u64>().unwrap()
        };
        let (ahead, behind) = (count(format!("{base}..{head}")), count(format!("{head}..{base}")));
        let status = match (ahead, behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        };
        let page = format!("https://github.com/{REPOSITORY}/compare/{both}");
        let body = json!({
            "url": self.address(&format!("compare/{both}")),
            "html_url": page, "permalink_url": page,
            "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
            "base_commit": self.whole_commit(&base),
            "merge_base_commit": self.whole_commit(&merge_base),
            "status": status, "ahead_by": ahead, "behind_by": behind, "total_commits": ahead,
            "commits": [], "files": [],
        });
        (200, body)
    }

    fn tree(&self, sha: &str, recursive: bool) -> Answer {
        if let Some(tree) = self.trees.get(sha) {
            return (200, tree.clone());
        }
        let flags: &[&str] = if recursive { &["-r", "-t"] } else { &[] };
        let listed = [&["ls-tree", "-z", "-l", "--full-tree"], flags, &[sha]].concat();
        let Some(listed) = self.git(&listed) else { return refusal("not found") };
        let lines = listed.split('\0').filter(|line| !line.is_empty());
        let entries = lines.map(|line| {
            let (header, path) = line.split_once('\t').unwrap();
            let words: Vec<&str> = header.split_ascii_whitespace().collect();
            let [mode, kind, hash, size] = words[..] else { panic!("{line}") };
            let mut entry = json!({ "path": path, "mode": mode, "type": kind, "sha": hash });
            if let Ok(size) = size.parse::<u64>() {
                entry["size"] = json!(size);
            }
            entry
        });
        let tree = self.git(&["rev-parse", &format!("{sha}^{{tree}}")]).unwrap();
        let url = self.address(&format!("git/trees/{tree}"));
        let entries: Vec<_> = entries.collect();
        (200, json!({ "sha": tree, "url": url, "tree": entries, "truncated": false }))
    }

    fn blob(&self, sha: &str) -> (u16, Value) {
        use base64::Engine as _;
        let Some(content) = self.content(sha) else { return refusal("not found") };
        let text = base64::prelude::BASE64_STANDARD.encode(&content);
        // With GitHub's line breaks.
        let lines: Vec<&str> =
            text.as_bytes().chunks(60).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let blob = json!({
            "sha": sha, "node_id": "node", "size": content.len(), "encoding": "base64",
            "url": format!("{}/repos/{REPOSITORY}/git/blobs/{sha}", self.url),
            "content": format!("{}\n", lines.join("\n")),
        });
        (200, blob)
    }

    /// The content of a blob.
    fn content(&self, sha: &str) -> Option<Vec<u8>> {
        let stored = || self.run(&["cat-file", "blob", sha]);
        self.blobs.get(sha).cloned().or_else(stored)
    }

    pub(super) fn whole_repository(&self) -> Answer {
        let pull: Value = serde_json::from_str(PULL_REQUEST).unwrap();
        let mut whole = pull["base"]["repo"].clone();
        whole["default_branch"] = json!("main");
        whole["full_name"] = json!(REPOSITORY);
        whole["has_discussions"] = json!(false);
        whole["network_count"] = json!(0);
        whole["subscribers_count"] = json!(0);
        (200, whole)
    }

    /// The commit of a branch, a tag or a full hash. Git accepts more; GitHub does not.
    fn resolve(&self, reference: &str) -> Option<String> {
        let name = percent_encoding::percent_decode_str(reference).decode_utf8_lossy();
        let is_hash = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let names = match is_hash {
            true => vec![name.to_string()],
            false => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
        };
        let commit = |name: &String| {
            self.git(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
        };
        names.iter().find_map(commit)
    }

    fn whole_commit(&self, sha: &str) -> Value {
        let format = "--format=%T%n%P%n%aI";
        let text = self.git(&["show", "--no-patch", format, sha]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let [tree, parents, date] = lines[..] else { panic!("{text}") };
        let page = |sha: &str| format!("https://github.com/{REPOSITORY}/commit/{sha}");
        let parents = parents.split_whitespace().map(|parent| {
            let url = self.address(&format!("commits/{parent}"));
            json!({ "sha": parent, "url": url, "html_url": page(parent) })
        });
        let person = json!({ "name": "A", "email": "a@example.com", "date": date });
        let tree_url = self.address(&format!("git/trees/{tree}"));
        json!({
            "sha": sha, "node_id": format!("node-{sha}"), "html_url": page(sha),
            "url": self.address(&format!("commits/{sha}")),
            "comments_url": self.address(&format!("commits/{sha}/comments")),
            "commit": {
                "url": self.address(&format!("git/commits/{sha}")),
                "author": person, "committer": person, "message": "what it does",
                "comment_count": 0,
                "tree": { "sha": tree, "url": tree_url },
                "verification": {
                    "verified": false, "reason": "unsigned", "signature": null,
                    "payload": null, "verified_at": null,
                },
            },
            "author": null, "committer": null, "parents": parents.collect::<Vec<_>>(),
        })
    }

    fn address(&self, rest: &str) -> String {
        format!("{}/repos/{REPOSITORY}/{rest}", self.url)
    }

    /// The output of git without the line break; `None` if it fails.
    fn git(&self, args: &[&str]) -> Option<String> {
        Some(String::from_utf8(self.run(args)?).unwrap().trim_end_matches('\n').to_owned())
    }

    fn run(&self, args: &[&str]) -> Option<Vec<u8>> {
        let folder: &Path = self.folder.as_ref()?;
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(folder).args(args).stderr(Stdio::null()).output().unwrap();
        output.status.success().then_some(output.stdout)
    }
}

fn no_commit(reference: &str) -> Answer {
    let message = format!("No commit found for SHA: {reference}");
    let page = "https://docs.github.com/rest/commits/commits#get-a-commit";
    (422, json!({ "message": message, "documentation_url": page, "status": "422" }))
}
