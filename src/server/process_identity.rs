//! The process that owns a leftover, and whether it is alive: identified by its PID *and* its start time, on one boot of one
//! machine, in one PID namespace. A PID alone may be reused, and differs between containers.

use std::fmt;

/// A process that can be identified later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessIdentity {
    /// The boot ID (on Linux), or the machine's name.
    pub(crate) boot: String,
    /// The PID namespace of `pid`.
    pub(crate) namespace: String,
    pub(crate) pid: u32,
    /// Its start time in the system's format; only compared.
    pub(crate) started: String,
}

/// Whether an owner is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    Alive,
    Dead,
    /// It runs (or ran) where its PID has no meaning here: in a container, on another machine, before a reboot.
    Elsewhere,
}

impl ProcessIdentity {
    /// This process.
    pub(crate) fn current() -> Self {
        let pid = std::process::id();
        Self {
            boot: system::boot(),
            namespace: system::pid_namespace(),
            pid,
            started: system::started(pid).unwrap_or_default(),
        }
    }

    /// Parses the `Display` format.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim().splitn(4, ' ');
        let boot = words.next()?.to_owned();
        let namespace = words.next()?.to_owned();
        let pid = words.next()?.parse().ok()?;
        let started = words.next().unwrap_or_default().to_owned();
        Some(Self { boot, namespace, pid, started })
    }

    /// Whether the process is alive.
    pub(crate) fn liveness(&self) -> Liveness {
        if self.boot != system::boot() || self.namespace != system::pid_namespace() {
            return Liveness::Elsewhere;
        }
        match system::started(self.pid) {
            Some(started) if started == self.started => Liveness::Alive,
            Some(_) | None => Liveness::Dead,
        }
    }
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.boot, self.namespace, self.pid, self.started)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    pub(crate) fn boot() -> String {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
    }

    pub(crate) fn pid_namespace() -> String {
        // `pid:[4026531836]`
        fs::read_link("/proc/self/ns/pid")
            .map_or_else(|_| "unknown".to_owned(), |link| link.to_string_lossy().into_owned())
    }

    /// Clock ticks from boot to the process's start; `None` if there is no such process, or it is a zombie.
    pub(crate) fn started(pid: u32) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the command in parentheses, and may contain spaces and parentheses.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        if matches!(state, "Z" | "X") {
            return None;
        }
        // Field 22 of proc(5); the state is field 3.
        fields.nth(18).map(str::to_owned)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(crate) fn boot() -> String {
        nix::unistd::gethostname()
            .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().replace(' ', "-"))
    }

    pub(crate) fn pid_namespace() -> String {
        "none".to_owned()
    }

    pub(crate) fn started(pid: u32) -> Option<String> {
        let pid = pid.to_string();
        let output =
            std::process::Command::new("ps").args(["-o", "lstart=", "-p", &pid]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_process_is_alive_after_a_round_trip() {
        let owner = ProcessIdentity::current();
        assert_eq!(owner.liveness(), Liveness::Alive);
        assert_eq!(ProcessIdentity::parse(&owner.to_string()), Some(owner));
    }

    #[test]
    fn a_process_with_a_reused_pid_is_dead() {
        let owner = ProcessIdentity { started: "1".to_owned(), ..ProcessIdentity::current() };
        assert_eq!(owner.liveness(), Liveness::Dead);
    }

    #[test]
    fn an_ended_process_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let owner = ProcessIdentity { pid: child.id(), ..ProcessIdentity::current() };
        child.wait().unwrap();
        assert_eq!(owner.liveness(), Liveness::Dead);
    }

    #[test]
    fn processes_of_other_namespaces_and_boots_are_elsewhere() {
        let elsewhere =
            ProcessIdentity { namespace: "pid:[1]".to_owned(), ..ProcessIdentity::current() };
        assert_eq!(elsewhere.liveness(), Liveness::Elsewhere);
        let before = ProcessIdentity { boot: "b".to_owned(), ..ProcessIdentity::current() };
        assert_eq!(before.liveness(), Liveness::Elsewhere);
    }

    #[test]
    fn an_incomplete_line_is_not_parsed() {
        assert_eq!(ProcessIdentity::parse(""), None);
        assert_eq!(ProcessIdentity::parse("boot ns x"), None);
    }
}
