//! The files of a revision: converts tree entries to a [`Snapshot`] that reads like the worktree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::git_queries::TreeBlob;
use super::objects::{Entry, EntryKind, Objects};
use super::project_place::ProjectPlace;
use super::snapshot::normal;
use super::{Snapshot, SourceError};

/// A longer chain of symlinks is circular. The kernel's own limit.
const MOST_HOPS: usize = 40;

/// Reads the files at and below `paths` (relative to the project's root; empty for all of it) at a commit.
///
/// Symlinks are followed within the tree; a dangling one becomes an unreadable file. A path that the revision does not have has
/// no files.
pub(super) async fn read(
    objects: &impl Objects,
    place: ProjectPlace<'_>,
    commit: &str,
    paths: &[Utf8PathBuf],
) -> Result<Snapshot, SourceError> {
    let mut wanted = Vec::new();
    for path in paths {
        let path = normal(path);
        let real = in_repository(&place.prefix.join(&path)).ok_or_else(|| {
            SourceError::OutsideRepository {
                path: place.prefix.join(&path),
                toplevel: place.toplevel.to_owned(),
            }
        })?;
        wanted.push((path, real));
    }
    // The path and its ancestors: one of them may be a symlink, or a submodule.
    let path_and_ancestors: BTreeSet<String> =
        wanted.iter().flat_map(|(_, real)| path_and_ancestors(real)).collect();
    let path_and_ancestors: Vec<String> = path_and_ancestors.into_iter().collect();
    let mut steps = Vec::new();
    if !path_and_ancestors.is_empty() {
        steps = objects.at(commit, &path_and_ancestors).await?;
    }
    if let Some(step) = steps.iter().find(|step| step.kind == EntryKind::Submodule) {
        let path = wanted.iter().find(|(_, real)| Utf8Path::new(real).starts_with(&step.path));
        return Err(SourceError::Submodule {
            path: path.map_or(step.path.as_str(), |(path, _)| path).into(),
            submodule: step.path.clone(),
        });
    }

    let all = wanted.iter().any(|(_, real)| real.is_empty());
    let listed: Vec<String> = wanted.iter().map(|(_, real)| real.clone()).collect();
    let mut entries = objects.below(commit, if all { &[] } else { &listed }).await?;
    if steps.iter().chain(&entries).any(|entry| entry.kind == EntryKind::Symlink) {
        // Symlinks may point to any path in the tree.
        entries = objects.below(commit, &[]).await?;
    }
    let links = read_links(objects, &entries).await?;
    let contents = locate(&entries, &links, &wanted);

    let files: BTreeSet<TreeBlob> =
        contents.values().filter_map(|content| content.clone().ok()).collect();
    let files = objects.checked_out(commit, &files.into_iter().collect::<Vec<_>>()).await?;
    let mut snapshot = Snapshot::default();
    for (path, content) in contents {
        match content.map(|file| files.get(&file)) {
            Ok(Some(Ok(bytes))) => snapshot.insert(path, bytes.clone()),
            Ok(Some(Err(reason))) => snapshot.insert_unreadable(path, reason.as_str()),
            Ok(None) => snapshot.insert_unreadable(path, "git did not return its contents"),
            Err(reason) => snapshot.insert_unreadable(path, reason),
        }
    }
    Ok(snapshot.with_names(names(objects, place, commit).await))
}

/// All files and links of the project at a commit, by path, with their hashes. Contents are not read.
async fn names(
    objects: &impl Objects,
    place: ProjectPlace<'_>,
    commit: &str,
) -> Result<BTreeMap<String, String>, String> {
    let prefix = normal(place.prefix);
    let wanted: Vec<String> = (!prefix.is_empty()).then(|| prefix.clone()).into_iter().collect();
    let entries = objects.below(commit, &wanted).await.map_err(|error| error.to_string())?;
    let is_file = |entry: &Entry| {
        matches!(entry.kind, EntryKind::File | EntryKind::Symlink) && !entry.odd_name
    };
    let below = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let named = entries.into_iter().filter(is_file).filter_map(|entry| {
        let path = entry.path.strip_prefix(&below)?.to_owned();
        Some((path, entry.hash))
    });
    Ok(named.collect())
}

