//! Clusters of ended runs: their directory, and a server that still runs in it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use super::cluster_folder::{DATA, MARKER, bases, remove_all};
use super::leftover_processes;
use crate::retry::policies::LEFTOVER_SERVER_END;
use crate::server::clean_report::{CleanReport, CleanupScope, RemovedKind};
use crate::server::process_identity::{Liveness, ProcessIdentity};
use crate::server::run_id::run_of_directory;

/// The owner of a directory cannot be checked if it is from another PID namespace (a container that shares the folder) or
/// from before a reboot; no run lasts this long.
const SURELY_OVER: Duration = Duration::from_secs(24 * 60 * 60);
/// The age of a directory without a marker at which it is stale: the marker is written right after the directory is created.
const UNMARKED_FOR: Duration = Duration::from_secs(60);

/// Removes the clusters in `scope`, in all locations of clusters.
pub(crate) fn clean_up(scope: &CleanupScope) -> CleanReport {
    bases().iter().fold(CleanReport::default(), |report, base| report.join(clean_base(base, scope)))
}

fn clean_base(base: &Path, scope: &CleanupScope) -> CleanReport {
    let mut report = CleanReport::default();
    let Ok(entries) = fs::read_dir(base) else { return report };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(run) = name.to_str().and_then(run_of_directory) else { continue };
        // A link of that name may have been planted; its target does not belong to mig-ci.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let directory = entry.path();
        if !is_removed(&directory, run, scope) {
            report.kept += usize::from(*scope == CleanupScope::Stale);
            continue;
        }
        end_server(&directory);
        // Other users may write to the location, and could have created a directory that refers to another process's memory.
        if is_of_our_user(&directory) {
            leftover_processes::end(&directory.join(DATA));
        }
        match remove_all(&directory) {
            Ok(()) => report.removed(RemovedKind::Directory, &directory.to_string_lossy(), run),
            // Another user's directory; their own runs remove it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => report.kept += 1,
            Err(error) => {
                report.problems.push(format!("cannot remove {}: {error}", directory.display()))
            }
        }
    }
    report
}

fn is_removed(directory: &Path, run: &str, scope: &CleanupScope) -> bool {
    match scope {
        CleanupScope::Run(wanted) => run == wanted.as_str(),
        CleanupScope::Everything => true,
        CleanupScope::Stale => {
            let marker = fs::read_to_string(directory.join(MARKER)).unwrap_or_default();
            match ProcessIdentity::parse(&marker).map(|owner| owner.liveness()) {
                Some(Liveness::Alive) => false,
                Some(Liveness::Dead) => true,
                Some(Liveness::Elsewhere) => age(directory) > SURELY_OVER,
                None => age(directory) > UNMARKED_FOR,
            }
        }
    }
}

/// mig-ci's own user writes the marker, even if the server runs as another.
fn is_of_our_user(directory: &Path) -> bool {
    fs::metadata(directory.join(MARKER))
        .is_ok_and(|metadata| metadata.uid() == Uid::effective().as_raw())
}

fn age(directory: &Path) -> Duration {
    fs::metadata(directory)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok())
        .unwrap_or_default()
}

/// Stops the server of a cluster, if one runs. Immediate shutdown, since the data are not needed.
fn end_server(directory: &Path) {
    let data = directory.join(DATA);
    let Some(pid) = postmaster(&data) else { return };
    let is_gone = || postmaster(&data).is_none();
    for signal in [Signal::SIGQUIT, Signal::SIGKILL] {
        if kill(pid, signal) == Err(Errno::ESRCH) || LEFTOVER_SERVER_END.poll_blocking(is_gone) {
            return;
        }
    }
}

/// The postmaster's PID, if the process in the lock file still is a server of this data directory: the file could be forged,
/// and PIDs are reused.
fn postmaster(data: &Path) -> Option<Pid> {
    let lock = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: i32 = lock.lines().next()?.trim().parse().ok()?;
    (pid > 1 && leftover_processes::is_process_of(pid, data)).then(|| Pid::from_raw(pid))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::server::run_id::RunId;

    fn leave(base: &Path, run: &RunId, owner: &ProcessIdentity) -> PathBuf {
        let directory = base.join(run.directory());
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(MARKER), owner.to_string()).unwrap();
        directory
    }

    #[test]
    fn only_clusters_of_dead_runs_are_removed() {
        let base = tempfile::tempdir().unwrap();
        let alive = leave(base.path(), &RunId::new(), &ProcessIdentity::current());
        let reused = ProcessIdentity { started: "0".to_owned(), ..ProcessIdentity::current() };
        let dead = leave(base.path(), &RunId::new(), &reused);
        let container =
            ProcessIdentity { namespace: "pid:[1]".to_owned(), ..ProcessIdentity::current() };
        let elsewhere = leave(base.path(), &RunId::new(), &container);
        let unmarked = base.path().join(RunId::new().directory());
        fs::create_dir(&unmarked).unwrap();
        let stranger = base.path().join("mig-ci-notes");
        fs::create_dir(&stranger).unwrap();
        std::os::unix::fs::symlink(&stranger, base.path().join(RunId::new().directory())).unwrap();

        let report = clean_base(base.path(), &CleanupScope::Stale);

        assert_eq!(report.removed.len(), 1, "{report:?}");
        assert_eq!(report.kept, 3);
        assert!(!dead.exists());
        assert!(alive.exists() && elsewhere.exists() && unmarked.exists() && stranger.exists());
    }

    #[test]
    fn cleanup_of_a_run_removes_only_its_own_cluster() {
        let base = tempfile::tempdir().unwrap();
        let (mine, other) = (RunId::new(), RunId::new());
        let my_folder = leave(base.path(), &mine, &ProcessIdentity::current());
        let other_folder = leave(base.path(), &other, &ProcessIdentity::current());
        clean_base(base.path(), &CleanupScope::Run(mine));
        assert!(!my_folder.exists() && other_folder.exists());
        assert_eq!(clean_base(base.path(), &CleanupScope::Everything).removed.len(), 1);
    }

    #[test]
    fn a_lock_file_with_a_foreign_pid_is_ignored() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
        assert_eq!(postmaster(data.path()), None);
    }
}
