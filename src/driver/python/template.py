"""A template process: imports once, and forks a target for each request.

At level `fork` it imports Alembic, SQLAlchemy and the installed DBAPIs. At level `warm` it
imports in addition, in the neutral environment, the modules that a first target was seen
to import. What such an import does besides defining names would be shared by all targets:
a template whose imports start threads, open sockets, or change the environment or the working folder is
not used. Which variables the imports read is recorded, since a target in whose environment one of them
differs must not see what the template has read.
"""
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import stat
import sys
import threading

from . import descriptors
from . import processes

PRELOADED = ("alembic", "alembic.command", "alembic.config", "alembic.context", "alembic.op", "alembic.script", "alembic.runtime.environment",
             "sqlalchemy", "sqlalchemy.orm", "sqlalchemy.ext.asyncio", "sqlalchemy.dialects.postgresql", "logging.config")
DBAPIS = ("psycopg2", "psycopg", "asyncpg", "pg8000", "pg8000.dbapi")
# Any variable: the imports listed the whole environment.
ALL = "*"


class Reads:
    """Records the names of the variables that are read while it is active."""

    def __init__(self):
        self.names = set()

    def __enter__(self):
        cls = type(os.environ)
        self.methods = {name: cls.__dict__[name] for name in ("__getitem__", "__iter__")}
        get, iterate = self.methods["__getitem__"], self.methods["__iter__"]

        def __getitem__(environ, name):
            self.names.add(os.fsdecode(name) if isinstance(name, (str, bytes)) else str(name))
            return get(environ, name)

        def __iter__(environ):
            self.names.add(ALL)
            return iterate(environ)

        cls.__getitem__, cls.__iter__ = __getitem__, __iter__
        return self

    def __exit__(self, *_):
        for name, method in self.methods.items():
            setattr(type(os.environ), name, method)


def _special_descriptors():
    """Sockets and kernel objects without a file, such as those of event loops."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode) or os.readlink("/proc/self/fd/" + name).startswith("anon_inode:"):
                found.add(int(name))
        except OSError:
            continue
    return found


class State:
    """What imports must not change."""

    def __init__(self):
        self.environment = dict(os.environ)
        self.folder = os.getcwd()
        self.descriptors = _special_descriptors()

    def difference(self):
        """Why the process cannot be a template, or None."""
        from .guard import GUARD
        if threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1:
            return "the imports started threads"
        if GUARD.refusals:
            return "the imports tried to connect"
        if _special_descriptors() - self.descriptors:
            return "the imports opened sockets or an event loop"
        if dict(os.environ) != self.environment:
            return "the imports changed environment variables"
        if os.getcwd() != self.folder:
            return "the imports changed the working folder"
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return "the imports started processes"
        except ChildProcessError:
            return None


class Template:
    def __init__(self, request):
        self.control = socket.socket(fileno=descriptors.high(request["control_fd"]))
        os.close(request["control_fd"])
        self.warm = request.get("warm")
        self.children = {}
        self.path = []

    def send(self, **message):
        self.control.sendall(json.dumps(message).encode("utf-8") + b"\n")

    def prepare(self):
        """Imports. Returns the reason why the template cannot be used, or None, and the variables that were read."""
        from . import target
        target.install()
        target.as_console_script()
        self.path = list(sys.path)
        state = State()
        with Reads() as reads:
            try:
                for name in PRELOADED:
                    importlib.import_module(name)
            except Exception as failed:
                return "%s: %s" % (type(failed).__name__, failed), reads.names
            for name in DBAPIS:
                try:
                    importlib.import_module(name)
                except ImportError:
                    continue
            self.preloaded = set(sys.modules)
            if self.warm:
                reason = self._import(self.warm)
                if reason is not None:
                    return reason, reads.names
        return state.difference(), reads.names

    def _import(self, warm):
        sys.path[:] = warm["path"]
        try:
            for name in warm["modules"]:
                importlib.import_module(name)
        except BaseException as failed:
            return "importing %s failed: %s: %s" % (name, type(failed).__name__, failed)
        finally:
            sys.path[:] = self.path
        return None

    def receive(self):
        """A request with its three descriptors, or None at the end."""
        header, ancillary, _, _ = self.control.recvmsg(8, socket.CMSG_SPACE(3 * 4))
        if len(header) < 8:
            return None, []
        size = int.from_bytes(header, "big")
        data = b""
        while len(data) < size:
            part = self.control.recv(size - len(data))
            if not part:
                return None, []
            data += part
        fds = []
        for _, _, raw in ancillary:
            fds += [int.from_bytes(raw[at:at + 4], sys.byteorder) for at in range(0, len(raw), 4)]
        return json.loads(data.decode("utf-8")), fds

    def request(self):
        message, fds = self.receive()
        if message is None:
            for pid in self.children:
                processes.kill_group(pid)
            os._exit(0)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self.child(message, fds, parent)
            finally:
                os._exit(1)
        for fd in fds:
            os.close(fd)
        self.children[pid] = message["run"]["id"]
        self.send(forked=message["run"]["id"], pid=pid)

    def child(self, message, fds, parent):
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        processes.die_with_parent(parent)
        self.control.close()
        os.dup2(fds[1], 1)
        os.dup2(fds[2], 2)
        event_fd = descriptors.high(fds[0])
        for fd in fds:
            os.close(fd)
        from . import target
        code = target.run_forked(message, event_fd, self.path, self.preloaded if not self.warm else None)
        os._exit(code)

    def ended(self, fd):
        os.read(fd, 4096)
        while True:
            pid = processes.ended_child()
            if pid is None:
                return
            processes.kill_group(pid)
            code, number = processes.reap(pid)
            if pid in self.children:
                self.send(exited=self.children.pop(pid), code=code, signal=number)

    def loop(self):
        reader, writer = os.pipe()
        reader, writer = descriptors.high(reader), descriptors.high(writer)
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(reader, selectors.EVENT_READ)
        selector.register(self.control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == reader:
                    self.ended(reader)
                else:
                    self.request()


def main(document):
    """The entry of a template process."""
    template = Template(document["request"])
    descriptors.null(0, os.O_RDONLY)
    processes.load_prctl()
    reason, reads = template.prepare()
    template.send(ready=reason is None, reason=reason, reads=sorted(reads))
    if reason is not None:
        os._exit(0)
    gc.collect()
    gc.freeze()
    template.loop()
