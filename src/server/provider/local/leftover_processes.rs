//! What a server leaves that did not end in order, and that no folder holds: sessions that go on computing without it, and
//! the System V segment by which it held its data folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Ends and removes it, for the data folder of a server that runs no more. One that ended in order has removed its lock
/// file, and left nothing.
pub(crate) fn end(data: &Path) {
    let Ok(lock) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    for pid in processes().into_iter().filter(|pid| works_in(*pid, data)) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    release_shared_memory(&lock);
}

/// A server's processes have its data folder as their working directory.
#[cfg(target_os = "linux")]
pub(crate) fn works_in(pid: i32, data: &Path) -> bool {
    let cwd: Option<PathBuf> = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    cwd.is_some() && cwd == fs::canonicalize(data).ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn works_in(pid: i32, data: &Path) -> bool {
    let data: PathBuf = data.to_owned();
    let output = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    output.is_ok_and(|output| {
        let command = String::from_utf8_lossy(&output.stdout).into_owned();
        command.contains("postgres") && command.contains(&*data.to_string_lossy())
    })
}

/// All of the machine; none where there is no `/proc`.
fn processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(|pid| *pid > 1).collect()
}

/// 56 bytes each, but a machine has only so many. Where there is no `ipcrm`, they stay until it is switched off.
fn release_shared_memory(lock: &str) {
    let Some(number) = segment(lock) else { return };
    let _ = Command::new("ipcrm")
        .args(["-m", number])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// The lock file's line 7 (`LOCK_FILE_LINE_SHMEM_KEY`) is the segment's key and its number.
fn segment(lock: &str) -> Option<&str> {
    let number = lock.lines().nth(6)?.split_whitespace().nth(1)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segment_is_read_from_the_lock_file() {
        let lock = "123\n/data\n1700000000\n5432\n/tmp\n\n   207863   1376262\nready   \n";
        assert_eq!(segment(lock), Some("1376262"));
        assert_eq!(segment("123\n/data\n"), None);
        assert_eq!(segment("1\n2\n3\n4\n5\n6\n1 -m\n"), None);
    }

    #[test]
    fn this_process_works_in_its_own_folder_alone() {
        let pid = std::process::id().cast_signed();
        assert!(works_in(pid, &std::env::current_dir().unwrap()));
        assert!(!works_in(pid, Path::new("/nonexistent")));
    }
}
