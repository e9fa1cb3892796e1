//! Finds `initdb` and `postgres` in one folder: of the configured major version, else the newest.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::error::ProviderError;

/// The variable that names the folder to use, without a search.
const OVERRIDE: &str = "MIG_CI_PG_BIN";

/// Folders with a subfolder for each version: the parent, and the text before and after the version.
const LOCATIONS: [(&str, &str, &str); 8] = [
    ("/usr/lib/postgresql", "", "bin"),         // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                  // PGDG on RHEL
    ("/usr/libexec", "postgresql", ""),         // Alpine
    ("/usr/local", "pgsql", "bin"),             // built from source
    ("/opt/homebrew/opt", "postgresql", "bin"), // Homebrew on ARM
    ("/usr/local/opt", "postgresql", "bin"),    // Homebrew on Intel
    ("/Library/PostgreSQL", "", "bin"),         // EDB's installer
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"), // Postgres.app
];

/// A folder with a server's binaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    pub(crate) major: u32,
    /// `15.18`.
    pub(crate) version: String,
}

/// The binaries to use. `requested` is a major version; if it is not installed, the newest is used (the server's start reports
/// that).
pub(crate) fn find(requested: Option<u32>) -> Result<Binaries, ProviderError> {
    if let Some(folder) = env::var_os(OVERRIDE).filter(|value| !value.is_empty()) {
        return overridden(&PathBuf::from(folder));
    }
    let found: Vec<Binaries> =
        candidates(env::var_os("PATH")).iter().filter_map(|folder| inspect(folder).ok()).collect();
    choose(found, requested).ok_or_else(|| ProviderError::NoBinaries {
        searched: "PATH, /usr/lib/postgresql/*/bin, /usr/local/pgsql/bin, and the folders of Homebrew and EDB".to_owned(),
    })
}

fn overridden(folder: &Path) -> Result<Binaries, ProviderError> {
    inspect(folder)
        .map_err(|reason| ProviderError::BadBinaries { folder: folder.to_owned(), reason })
}

/// The first of the requested major version, in the order found; else the first of the newest.
fn choose(found: Vec<Binaries>, requested: Option<u32>) -> Option<Binaries> {
    let wanted = requested
        .filter(|requested| found.iter().any(|binaries| binaries.major == *requested))
        .or_else(|| found.iter().map(|binaries| binaries.major).max())?;
    found.into_iter().find(|binaries| binaries.major == wanted)
}

/// Folders that contain both programs, without duplicates, in the order of preference.
fn candidates(path: Option<OsString>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let from_path = path.iter().flat_map(env::split_paths).collect::<Vec<_>>();
    from_path
        .into_iter()
        .chain(LOCATIONS.iter().flat_map(versioned))
        .filter_map(|folder| resolve(&folder))
        .filter(|folder| seen.insert(folder.clone()))
        .collect()
}

fn versioned((parent, prefix, last): &(&str, &str, &str)) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| if last.is_empty() { entry.path() } else { entry.path().join(last) })
        .collect();
    folders.sort();
    folders
}

/// The folder that contains `initdb` after resolving links, if `postgres` is in it, too. A link in `/usr/local/bin` leads to
/// the folder of its package, in which the server finds its libraries and its `share`.
fn resolve(folder: &Path) -> Option<PathBuf> {
    let initdb = fs::canonicalize(folder.join("initdb")).ok()?;
    let real = initdb.parent()?.to_owned();
    real.join("postgres").is_file().then_some(real)
}

/// Reads the version; the error completes "…, but".
fn inspect(folder: &Path) -> Result<Binaries, String> {
    let folder =
        resolve(folder).ok_or("that folder does not contain both `initdb` and `postgres`")?;
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("its `postgres` cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (major, version) = parse_version(&text).ok_or_else(|| {
        let said = [&*text, &String::from_utf8_lossy(&output.stderr)].concat();
        match said.trim() {
            "" => format!("its `postgres --version` prints nothing ({})", output.status),
            said => format!("its `postgres --version` prints {said:?}"),
        }
    })?;
    Ok(Binaries { folder, major, version })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; also `18beta1`, `19devel`.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text.strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
    let digits = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    Some((version[..digits].parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(folder: &str, version: &str) -> Binaries {
        let (major, version) = parse_version(&format!("postgres (PostgreSQL) {version}")).unwrap();
        Binaries { folder: folder.into(), major, version }
    }

    #[test]
    fn the_requested_major_version_is_preferred_to_the_newest() {
        let found = vec![binaries("/a", "15.18"), binaries("/b", "17.2"), binaries("/c", "15.1")];
        let folder = |requested| choose(found.clone(), requested).unwrap().folder;
        assert_eq!(folder(Some(15)), PathBuf::from("/a"));
        assert_eq!(folder(None), PathBuf::from("/b"));
        assert_eq!(folder(Some(16)), PathBuf::from("/b"));
        assert_eq!(choose(Vec::new(), None), None);
    }

    #[test]
    fn version_output_of_servers_is_parsed() {
        let parse = |text: &str| parse_version(text);
        assert_eq!(
            parse("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some((15, "15.18".to_owned()))
        );
        assert_eq!(parse("postgres (PostgreSQL) 18beta1\n"), Some((18, "18beta1".to_owned())));
        assert_eq!(parse("initdb (PostgreSQL) 15.18"), None);
    }

    #[test]
    fn links_are_resolved_to_the_folder_with_both_programs() {
        let root = tempfile::tempdir().unwrap();
        let (package, links) = (root.path().join("package"), root.path().join("links"));
        fs::create_dir_all(&package).unwrap();
        fs::create_dir_all(&links).unwrap();
        fs::write(package.join("initdb"), "").unwrap();
        std::os::unix::fs::symlink(package.join("initdb"), links.join("initdb")).unwrap();
        assert_eq!(resolve(&links), None);
        fs::write(package.join("postgres"), "").unwrap();
        assert_eq!(resolve(&links), Some(fs::canonicalize(&package).unwrap()));
        let path = env::join_paths([&links, &package]).unwrap();
        let found = candidates(Some(path));
        assert_eq!(found.iter().filter(|folder| folder.ends_with("package")).count(), 1);
    }

    #[test]
    fn an_invalid_override_is_an_error() {
        let error = overridden(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("MIG_CI_PG_BIN") && error.contains("/nonexistent"), "{error}");
    }
}
