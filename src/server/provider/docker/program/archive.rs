//! The files of the project as a tar archive, which the engine unpacks in a container.
//!
//! Symlinks stay links and are never followed, so that nothing outside of the project is copied. Left out are the data of git,
//! credentials that other steps of a job leave in the workspace, and what a machine builds for itself: virtual environments,
//! packages, caches.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// The unit of a tar archive.
const BLOCK: usize = 512;
/// Longer names are written in an entry of their own before (GNU tar, "Extensions to the traditional format").
const NAME: usize = 100;
/// A size in the header's eleven octal digits.
const MOST: u64 = 0o777_7777_7777;

/// Folders of any depth that are left out.
const FOLDERS: [&str; 7] =
    [".git", ".hg", ".nox", ".tox", "__pycache__", "node_modules", "__pypackages__"];
/// Files in a folder that show that a machine has made it: a virtual environment, a cache (bford.info/cachedir).
const MADE_BY_MACHINE: [&str; 2] = ["pyvenv.cfg", "CACHEDIR.TAG"];
/// Files with credentials. `.git` is a file in worktrees and submodules.
const FILES: [&str; 7] =
    [".git", ".git-credentials", ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass"];
/// google-github-actions/auth writes `gha-creds-….json` into the workspace.
const FILE_PREFIX: &str = "gha-creds-";

/// Writes everything below `root` as entries below `folder`. The path of an error is that of the file.
pub(super) fn write_tree(
    archive: &mut impl Write,
    root: &Path,
    folder: &str,
) -> Result<(), (PathBuf, io::Error)> {
    let mut to_do = vec![PathBuf::new()];
    while let Some(inner) = to_do.pop() {
        let path = root.join(&inner);
        let failed = |error| (path.clone(), error);
        let data = fs::symlink_metadata(&path).map_err(failed)?;
        let name = Path::new(folder).join(&inner);
        if data.is_dir() {
            if !inner.as_os_str().is_empty() && is_left_out(&path) {
                continue;
            }
            entry(archive, &name, Kind::Folder).map_err(failed)?;
            for child in fs::read_dir(&path).map_err(failed)? {
                to_do.push(inner.join(child.map_err(failed)?.file_name()));
            }
        } else if data.is_symlink() {
            let target = fs::read_link(&path).map_err(failed)?;
            // The engine refuses an archive with a link that leaves it; it would point to nothing anyway.
            if stays_inside(&inner, &target) {
                entry(archive, &name, Kind::Link(&target)).map_err(failed)?;
            }
        } else if data.is_file() && !is_secret(path.file_name()) {
            file(archive, &name, &path, &data).map_err(failed)?;
        }
    }
    Ok(())
}

/// The end of an archive.
pub(super) fn finish(archive: &mut impl Write) -> io::Result<()> {
    archive.write_all(&[0; 2 * BLOCK])?;
    archive.flush()
}

fn is_left_out(path: &Path) -> bool {
    let named = FOLDERS.iter().any(|name| path.file_name() == Some(OsStr::new(name)));
    named || MADE_BY_MACHINE.iter().any(|mark| path.join(mark).exists())
}

fn is_secret(name: Option<&OsStr>) -> bool {
    let name = name.unwrap_or_default().as_bytes();
    let is_named = FILES.iter().any(|one| name == one.as_bytes());
    is_named || name.starts_with(FILE_PREFIX.as_bytes())
}

/// Whether the target of a link at `inner` is below the root. The engine takes an absolute one as relative to the archive.
fn stays_inside(inner: &Path, target: &Path) -> bool {
    let mut depth = inner.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::ParentDir if depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    true
}

enum Kind<'a> {
    Folder,
    Link(&'a Path),
    File { size: u64, is_executable: bool },
}

fn file(archive: &mut impl Write, name: &Path, path: &Path, data: &Metadata) -> io::Result<()> {
    let size = data.len();
    if size > MOST {
        return Err(io::Error::other("it is larger than 8 GiB"));
    }
    let is_executable = data.permissions().mode() & 0o100 != 0;
    // Opened first: a file that cannot be read must not leave an entry without content.
    let mut content = File::open(path)?.take(size);
    entry(archive, name, Kind::File { size, is_executable })?;
    let copied = io::copy(&mut content, archive)?;
    if copied < size {
        return Err(io::Error::other("it became shorter while it was copied"));
    }
    pad(archive, size)
}

fn entry(archive: &mut impl Write, name: &Path, kind: Kind<'_>) -> io::Result<()> {
    let name = name.as_os_str().as_bytes();
    let target = match kind {
        Kind::Link(target) => target.as_os_str().as_bytes(),
        Kind::Folder | Kind::File { .. } => b"",
    };
    for (text, flag) in [(name, b'L'), (target, b'K')] {
        if text.len() > NAME {
            let size = text.len() as u64 + 1;
            archive.write_all(&header(b"././@LongLink", b"", 0o644, size, flag))?;
            archive.write_all(text)?;
            archive.write_all(b"\0")?;
            pad(archive, size)?;
        }
    }
    // Only the container uses the copy, and its user can be any.
    let (mode, size, flag) = match kind {
        Kind::Folder => (0o777, 0, b'5'),
        Kind::Link(_) => (0o777, 0, b'2'),
        Kind::File { size, is_executable: true } => (0o777, size, b'0'),
        Kind::File { size, is_executable: false } => (0o666, size, b'0'),
    };
    let short = |text: &'_ [u8]| text[..text.len().min(NAME)].to_vec();
    archive.write_all(&header(&short(name), &short(target), mode, size, flag))
}

/// A header of GNU tar, with the time 0 and the owner root.
fn header(name: &[u8], target: &[u8], mode: u32, size: u64, flag: u8) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[flag]);
    put(157, target);
    put(257, b"ustar  \0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn pad(archive: &mut impl Write, size: u64) -> io::Result<()> {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    if over == 0 { Ok(()) } else { archive.write_all(&[0; BLOCK][over..]) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn make(root: &Path, path: &[u8], content: &str) {
        let path = root.join(OsString::from_vec(path.to_vec()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What tar(1) unpacks.
    fn unpacked(root: &Path) -> BTreeMap<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tar");
        let mut file = File::create(&archive).unwrap();
        write_tree(&mut file, root, "w").unwrap();
        finish(&mut file).unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        let tar = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&out).output();
        let tar = tar.unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let mut found = BTreeMap::new();
        let mut to_do = vec![out.join("w")];
        while let Some(path) = to_do.pop() {
            let name = path.strip_prefix(out.join("w")).unwrap().as_os_str().as_bytes().to_vec();
            if path.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, format!("-> {}", target.display()));
            } else if path.is_dir() {
                to_do.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
        found
    }

    #[test]
    fn hostile_names_arrive_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let long = [&[b'a'; 200][..], b"/", &[b'b'; 250][..]].concat();
        let names: Vec<Vec<u8>> = vec![
            b"a b/'q\"$(x);.py".to_vec(),
            b"new\nline.py".to_vec(),
            b"-rf".to_vec(),
            b"\xff\xfe.py".to_vec(),
            "Ünïcödé/ß.py".into(),
            b"back\\slash".to_vec(),
            long,
            vec![b'c'; 100],
            vec![b'd'; 99],
        ];
        for (index, name) in names.iter().enumerate() {
            make(root, name, &"x".repeat(index * 300));
        }
        let found = unpacked(root);
        assert_eq!(found.len(), names.len(), "{found:?}");
        for (index, name) in names.iter().enumerate() {
            assert_eq!(found[name].len(), index * 300);
        }
    }

    #[test]
    fn git_credentials_and_environments_stay_behind() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            ".git/config",
            "sub/.git",
            "lib/.git/config",
            ".netrc",
            "gha-creds-0123.json",
            "env/pyvenv.cfg",
            "env/bin/python",
            "target/CACHEDIR.TAG",
            "target/x",
            "app/__pycache__/a.pyc",
            "web/node_modules/x",
        ] {
            make(root, name.as_bytes(), "secret");
        }
        for name in ["app/__init__.py", ".github/workflows/ci.yml", "environment/x", ".gitignore"] {
            make(root, name.as_bytes(), "kept");
        }
        let found = unpacked(root);
        assert!(found.values().all(|content| content == "kept"), "{found:?}");
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn links_are_copied_as_links_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        make(&root, b"a/file", "1");
        make(folder.path(), b"outside", "secret");
        let long = format!("x/{}", "y".repeat(150));
        for (target, link) in [
            ("a/file", "link"),
            ("../outside", "out"),
            ("../../outside", "a/out"),
            ("../link", "a/in"),
            ("/etc/passwd", "absolute"),
            (".", "loop"),
            (long.as_str(), "long"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let found = unpacked(&root);
        let links: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, content)| (std::str::from_utf8(name).unwrap(), content.as_str()))
            .collect();
        let long = format!("-> {long}");
        let expected = [
            ("a/file", "1"),
            ("a/in", "-> ../link"),
            ("absolute", "-> /etc/passwd"),
            ("link", "-> a/file"),
            ("long", long.as_str()),
            ("loop", "-> ."),
        ];
        assert_eq!(links, expected);
    }

    #[test]
    fn an_executable_file_stays_executable() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), b"run", "#!");
        let path = folder.path().join("run");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut bytes = Vec::new();
        write_tree(&mut bytes, folder.path(), "w").unwrap();
        assert_eq!(&bytes[BLOCK + 100..BLOCK + 107], b"0000777");
    }
}
