//! Finds credentials of git in a checkout: actions/checkout stores them, unless `persist-credentials: false` is set. Its older
//! versions write them to `.git/config`, newer ones to an included file.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::git::toplevel_of;
use crate::secrets;

/// A longer chain of includes is circular.
const MOST_INCLUDES: usize = 10;

/// The file in which the checkout around `folder` stores credentials of git, if there is one.
pub(crate) fn kept_credentials(folder: &Utf8Path) -> Option<Utf8PathBuf> {
    let real = folder.canonicalize_utf8().ok()?;
    let git = git_folder(&toplevel_of(&real)?.join(".git"))?;
    // A linked worktree uses the configuration of its repository.
    let common = fs::read_to_string(git.join("commondir")).ok();
    let common = common.map_or_else(|| git.clone(), |path| git.join(path.trim()));
    let mut files = vec![common.join("config"), git.join("config.worktree")];
    let mut seen = Vec::new();
    while let Some(file) = files.pop() {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        if secrets::are_in_file(".gitconfig", text.as_bytes()) {
            return Some(file);
        }
        if seen.len() < MOST_INCLUDES {
            let around = file.parent().unwrap_or(Utf8Path::new("/")).to_owned();
            files.extend(text.lines().filter_map(|line| included(line, &around)));
            seen.push(file);
        }
    }
    None
}

/// `.git` is a file in a linked worktree and in a submodule.
fn git_folder(path: &Utf8Path) -> Option<Utf8PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let text = fs::read_to_string(path).ok()?;
    Some(path.parent()?.join(text.strip_prefix("gitdir:")?.trim()))
}

/// The file of an `include` or `includeIf`, whose only key is `path`.
fn included(line: &str, around: &Utf8Path) -> Option<Utf8PathBuf> {
    let (key, value) = line.split_once('=')?;
    let value = value.trim().trim_matches('"');
    (key.trim().eq_ignore_ascii_case("path") && !value.starts_with('~')).then(|| around.join(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, other: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        let other_file = root.join("credentials.config");
        fs::write(&other_file, other).unwrap();
        fs::write(root.join(".git/config"), config.replace("OTHER", other_file.as_str())).unwrap();
        kept_credentials(&root.join("a/b")).map(|path| path.file_name().unwrap().to_owned())
    }

    #[test]
    fn headers_addresses_and_includes_are_found() {
        let header = "[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic eDp5\n";
        assert_eq!(found(header, ""), Some("config".to_owned()));
        let address = "[remote \"origin\"]\n\turl = https://x-access-token:abc@github.com/a/b\n";
        assert_eq!(found(address, ""), Some("config".to_owned()));
        let include = "[includeIf \"gitdir:/x/.git\"]\n\tpath = OTHER\n";
        assert_eq!(found(include, header), Some("credentials.config".to_owned()));
        let plain = "[remote \"origin\"]\n\turl = https://github.com/a/b\n[user]\n\temail = a@b\n";
        assert_eq!(found(plain, header), None);
        assert_eq!(found("[include]\n\tpath = config\n", ""), None);
    }
}
