//! How `initdb` and `postgres` are run: as whom, with what environment, and so that they end with us.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::postmaster_plan::PostmasterPlan;
use crate::server::error::ProviderError;

/// A program of the folder, with its output in its log, and with nothing of our environment that PostgreSQL would heed.
pub(crate) fn program(plan: &PostmasterPlan, name: &str) -> Result<Command, ProviderError> {
    let log = plan.place.log(name);
    let file = File::create(&log).map_err(|error| ProviderError::file("write", &log, &error))?;
    let second = file.try_clone().map_err(|error| ProviderError::file("write", &log, &error))?;
    let mut command = Command::new(plan.folder.join(name));
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| keeps(name)))
        .env("LC_ALL", "C")
        .current_dir(&plan.place.directory)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(second)
        // A terminal's Ctrl-C goes to a whole process group. The order of the end is ours.
        .process_group(0);
    if let Some(account) = &plan.account {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    Ok(command)
}

fn keeps(name: &OsStr) -> bool {
    ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME", "TMPDIR"]
        .iter()
        .any(|kept| name == *kept)
}

pub(crate) fn spawn(
    plan: &PostmasterPlan,
    mut command: Command,
    name: &str,
    when_we_die: Signal,
) -> Result<Child, ProviderError> {
    end_with_us(&mut command, when_we_die);
    command.spawn().map_err(|error| ProviderError::File {
        doing: "run",
        path: plan.folder.join(name),
        reason: match (&plan.account, error.kind()) {
            (Some(_), std::io::ErrorKind::PermissionDenied) => format!(
                "{error}; it runs as the user `postgres` or `nobody`, because PostgreSQL refuses root, and \
                 that user has no access to it"
            ),
            _ => error.to_string(),
        },
    })
}

/// Has the kernel end the child when this thread ends, by whatever: SIGKILL included.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "code between fork and exec is unsafe by its nature; these are three bare system calls"
)]
fn end_with_us(command: &mut Command, signal: Signal) {
    let parent = Pid::this();
    // SAFETY: only async-signal-safe calls (prctl, getppid), no allocation, no lock. std changes the user before it runs
    // this, as it must be: a change of the user clears the setting.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(signal)?;
            // The parent may have ended before the setting was made.
            if Pid::parent() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
        });
    }
}

/// Elsewhere the next start's sweep has to do it.
#[cfg(not(target_os = "linux"))]
fn end_with_us(_: &mut Command, _: Signal) {}
