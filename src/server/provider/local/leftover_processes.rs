//! Leftovers of a server that was killed, outside of its directory: backends that continue to execute, and the System V
//! shared memory segment that locks its data directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Ends and removes the leftovers of a server that no longer runs. A server that shut down in order has removed its lock
/// file, and left nothing.
pub(crate) fn end(data: &Path) {
    let Ok(lock) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    for pid in processes().into_iter().filter(|pid| is_process_of(*pid, data)) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    release_shared_memory(&lock);
}

/// The processes of a server have its data directory as their working directory.
#[cfg(target_os = "linux")]
pub(crate) fn is_process_of(pid: i32, data: &Path) -> bool {
    let cwd: Option<PathBuf> = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    cwd.is_some() && cwd == fs::canonicalize(data).ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn is_process_of(pid: i32, data: &Path) -> bool {
    let data: PathBuf = data.to_owned();
    let output = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    output.is_ok_and(|output| {
        let command = String::from_utf8_lossy(&output.stdout).into_owned();
        command.contains("postgres") && command.contains(&*data.to_string_lossy())
    })
}

/// All processes of the machine; empty without `/proc`.
fn processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(|pid| *pid > 1).collect()
}

/// A segment has 56 bytes, but their number is limited. Without `ipcrm` they remain until a reboot.
fn release_shared_memory(lock: &str) {
    let Some(number) = segment(lock) else { return };
    let _ = Command::new("ipcrm")
        .args(["-m", number])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Line 7 of the lock file (`LOCK_FILE_LINE_SHMEM_KEY`) has the segment's key and its ID.
fn segment(lock: &str) -> Option<&str> {
    let number = lock.lines().nth(6)?.split_whitespace().nth(1)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_memory_id_is_read_from_the_lock_file() {
        let lock = "123\n/data\n1700000000\n5432\n/tmp\n\n   207863   1376262\nready   \n";
        assert_eq!(segment(lock), Some("1376262"));
        assert_eq!(segment("123\n/data\n"), None);
        assert_eq!(segment("1\n2\n3\n4\n5\n6\n1 -m\n"), None);
    }

    #[test]
    fn a_process_works_only_in_its_current_folder() {
        let pid = std::process::id().cast_signed();
        assert!(is_process_of(pid, &std::env::current_dir().unwrap()));
        assert!(!is_process_of(pid, Path::new("/nonexistent")));
    }
}
