"""Descriptors that survive what projects do: high numbers, and a check that they are still ours.

An env.py may close a range of descriptors or put a file of its own on 1 and 2.
The driver's own descriptors therefore have high numbers, and are compared with
the device and inode of their beginning before each use: a number that the
project has closed can belong to one of its files or sockets by then.
"""
import fcntl
import os
import resource


def high(fd):
    """Duplicates `fd` to a high number that is closed on exec, and returns that number."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    lowest = 700 if soft == resource.RLIM_INFINITY or soft > 900 else max(3, soft - 60)
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)


def null(fd, flags):
    """Puts /dev/null on `fd`."""
    opened = os.open(os.devnull, flags)
    if opened != fd:
        os.dup2(opened, fd)
        os.close(opened)
    else:
        os.set_inheritable(fd, True)


def identity(fd):
    """What tells two open files apart, or None for a closed descriptor."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Writer:
    """Writes to a pipe or socket for as long as its descriptor is still the same."""

    def __init__(self, fd):
        self.fd = fd
        self.identity = identity(fd)

    def ours(self):
        return self.identity is not None and identity(self.fd) == self.identity

    def write(self, data):
        """Writes all of `data`; False if the descriptor is no longer ours or nobody reads."""
        if not self.ours():
            return False
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view):]
            except OSError:
                return False
        return True
