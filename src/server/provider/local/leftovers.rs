//! Clusters whose run has ended without taking them away: their folder, and the server if it still runs in it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use super::cluster_folder::{DATA, MARKER, bases, remove_all};
use super::leftover_processes;
use crate::server::clean_report::{CleanupScope, RemovedKind, Swept};
use crate::server::process_identity::{Liveness, ProcessIdentity};
use crate::server::run_id::run_of_directory;

/// A folder of a run in another PID namespace (a container that shares the folder) or from before a reboot cannot be judged
/// by its owner; no run lasts this long.
const SURELY_OVER: Duration = Duration::from_secs(24 * 60 * 60);
/// A folder without a marker: between being made and being marked lies no more than this.
const UNMARKED_FOR: Duration = Duration::from_secs(60);

/// Removes the clusters in `scope`, in all places where clusters may be.
pub(crate) fn sweep(scope: &CleanupScope) -> Swept {
    bases().iter().fold(Swept::default(), |swept, base| swept.join(sweep_base(base, scope)))
}

fn sweep_base(base: &Path, scope: &CleanupScope) -> Swept {
    let mut swept = Swept::default();
    let Ok(entries) = fs::read_dir(base) else { return swept };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(run) = name.to_str().and_then(run_of_directory) else { continue };
        // A link of that name is somebody's trick; what it leads to is not ours.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let directory = entry.path();
        if !takes(&directory, run, scope) {
            swept.kept += usize::from(*scope == CleanupScope::Stale);
            continue;
        }
        end_server(&directory);
        // Whoever may write to the place could have made the folder, and named a stranger's memory in it.
        if is_of_our_user(&directory) {
            leftover_processes::end(&directory.join(DATA));
        }
        match remove_all(&directory) {
            Ok(()) => swept.removed(RemovedKind::Directory, &directory.to_string_lossy(), run),
            // Another user's; they will sweep it themselves.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => swept.kept += 1,
            Err(error) => {
                swept.problems.push(format!("cannot remove {}: {error}", directory.display()))
            }
        }
    }
    swept
}

fn takes(directory: &Path, run: &str, scope: &CleanupScope) -> bool {
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

/// The marker is written by mig-ci's own user, also where the server runs as another.
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

/// Ends the server of a cluster, if one runs: at once, since nobody needs its data.
fn end_server(directory: &Path) {
    let data = directory.join(DATA);
    let Some(pid) = postmaster(&data) else { return };
    for (signal, patience) in
        [(Signal::SIGQUIT, Duration::from_secs(1)), (Signal::SIGKILL, Duration::from_secs(1))]
    {
        if kill(pid, signal) == Err(Errno::ESRCH) || gone_within(&data, patience) {
            return;
        }
    }
}

fn gone_within(data: &Path, patience: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if postmaster(data).is_none() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// The server's process, if the number in its lock file still is that: anybody could have written the file, and numbers
/// are used again.
fn postmaster(data: &Path) -> Option<Pid> {
    let lock = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: i32 = lock.lines().next()?.trim().parse().ok()?;
    (pid > 1 && leftover_processes::works_in(pid, data)).then(|| Pid::from_raw(pid))
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
    fn only_what_nobody_owns_goes() {
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

        let swept = sweep_base(base.path(), &CleanupScope::Stale);

        assert_eq!(swept.removed.len(), 1, "{swept:?}");
        assert_eq!(swept.kept, 3);
        assert!(!dead.exists());
        assert!(alive.exists() && elsewhere.exists() && unmarked.exists() && stranger.exists());
    }

    #[test]
    fn a_run_takes_its_own_alone() {
        let base = tempfile::tempdir().unwrap();
        let (mine, other) = (RunId::new(), RunId::new());
        let my_folder = leave(base.path(), &mine, &ProcessIdentity::current());
        let other_folder = leave(base.path(), &other, &ProcessIdentity::current());
        sweep_base(base.path(), &CleanupScope::Run(mine));
        assert!(!my_folder.exists() && other_folder.exists());
        assert_eq!(sweep_base(base.path(), &CleanupScope::Everything).removed.len(), 1);
    }

    #[test]
    fn a_lock_file_that_names_a_stranger_kills_nobody() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
        assert_eq!(postmaster(data.path()), None);
    }
}