/// The targets of symlinks, by their paths in the repository.
async fn read_links(
    objects: &impl Objects,
    entries: &[Entry],
) -> Result<BTreeMap<String, String>, SourceError> {
    let links: Vec<&Entry> =
        entries.iter().filter(|entry| entry.kind == EntryKind::Symlink).collect();
    let hashes: BTreeSet<String> = links.iter().map(|link| link.hash.clone()).collect();
    let targets = objects.stored(&hashes.into_iter().collect::<Vec<_>>()).await?;
    let target = |link: &Entry| {
        targets.get(&link.hash).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    Ok(links.iter().filter_map(|link| Some((link.path.clone(), target(link)?))).collect())
}

/// The tree's file for each file of the project, or why it cannot be read.
fn locate(
    entries: &[Entry],
    links: &BTreeMap<String, String>,
    wanted: &[(String, String)],
) -> BTreeMap<String, Result<TreeBlob, String>> {
    let tree: BTreeMap<&str, &Entry> =
        entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut contents = BTreeMap::new();
    for (path, real) in wanted {
        let place = match resolve(links, real) {
            Ok(place) => place,
            Err(reason) => {
                contents.insert(path.clone(), Err(reason));
                continue;
            }
        };
        if let Some(entry) = tree.get(place.as_str()).filter(|entry| entry.kind == EntryKind::File)
        {
            contents.insert(path.clone(), Ok(entry.blob()));
        }
        let below = if place.is_empty() { place } else { format!("{place}/") };
        for (full, entry) in tree.range(below.as_str()..) {
            let Some(rest) = full.strip_prefix(&below) else { break };
            let name = if path.is_empty() { rest.to_owned() } else { format!("{path}/{rest}") };
            let content = match entry.kind {
                EntryKind::File if entry.odd_name => {
                    Some(Err("its name is not UTF-8 in the base revision".into()))
                }
                EntryKind::File => Some(Ok(entry.blob())),
                EntryKind::Symlink => follow(&tree, links, full),
                // Not a file of this repository; its contents are unknown here.
                EntryKind::Submodule | EntryKind::Directory => None,
            };
            if let Some(content) = content {
                contents.insert(name, content);
            }
        }
    }
    contents
}

/// The target file of a symlink; `None` if it is a directory, which the worktree does not list either.
fn follow(
    tree: &BTreeMap<&str, &Entry>,
    links: &BTreeMap<String, String>,
    path: &str,
) -> Option<Result<TreeBlob, String>> {
    let place = match resolve(links, path) {
        Ok(place) => place,
        Err(reason) => return Some(Err(reason)),
    };
    if let Some(entry) = tree.get(place.as_str()).filter(|entry| entry.kind == EntryKind::File) {
        return Some(Ok(entry.blob()));
    }
    let below = format!("{place}/");
    let is_directory =
        tree.range(below.as_str()..).next().is_some_and(|(path, _)| path.starts_with(&below));
    let target = links.get(path).map_or("", String::as_str);
    (!is_directory)
        .then(|| Err(format!("it is a symlink to {target}, which is not in the base revision")))
}

/// The path after following all symlinks in it.
fn resolve(links: &BTreeMap<String, String>, path: &str) -> Result<String, String> {
    let mut done: Vec<String> = Vec::new();
    let mut todo: VecDeque<String> = path.split('/').map(str::to_owned).collect();
    let mut hops = 0;
    while let Some(part) = todo.pop_front() {
        match part.as_str() {
            "" | "." => continue,
            ".." if done.pop().is_none() => {
                return Err("it is a symlink that leads out of the repository".into());
            }
            ".." => continue,
            _ => done.push(part),
        }
        let Some(target) = links.get(&done.join("/")) else { continue };
        hops += 1;
        if hops > MOST_HOPS {
            return Err("it is a symlink that is part of a cycle".into());
        }
        if target.starts_with('/') {
            return Err(format!("it is a symlink to {target}, outside of the repository"));
        }
        done.pop();
        for part in target.split('/').rev() {
            todo.push_front(part.to_owned());
        }
    }
    Ok(done.join("/"))
}

/// A path with `..` resolved, or `None` if it leaves the repository.
fn in_repository(path: &Utf8Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => drop(parts.pop()?),
            Utf8Component::Normal(name) => parts.push(name),
            Utf8Component::RootDir | Utf8Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// `a/b/c` as `a`, `a/b`, `a/b/c`.
fn path_and_ancestors(path: &str) -> impl Iterator<Item = String> {
    Utf8Path::new(path)
        .ancestors()
        .filter(|path| !path.as_str().is_empty())
        .map(|path| path.as_str().to_owned())
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::model::Files as _;
    use crate::source::Worktree;
    use crate::source::git::Git;
    use crate::source::testing::{TestRepository, contents, git_in};

    async fn snapshot(git: &Git, paths: &[&str]) -> Result<Snapshot, SourceError> {
        let paths: Vec<Utf8PathBuf> = paths.iter().map(Utf8PathBuf::from).collect();
        read(git, git.place(), "HEAD", &paths).await
    }

    fn text(snapshot: &Snapshot, path: &str) -> String {
        let all = contents(snapshot);
        all.into_iter().find(|(name, _)| name == path).map(|(_, text)| text).unwrap()
    }

    #[tokio::test]
    async fn reads_only_requested_files_and_reads_them_exactly() {
        let repository = TestRepository::new();
        repository.write("m/1.sql", "one\r\n\n").write("m/sub/2.sql", "").write("m2/3.sql", "x");
        repository.write("sqlx.toml", "[migrate]").write("other.sql", "");
        repository.commit_all("files");
        let files =
            snapshot(&repository.git_client(), &["./m/", "sqlx.toml", "nowhere"]).await.unwrap();
        assert_eq!(
            contents(&files),
            [
                ("m/1.sql".into(), "one\r\n\n".to_owned()),
                ("m/sub/2.sql".into(), String::new()),
                ("sqlx.toml".into(), "[migrate]".into())
            ]
        );
        let all = snapshot(&repository.git_client(), &[""]).await.unwrap();
        assert_eq!(contents(&all).len(), 5);
        assert!(snapshot(&repository.git_client(), &[]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn names_of_all_kinds_equal_those_of_the_worktree() {
        let repository = TestRepository::new();
        for name in ["1 a b.sql", "2 o'neill \"x\".sql", "3_søn_ü.sql", "4_a\nb.sql", "5_\t.sql"]
        {
            repository.write(&format!("m/{name}"), name);
        }
        repository.commit_all("files");
        let files = snapshot(&repository.git_client(), &["m"]).await.unwrap();
        let worktree = Worktree::new(repository.path());
        let listed = worktree.list("m".into()).unwrap();
        assert_eq!(files.list("m".into()).unwrap(), listed);
        assert_eq!(listed.len(), 5);
        for path in listed {
            assert_eq!(files.read(&path).unwrap(), worktree.read(&path).unwrap());
        }
    }

    #[tokio::test]
    async fn files_equal_those_that_a_checkout_writes() {
        let repository = TestRepository::new();
        repository.write(".gitattributes", "*.sql text eol=crlf\nlf.sql text eol=lf\n");
        let names = ["1.sql", "2 a b.sql", " 3.sql", "4_a\nb.sql", "\t5.sql", "6.sql\r", "7 .sql "];
        for name in names {
            // Also at the root: there the name begins with characters that git reads as the end of the hash.
            repository.write(&format!("m/{name}"), "a\nb\n").write(name, "a\nb\n");
        }
        repository.write("m/lf.sql", "a\nb\n");
        symlink("lf.sql", repository.path().join("m/8.sql")).unwrap();
        repository.commit_all("files");
        fs::remove_dir_all(repository.path().join("m")).unwrap();
        names.iter().for_each(|name| fs::remove_file(repository.path().join(name)).unwrap());
        repository.git(&["checkout", "--quiet", "--", "."]);

        let files = snapshot(&repository.git_client(), &[""]).await.unwrap();
        let worktree = Worktree::new(repository.path());
        for path in files.list("".into()).unwrap() {
            assert_eq!(files.read(&path).unwrap(), worktree.read(&path).unwrap(), "{path:?}");
        }
        assert_eq!(text(&files, "m/1.sql"), "a\r\nb\r\n");
        assert_eq!(text(&files, " 3.sql"), "a\r\nb\r\n");
        assert_eq!(text(&files, "m/8.sql"), "a\nb\n", "by the attributes of what it leads to");
    }

    #[tokio::test]
    async fn line_ends_follow_the_configuration_and_the_revisions_attributes() {
        let repository = TestRepository::new();
        repository.commit("1.sql", "a\n");
        let git = repository.git_client();
        assert_eq!(text(&snapshot(&git, &[""]).await.unwrap(), "1.sql"), "a\n");
        // The current worktree does not affect the revision.
        repository.write(".gitattributes", "*.sql text eol=crlf");
        assert_eq!(text(&snapshot(&git, &[""]).await.unwrap(), "1.sql"), "a\n");
        fs::remove_file(repository.path().join(".gitattributes")).unwrap();
        repository.git(&["config", "core.autocrlf", "true"]);
        assert_eq!(text(&snapshot(&git, &[""]).await.unwrap(), "1.sql"), "a\r\n");
    }

    #[tokio::test]
    async fn a_name_that_is_not_utf8_is_listed_and_not_read() {
        let repository = TestRepository::new();
        fs::write(repository.path().as_std_path().join(OsStr::from_bytes(b"\xff.sql")), "")
            .unwrap();
        repository.commit_all("files");
        let files = snapshot(&repository.git_client(), &[""]).await.unwrap();
        assert!(text(&files, "\u{fffd}.sql").contains("not UTF-8"));
    }

    #[tokio::test]
    async fn a_project_in_a_subfolder_has_its_own_paths() {
        let repository = TestRepository::new();
        repository.write("apps/shop/m/1.sql", "one").write("apps/lib/m/2.sql", "two");
        repository.write("m/3.sql", "not the project's");
        repository.commit_all("files");
        let root = repository.path().join("apps/shop");
        let git = Git::discover_with(&root, "git".into()).unwrap().unwrap();
        let files = snapshot(&git, &["m", "../lib/m"]).await.unwrap();
        assert_eq!(
            contents(&files),
            [("../lib/m/2.sql".into(), "two".to_owned()), ("m/1.sql".into(), "one".into())]
        );
        let error = snapshot(&git, &["../../../m"]).await.unwrap_err();
        assert!(matches!(error, SourceError::OutsideRepository { .. }), "{error}");
    }

    #[tokio::test]
    async fn symlinks_read_as_they_do_in_the_worktree() {
        let repository = TestRepository::new();
        repository.write("real/1.sql", "one").write("db/m/0.sql", "zero");
        let link =
            |target: &str, path: &str| symlink(target, repository.path().join(path)).unwrap();
        link("../../real/1.sql", "db/m/1.sql");
        link("1.sql", "db/m/2.sql");
        link("../../real", "db/m/folder");
        link("nowhere.sql", "db/m/3.sql");
        link("../../../out.sql", "db/m/4.sql");
        link("/etc/passwd", "db/m/5.sql");
        link("6.sql", "db/m/6.sql");
        link("db/m", "m");
        repository.commit_all("files");

        let files = snapshot(&repository.git_client(), &["m"]).await.unwrap();
        let listed = Worktree::new(repository.path()).list("m".into()).unwrap();
        assert_eq!(files.list("m".into()).unwrap(), listed, "no folder by symlink, all else");
        assert_eq!(text(&files, "m/0.sql"), "zero");
        assert_eq!(text(&files, "m/2.sql"), "one");
        assert!(text(&files, "m/3.sql").contains("nowhere.sql, which is not in the base revision"));
        assert!(text(&files, "m/4.sql").contains("out of the repository"));
        assert!(text(&files, "m/5.sql").contains("/etc/passwd, outside of the repository"));
        assert!(text(&files, "m/6.sql").contains("part of a cycle"));
    }

    #[tokio::test]
    async fn a_submodule_is_reported_if_requested_and_ignored_elsewhere() {
        let library = TestRepository::new();
        library.commit("m/1.sql", "one");
        let repository = TestRepository::new();
        let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
        git_in(repository.path().as_std_path(), &[&add[..], &[&library.url(), "sub"]].concat());
        repository.commit("m/2.sql", "two");
        let error = snapshot(&repository.git_client(), &["sub/m"]).await.unwrap_err().to_string();
        assert!(error.starts_with("sub/m is in a submodule (sub)"), "{error}");
        let files = snapshot(&repository.git_client(), &[""]).await.unwrap();
        assert_eq!(files.list("".into()).unwrap(), [".gitmodules", "m/2.sql"]);
        // Next to a requested path, in a folder above it.
        git_in(
            repository.path().as_std_path(),
            &[&add[..], &[&library.url(), "m/beside"]].concat(),
        );
        repository.commit("m/3/4.sql", "four");
        let files = snapshot(&repository.git_client(), &["m/3"]).await.unwrap();
        assert_eq!(files.list("".into()).unwrap(), ["m/3/4.sql"]);
    }

    #[test]
    fn paths_stay_in_the_repository() {
        assert_eq!(in_repository("a/./b/../c".into()).as_deref(), Some("a/c"));
        assert_eq!(in_repository("".into()).as_deref(), Some(""));
        assert_eq!(in_repository("a/../..".into()), None);
        assert_eq!(in_repository("/etc".into()), None);
    }
}
