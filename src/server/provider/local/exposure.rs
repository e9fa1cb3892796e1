//! Data of other processes that a server of this provider could read: the arguments of all, and the environment of its own
//! user's.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::unistd::Uid;

use super::cluster_folder::account;
use crate::secrets;

/// A process that exposes a known secret to the user that a local server would run as: its name and PID.
///
/// If mig-ci is root, the server runs as another user, and cannot read the environment of the job.
pub(crate) fn process_with_secret() -> Option<String> {
    let account = account().ok()?;
    let uid = account.map_or_else(Uid::effective, |account| account.uid).as_raw();
    let own = std::process::id();
    let entries = fs::read_dir("/proc").ok()?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid: &u32| *pid != own).find_map(|pid| {
        let folder = format!("/proc/{pid}");
        let is_readable = fs::metadata(&folder).is_ok_and(|there| there.uid() == uid);
        let mut shown = fs::read(format!("{folder}/cmdline")).unwrap_or_default();
        if is_readable {
            shown.extend(fs::read(format!("{folder}/environ")).unwrap_or_default());
        }
        let name = fs::read_to_string(format!("{folder}/comm")).unwrap_or_default();
        secrets::is_in(&shown).then(|| format!("`{}` ({pid})", name.trim()))
    })
}
