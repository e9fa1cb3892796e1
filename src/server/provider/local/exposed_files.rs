//! Files with credentials that a server of this provider could read: those of the job's user and of the machine, and those
//! through which the steps of a job exchange data.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::cluster_folder::{Account, account};
use crate::secrets;

/// Files in a user's home directory.
const HOME_FILES: [&str; 16] = [
    ".gitconfig",
    ".config/git/config",
    ".config/git/credentials",
    ".config/gh/hosts.yml",
    ".git-credentials",
    ".netrc",
    ".docker/config.json",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".aws/credentials",
    ".kube/config",
    ".ssh/id_rsa",
    ".ssh/id_ecdsa",
    ".ssh/id_ed25519",
    ".ssh/id_dsa",
];
/// Variables with the path of a file that replaces the default one.
const FILES: [&str; 6] = [
    "GIT_CONFIG_GLOBAL",
    "NETRC",
    "PGPASSFILE",
    "NPM_CONFIG_USERCONFIG",
    "AWS_SHARED_CREDENTIALS_FILE",
    "KUBECONFIG",
];
/// Variables with the path of one of the runner's files; the files of other steps are in the same folder.
const RUNNER_FILES: [&str; 6] = [
    "GITHUB_ENV",
    "GITHUB_STATE",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_EVENT_PATH",
];
/// The number of bytes read of each file: a folder of the runner can contain large archives.
const READ_BYTES: u64 = 1 << 20;

/// A file with a credential that the user of a local server could read.
pub(crate) fn file_with_secret(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let account = account().ok()?;
    // The event contains texts of a pull request, which may have examples of addresses and keys; those that the workflow
    // passes on are also in variables.
    let event = environment("GITHUB_EVENT_PATH").map(PathBuf::from);
    let has_secret = |path: &Path, bytes: &[u8]| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match &event {
            Some(event) if event == path => secrets::is_token_in(bytes),
            _ => secrets::are_in_file(&name, bytes),
        }
    };
    candidates(environment).into_iter().find(|path| {
        // Opening a pipe would block.
        fs::metadata(path).is_ok_and(|there| there.is_file())
            && account.as_ref().is_none_or(|account| is_readable_by(path, account))
            && beginning(path).is_ok_and(|bytes| has_secret(path, &bytes))
    })
}

fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(READ_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn candidates(environment: &dyn Fn(&str) -> Option<String>) -> BTreeSet<PathBuf> {
    let path = |name: &str| environment(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let own = User::from_uid(Uid::effective()).ok().flatten().map(|user| user.dir);
    let homes = path("HOME").into_iter().chain(own);
    let mut found: BTreeSet<PathBuf> =
        homes.flat_map(|home| HOME_FILES.iter().map(move |file| home.join(file))).collect();
    found.insert("/etc/gitconfig".into());
    found.extend(FILES.iter().filter_map(|name| path(name)));
    found.extend(path("DOCKER_CONFIG").map(|folder| folder.join("config.json")));
    let configurations = ["git/config", "git/credentials", "gh/hosts.yml"];
    if let Some(folder) = path("XDG_CONFIG_HOME") {
        found.extend(configurations.iter().map(|file| folder.join(file)));
    }
    let folders = RUNNER_FILES.iter().filter_map(|name| Some(path(name)?.parent()?.to_owned()));
    let folders: BTreeSet<PathBuf> = folders.chain(path("RUNNER_TEMP")).collect();
    for folder in folders {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path()));
    }
    found
}

/// Checks the modes of the file and of all folders above it. ACLs are ignored.
fn is_readable_by(path: &Path, account: &Account) -> bool {
    let Ok(real) = path.canonicalize() else { return false };
    let may = |path: &Path, bit: u32| {
        fs::metadata(path).is_ok_and(|there| {
            let shift = if there.uid() == account.uid.as_raw() {
                6
            } else if there.gid() == account.gid.as_raw() {
                3
            } else {
                0
            };
            there.mode() >> shift & bit != 0
        })
    };
    may(&real, 4) && real.ancestors().skip(1).all(|folder| may(folder, 1))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use nix::unistd::Gid;

    use super::*;

    #[test]
    fn readability_depends_on_the_modes_of_all_folders() {
        let holder = tempfile::tempdir().unwrap();
        let folder = holder.path().join("home");
        fs::create_dir(&folder).unwrap();
        let file = folder.join(".gitconfig");
        fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(holder.path(), 0o755);
        let other = Account { uid: Uid::from_raw(54_321), gid: Gid::from_raw(54_321) };
        for (of_folder, of_file, is_readable) in [
            (0o755, 0o644, true),
            (0o755, 0o600, false),
            (0o700, 0o644, false),
            (0o711, 0o604, true),
        ] {
            mode(&folder, of_folder);
            mode(&file, of_file);
            assert_eq!(is_readable_by(&file, &other), is_readable, "{of_folder:o} {of_file:o}");
        }
    }

    #[test]
    fn credentials_are_found_among_many_files_and_in_a_long_one() {
        let holder = tempfile::tempdir().unwrap();
        let folder = holder.path();
        for number in 0..300 {
            fs::write(folder.join(number.to_string()), "").unwrap();
        }
        let temp =
            |name: &str| (name == "RUNNER_TEMP").then(|| folder.to_str().unwrap().to_owned());
        let listed = candidates(&temp).into_iter().filter(|path| path.starts_with(folder)).count();
        assert_eq!(listed, 300);

        let long = folder.join("set_env_1");
        fs::write(&long, format!("A=https://me:abc@b.example\n{}", "x".repeat(3 << 20))).unwrap();
        let read = beginning(&long).unwrap();
        assert_eq!(read.len() as u64, READ_BYTES);
        assert!(secrets::are_in_file("set_env_1", &read));
    }
}
