//! The directory of a cluster, and the account it runs as.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{Gid, Uid, User, chown};

use crate::retry::policies::FOLDER_REMOVED;
use crate::server::error::ProviderError;
use crate::server::process_identity::ProcessIdentity;
use crate::server::run_id::RunId;

/// In memory; a replay there is five times as fast as on disk.
const MEMORY: &str = "/dev/shm";
/// A cluster takes 40 MB, a thousand tenants 1.5 GB; with less than this, disk is used.
const MIN_MEMORY: u64 = 1 << 30;
/// With less than this, an empty cluster with its first WAL does not fit.
const MIN_DISK: u64 = 100 << 20;
/// The size of `sun_path` without the terminating zero: 108 bytes on Linux, 104 elsewhere.
const MAX_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
const SOCKET: &str = ".s.PGSQL.5432";

/// The file that identifies the owner of the directory.
pub(crate) const MARKER: &str = "owner";
/// The data directory in it.
pub(crate) const DATA: &str = "data";

/// An unprivileged account to run the server as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

/// The directory of a cluster, with the data, the socket, the logs and the marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterFolder {
    pub(crate) directory: PathBuf,
}

impl ClusterFolder {
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join(DATA)
    }

    pub(crate) fn log(&self, program: &str) -> PathBuf {
        self.directory.join(format!("{program}.log"))
    }

    /// Creates the directory, accessible only to mig-ci's user and `account`, and writes the marker.
    pub(crate) fn create(&self, account: Option<&Account>) -> Result<(), ProviderError> {
        let make = |directory: &Path| fs::DirBuilder::new().mode(0o700).create(directory);
        make(&self.directory).map_err(|e| ProviderError::file("make", &self.directory, &e))?;
        let marker = self.directory.join(MARKER);
        fs::write(&marker, format!("{}\n", ProcessIdentity::current()))
            .map_err(|e| ProviderError::file("write", &marker, &e))?;
        if let Some(account) = account {
            chown(&self.directory, Some(account.uid), Some(account.gid))
                .map_err(|e| ProviderError::file("hand over", &self.directory, &e.into()))?;
        }
        Ok(())
    }

    /// Removes the directory and its content; succeeds if it does not exist.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_all(&self.directory)
    }
}

/// Removes a directory, even while an ending process still writes to it.
pub(crate) fn remove_all(directory: &Path) -> io::Result<()> {
    FOLDER_REMOVED.retry_blocking(|| match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    })
}

/// The account for the server: `None` for the current user; as root, an account that PostgreSQL accepts.
pub(crate) fn account() -> Result<Option<Account>, ProviderError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Some(Account { uid: user.uid, gid: user.gid }))
        .ok_or(ProviderError::NoUser)
}

/// The first suitable location: memory, the temporary folder, `/tmp`.
pub(crate) fn choose(
    run: &RunId,
    account: Option<&Account>,
) -> Result<ClusterFolder, ProviderError> {
    let mut reasons = Vec::new();
    for base in bases() {
        let directory = base.join(run.directory());
        match suits(&base, &directory, account) {
            Ok(()) => return Ok(ClusterFolder { directory }),
            Err(reason) => reasons.push(format!("{}: {reason}", base.display())),
        }
    }
    Err(ProviderError::NoPlace { reason: reasons.join("; ") })
}

/// Locations of clusters, without duplicates. Cleanup searches them, too.
pub(crate) fn bases() -> Vec<PathBuf> {
    let mut bases = vec![PathBuf::from(MEMORY), env::temp_dir(), PathBuf::from("/tmp")];
    let mut seen = std::collections::BTreeSet::new();
    bases.retain(|base| base.is_dir() && seen.insert(fs::canonicalize(base).ok()));
    bases
}

fn suits(base: &Path, directory: &Path, account: Option<&Account>) -> Result<(), String> {
    let socket = directory.join(SOCKET).as_os_str().len();
    if socket > MAX_SOCKET_PATH {
        return Err(format!("the socket's path would have {socket} bytes of {MAX_SOCKET_PATH}"));
    }
    let minimum = if base == Path::new(MEMORY) { MIN_MEMORY } else { MIN_DISK };
    let free = free_bytes(base).map_err(|error| error.to_string())?;
    if free < minimum {
        return Err(format!("only {} MiB are free, of {} MiB", free >> 20, minimum >> 20));
    }
    nix::unistd::access(base, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)
        .map_err(|error| error.to_string())?;
    match account {
        Some(account) => enters(base, account),
        None => Ok(()),
    }
}

// The fields are 32 bits wide on some systems.
fn free_bytes(base: &Path) -> Result<u64, nix::Error> {
    let statistics = statvfs(base)?;
    Ok((statistics.blocks_available() as u64).saturating_mul(statistics.fragment_size() as u64))
}

/// Whether another user can access `base`: all folders above must permit it.
fn enters(base: &Path, account: &Account) -> Result<(), String> {
    for folder in base.ancestors() {
        let metadata = fs::metadata(folder).map_err(|error| error.to_string())?;
        let mode = metadata.permissions().mode();
        let own = metadata.uid() == account.uid.as_raw() && mode & 0o100 != 0;
        if !own && mode & 0o001 == 0 {
            return Err(format!(
                "the user that the server runs as has no access to {}",
                folder.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_long_path_is_not_used() {
        let base = PathBuf::from(format!("/tmp/{}", "x".repeat(80)));
        let reason = suits(&base, &base.join("mig-ci-0123456789ab"), None).unwrap_err();
        assert!(reason.contains("bytes"), "{reason}");
    }

    #[test]
    fn a_cluster_folder_is_private_marked_and_removable() {
        let root = tempfile::tempdir().unwrap();
        let folder = ClusterFolder { directory: root.path().join("mig-ci-0123456789ab") };
        folder.create(None).unwrap();
        assert_eq!(fs::metadata(&folder.directory).unwrap().permissions().mode() & 0o777, 0o700);
        let marker = fs::read_to_string(folder.directory.join(MARKER)).unwrap();
        assert_eq!(ProcessIdentity::parse(&marker), Some(ProcessIdentity::current()));
        folder.remove().unwrap();
        folder.remove().unwrap();
        assert!(!folder.directory.exists());
    }

    #[test]
    fn an_inaccessible_parent_folder_is_detected() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account { uid: Uid::from_raw(54_321), gid: Gid::from_raw(54_321) };
        assert!(enters(root.path(), &stranger).is_err());
        assert_eq!(enters(Path::new("/tmp"), &stranger), Ok(()));
    }
}
