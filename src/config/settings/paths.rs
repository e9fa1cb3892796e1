//! Paths in the configuration: relative to the project's root, inside it, and existing.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::context::ValidationContext;
use crate::config::key::ConfigKey;
use crate::config::nearest::nearest;
use crate::config::one_or_many::OneOrMany;
use crate::config::problem::ConfigProblem;

/// A normalised path: without `./`, without `..`, without a trailing slash.
pub(super) fn path(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &str,
) -> Option<Utf8PathBuf> {
    let text = cx.text(key, raw)?;
    cx.accept(
        key,
        normalised(&text)
            .ok_or_else(|| ConfigProblem::OutsideProject { key: key.to_string(), path: text }),
    )
}

/// A migration directory that is not empty.
pub(super) fn folder(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &str,
) -> Option<Utf8PathBuf> {
    let path = path(cx, key, raw)?;
    let listed = list(cx, key, &path)?;
    if listed.is_empty() {
        let is_file = cx.input.files.read(&path).is_ok_and(|content| content.is_some());
        if cx.input.overrides.empty_folders && !is_file {
            return Some(path);
        }
        let (nearest, key_name) = (nearest_path(cx, key, &path), key.to_string());
        let problem = match is_file {
            true => ConfigProblem::FileForFolder { key: key_name, path },
            false => ConfigProblem::NoMigrations { key: key_name, path, nearest },
        };
        cx.refuse(key, problem);
        return None;
    }
    Some(path)
}

/// An existing file.
pub(super) fn file(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &str,
) -> Option<Utf8PathBuf> {
    let path = path(cx, key, raw)?;
    let content = cx.accept(key, cx.input.files.read(&path).map_err(ConfigProblem::Unreadable))?;
    if content.is_none() {
        let is_folder = cx.input.files.list(&path).is_ok_and(|files| !files.is_empty());
        let (nearest, key_name) = (nearest_path(cx, key, &path), key.to_string());
        let problem = match is_folder {
            true => ConfigProblem::FolderForFile { key: key_name, path },
            false => ConfigProblem::NoFile { key: key_name, path, nearest },
        };
        cx.refuse(key, problem);
        return None;
    }
    Some(path)
}

/// A list of existing files.
pub(super) fn files(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&OneOrMany>,
) -> Vec<Utf8PathBuf> {
    entries(key, raw).into_iter().filter_map(|(key, raw)| file(cx, &key, raw)).collect()
}

/// The values, with the key of each.
pub(super) fn entries<'a>(
    key: &ConfigKey,
    raw: Option<&'a OneOrMany>,
) -> Vec<(ConfigKey, &'a str)> {
    match raw {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![(key.clone(), one.as_str())],
        Some(OneOrMany::Many(many)) => {
            many.iter().enumerate().map(|(at, one)| (key.element(at), one.as_str())).collect()
        }
    }
}

fn list(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    folder: &Utf8Path,
) -> Option<Vec<Utf8PathBuf>> {
    cx.accept(key, cx.input.files.list(folder).map_err(ConfigProblem::Unreadable))
}

/// `None` if it is empty, absolute, an address, or outside of the project.
pub(super) fn normalised(text: &str) -> Option<Utf8PathBuf> {
    // The slashes of an address must not be merged: its `://` marks it as something to mask.
    if text.contains("://") {
        return None;
    }
    let mut path = Utf8PathBuf::new();
    for component in Utf8Path::new(text).components() {
        match component {
            Utf8Component::Normal(name) => path.push(name),
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Utf8Component::RootDir | Utf8Component::Prefix(_) => return None,
        }
    }
    (!text.is_empty()).then_some(path)
}

/// A file or folder next to `path` with a similar name. Not at the root of the project, which may be large to list.
fn nearest_path(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    path: &Utf8Path,
) -> Option<String> {
    let parent = path.parent().filter(|parent| !parent.as_str().is_empty())?;
    let mut names: Vec<String> = list(cx, key, parent)?
        .iter()
        .filter_map(|found| found.strip_prefix(parent).ok()?.components().next())
        .map(|name| name.to_string())
        .collect();
    names.dedup();
    nearest(path.file_name()?, &names).map(|name| parent.join(name).into_string())
}
