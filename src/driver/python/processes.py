"""Process groups of targets: started as leaders of a session, ended as a whole.

Linux has two more things: a parent's death signal, and a subreaper. With the latter,
descendants that have left the group become children of the supervisor, which
finds them in /proc.
"""
import os
import signal
import sys

LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = None


def _prctl(option, value):
    """prctl(2), or False where it does not exist."""
    global _libc
    if not LINUX:
        return False
    try:
        if _libc is None:
            import ctypes
            _libc = ctypes.CDLL(None)
        return _libc.prctl(option, value, 0, 0, 0) == 0
    except Exception:
        return False


def become_subreaper():
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def load_prctl():
    """Loads what die_with_parent() needs, since that runs right after a fork."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def die_with_parent(parent):
    """Called in a child: SIGKILL when `parent` ends, also if it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if LINUX and os.getppid() != parent:
        os._exit(1)


def kill_group(pid):
    """Kills the group that `pid` leads. The leader must not be reaped yet, so that its number still means it."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # A child that has just been forked leads no group yet.
        kill(pid)


def ended_child():
    """The number of a child that has ended and waits to be reaped, or None."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def reap(pid):
    """(exit code, signal) of an ended child."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return None, None
    return decode(status)


def decode(status):
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None


def children(parent):
    """The children of a process, by /proc; nothing on other systems."""
    found = []
    if not LINUX:
        return found
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != b"Z":
            found.append(int(name))
    return found


def open_files(pid):
    """The identities (device, inode) of a process's open files."""
    found = set()
    folder = "/proc/%d/fd" % pid
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            status = os.stat(os.path.join(folder, name))
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
