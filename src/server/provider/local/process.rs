//! Runs `initdb` and `postgres`: the account, the environment, and their end with mig-ci's process.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::postmaster_plan::PostmasterPlan;
use crate::server::error::ProviderError;

/// A command for a program of the folder: output to its log, and no variables of the environment that affect PostgreSQL.
pub(crate) fn program(plan: &PostmasterPlan, name: &str) -> Result<Command, ProviderError> {
    let log = plan.cluster.log(name);
    let file = File::create(&log).map_err(|error| ProviderError::file("write", &log, &error))?;
    let second = file.try_clone().map_err(|error| ProviderError::file("write", &log, &error))?;
    let mut command = Command::new(plan.folder.join(name));
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| keeps(name)))
        .env("LC_ALL", "C")
        .current_dir(&plan.cluster.directory)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(second)
        // Keeps a terminal's Ctrl-C from the server, because mig-ci stops it in order.
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
    death_signal: Signal,
) -> Result<Child, ProviderError> {
    die_with_parent(&mut command, death_signal);
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

/// Makes the kernel send `signal` to the child when this thread ends, even by SIGKILL.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "code between fork and exec is unsafe by its nature; these are three bare system calls"
)]
fn die_with_parent(command: &mut Command, signal: Signal) {
    let parent = Pid::this();
    // SAFETY: only async-signal-safe calls (prctl, getppid), no allocation, no lock. std changes the user before this, as
    // required: a change of the user clears the setting.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(signal)?;
            // The parent may have ended before the call of prctl.
            if Pid::parent() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
        });
    }
}

/// On other systems the next start's cleanup does this.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command, _: Signal) {}
