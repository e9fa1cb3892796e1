//! `mig-ci action` executes itself again, in the same process, with an environment without secrets.
//!
//! Any process of the same user can read `/proc/PID/environ` and `/proc/PID/cmdline`, and so can SQL that runs as a superuser
//! of a server on this machine (`COPY … FROM PROGRAM`, `pg_read_file`). Unsetting a variable does not change those files; only
//! `exec` does. The real environment and the arguments are passed in an anonymous memory file as standard input, which is read
//! and closed before anything else. `PR_SET_DUMPABLE` then protects `/proc/PID/mem` and similar files.

use std::ffi::OsString;

/// Set in the second execution.
const MARK: &str = "MIG_CI_ISOLATED";

/// The arguments of the process, once its environment contains no secret.
///
/// # Errors
/// Why the process cannot be executed again. Nothing has been done by then.
pub(crate) fn arguments(given: Vec<OsString>) -> Result<Vec<OsString>, String> {
    if !is_action(&given) {
        return Ok(given);
    }
    system::isolated(given)
        .map_err(|reason| format!("cannot restart without secrets in the environment: {reason}"))
}

/// Whether the arguments name the command that runs the files of a pull request.
fn is_action(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).any(|argument| argument == "action")
}

/// Variables for the programs that mig-ci runs, and for its libraries. All others are passed in the memory file.
fn stays(name: &str, value: &str) -> bool {
    const NAMES: [&str; 24] = [
        "CI",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
        "FORCE_COLOR",
        "GITHUB_ACTIONS",
        "HOME",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "LANG",
        "LD_LIBRARY_PATH",
        "LLVM_PROFILE_FILE",
        "LOGNAME",
        "NO_COLOR",
        "NO_PROXY",
        "PATH",
        "RUST_BACKTRACE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
        "XDG_RUNTIME_DIR",
    ];
    const PREFIXES: [&str; 6] = ["DOCKER_", "GIT_", "LC_", "MIG_CI_", "PG", "SSH_"];
    // Git reads these as its configuration, which may contain credentials.
    const NEVER: [&str; 4] =
        ["DOCKER_AUTH_CONFIG", "GIT_CONFIG_PARAMETERS", "MIG_CI_POSTGRES_URL", "PGPASSWORD"];
    let upper = name.to_ascii_uppercase();
    let is_known =
        NAMES.contains(&upper.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let is_never = NEVER.contains(&name)
        || ["GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    is_known && !is_never && !crate::secrets::holds_secret(name, value)
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeMap;
    use std::ffi::{OsStr, OsString};
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::{MARK, stays};
    use crate::config;

    /// The prefix of each argument and variable; a zero byte terminates it.
    const ARGUMENT: u8 = b'a';
    const VARIABLE: u8 = b'v';

    pub(crate) fn isolated(given: Vec<OsString>) -> Result<Vec<OsString>, String> {
        if std::env::var_os(MARK).is_some() {
            return take_over();
        }
        Err(start_again(&given))
    }

    /// Returns only if it fails.
    fn start_again(given: &[OsString]) -> String {
        let file = match handed_over(given) {
            Ok(file) => file,
            Err(error) => return format!("no file in memory: {error}"),
        };
        let kept =
            std::env::vars_os().filter(|(name, value)| match (name.to_str(), value.to_str()) {
                (Some(name), Some(value)) => stays(name, value),
                _ => false,
            });
        let mut command = Command::new("/proc/self/exe");
        // The other arguments may contain a server's address.
        command.arg0(given.first().map_or(OsStr::new("mig-ci"), OsString::as_os_str)).arg("action");
        let error = command.env_clear().envs(kept).env(MARK, "1").stdin(file).exec();
        format!("/proc/self/exe: {error}")
    }

    fn handed_over(given: &[OsString]) -> std::io::Result<File> {
        let mut bytes = Vec::new();
        let mut push = |kind: u8, parts: &[&[u8]]| {
            bytes.push(kind);
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
            bytes.push(0);
        };
        given.iter().for_each(|argument| push(ARGUMENT, &[argument.as_bytes()]));
        for (name, value) in std::env::vars_os() {
            push(VARIABLE, &[name.as_bytes(), b"=", value.as_bytes()]);
        }
        let mut file = File::from(memfd_create("mig-ci", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&bytes)?;
        file.rewind()?;
        Ok(file)
    }

    fn take_over() -> Result<Vec<OsString>, String> {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| format!("standard input: {error}"))?;
        let nothing = File::open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
        nix::unistd::dup2_stdin(&nothing).map_err(|error| format!("standard input: {error}"))?;
        nix::sys::prctl::set_dumpable(false)
            .map_err(|error| format!("PR_SET_DUMPABLE: {error}"))?;
        // A process started by /proc/self/exe has the name `exe` in `ps`, `pkill` and kernel logs. Its path could be another
        // program by now, or not exist.
        let _ = nix::sys::prctl::set_name(c"mig-ci");
        let mut arguments = Vec::new();
        let mut environment = BTreeMap::new();
        for item in bytes.split(|byte| *byte == 0) {
            match item.split_first() {
                Some((&ARGUMENT, rest)) => arguments.push(OsString::from_vec(rest.to_vec())),
                Some((&VARIABLE, rest)) => {
                    let text = std::str::from_utf8(rest).ok().and_then(|text| text.split_once('='));
                    environment
                        .extend(text.map(|(name, value)| (name.to_owned(), value.to_owned())));
                }
                _ => {}
            }
        }
        if arguments.is_empty() {
            return Err(format!("{MARK} is set, but no environment was passed"));
        }
        config::hand_over(environment);
        Ok(arguments)
    }
}

/// Other systems have no `/proc`, and no file that would show an environment.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::ffi::OsString;

    pub(crate) fn isolated(given: Vec<OsString>) -> Result<Vec<OsString>, String> {
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_secrets_are_removed() {
        for (name, value) in [
            ("INPUT_GITHUB-TOKEN", "ghs_x"),
            ("ACTIONS_RUNTIME_TOKEN", "x"),
            ("GITHUB_TOKEN", "x"),
            ("MIG_CI_POSTGRES_URL", "postgres://h/d"),
            ("PGPASSWORD", "x"),
            ("MY_VARIABLE", "x"),
            ("GIT_CONFIG_VALUE_0", "AUTHORIZATION: basic eA=="),
            ("DOCKER_AUTH_CONFIG", "{}"),
            ("https_proxy", "http://u:p@h"),
        ] {
            assert!(!stays(name, value), "{name}");
        }
        for (name, value) in [
            ("PATH", "/bin"),
            ("MIG_CI_PROVIDER", "local"),
            ("DOCKER_HOST", "unix:///x"),
            ("https_proxy", "http://h:3128"),
            ("PGHOST", "h"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ] {
            assert!(stays(name, value), "{name}");
        }
    }

    #[test]
    fn only_the_action_is_executed_again() {
        let is = |words: &[&str]| is_action(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(is(&["mig-ci", "action"]) && is(&["mig-ci", "--quiet", "action", "--post"]));
        assert!(!is(&["mig-ci", "verify"]) && !is(&["action"]));
    }
}
