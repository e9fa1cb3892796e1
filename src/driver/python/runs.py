"""One run in the supervisor: its pipes, its process, and the events that it ends with."""
import json
import os
import secrets
import select
import subprocess
import sys
import time

from . import processes
from . import streams

# How long the pipes of a dead group may stay open, in seconds: a process that has escaped can hold them.
DRAIN_SECONDS = 2.0
LINE_BYTES = 16 * 1024 * 1024
# Set-up commands that this interpreter runs itself, see setup.py.
_PYTHON = ("python", "python3")


def hooked(command):
    """Whether a set-up command is Python, in a form that can be run with the guard and the records of a target."""
    return len(command) > 1 and command[0] in _PYTHON and (not command[1].startswith("-") or (command[1] in ("-m", "-c") and len(command) > 2))


class Run:
    def __init__(self, message, supervisor):
        self.message = message
        self.id = message["id"]
        self.supervisor = supervisor
        self.token = secrets.token_hex(8)
        self.level = message.get("level") or "process"
        self.pid = None
        self.cancelled = False
        self.ended = False
        self.reason = None
        self.garbled = 0
        self.buffer = b""
        self.child_ends = []
        self.readers = {}
        self.identities = set()
        limit = int((message.get("limits") or {}).get("output_bytes") or 65536)
        self.streams = {name: streams.Stream(name, self.token, limit, self.emit) for name in ("stdout", "stderr")}

    def emit(self, type_, **fields):
        self.supervisor.emit(dict({"type": type_, "id": self.id}, **fields))

    def open(self):
        """Makes the pipes for events, stdout and stderr. Returns the ends for the process."""
        for name in ("events", "stdout", "stderr"):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            self.readers[reader] = name
            self.child_ends.append(writer)
            if name != "events":
                status = os.fstat(writer)
                self.identities.add((status.st_dev, status.st_ino))
            self.supervisor.watch(reader, self.readable)
        return self.child_ends

    def close_child_ends(self):
        for fd in self.child_ends:
            os.close(fd)
        self.child_ends = []

    def environment(self):
        """The requested environment, with the folders of `python_path` as PYTHONPATH."""
        environment = dict(self.message.get("environment") or {})
        if self.message.get("python_path"):
            environment["PYTHONPATH"] = os.pathsep.join(self.message["python_path"])
        return environment

    def start_process(self, entry="target"):
        """A fresh interpreter that runs the target."""
        events = self.open()[0]
        document = {"sources": self.supervisor.sources, "entry": entry,
                    "request": {"run": self.message, "event_fd": events, "token": self.token}}
        self._spawn([sys.executable, "-c", self.supervisor.bootstrap], subprocess.PIPE, (events,), document)

    def start_command(self, command):
        """A set-up command, as it is: without hooks and events of its own."""
        self.open()
        self._spawn(command, subprocess.DEVNULL, (), None)
        self.emit("started", pid=self.pid)

    def _spawn(self, command, stdin, pass_fds, document):
        parent = os.getpid()
        try:
            process = subprocess.Popen(
                command, stdin=stdin, stdout=self.child_ends[1], stderr=self.child_ends[2], cwd=self.message["cwd"],
                env=self.environment(), pass_fds=pass_fds, start_new_session=True,
                preexec_fn=lambda: processes.die_with_parent(parent))
        except (OSError, ValueError, subprocess.SubprocessError) as failed:
            self.close_child_ends()
            self.fail("cannot start %s in %s: %s" % (command[0], self.message["cwd"], failed))
            return
        self.close_child_ends()
        self.pid = process.pid
        # The supervisor's loop reaps all children; Popen must not wait for them.
        process.returncode = 0
        self.supervisor.started(self)
        if document is not None:
            data = json.dumps(document).encode("utf-8")
            self.supervisor.feed(process.stdin, b"%d\n" % len(data) + data)

    def fail(self, reason):
        """Ends a run that has no process."""
        self.emit("end", outcome="failed", exit_code=None, open_transactions=[], connections=0, statements=0, swallowed=[],
                  error={"kind": "python", "type": "OSError", "message": reason, "traceback": []})
        self.finish(None, None)

    def readable(self, fd):
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        name = self.readers[fd]
        if not data:
            self._close(fd)
        elif name == "events":
            self._events(data)
        else:
            self.streams[name].feed(data)

    def _close(self, fd):
        self.supervisor.unwatch(fd)
        del self.readers[fd]
        os.close(fd)

    def _events(self, data):
        self.buffer += data
        if b"\n" not in data:
            if len(self.buffer) > LINE_BYTES:
                self.buffer, self.garbled = b"", self.garbled + 1
            return
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            try:
                event = json.loads(line.decode("utf-8"))
                type_ = event["type"]
            except (ValueError, KeyError, TypeError):
                self.garbled += 1
                continue
            if type_.startswith("_"):
                self.supervisor.internal(self, event)
            elif event.get("id") == self.id:
                self.ended = self.ended or type_ == "end"
                self.supervisor.emit_line(line)

    def finish(self, code, signal):
        """The process has ended and its group is killed: reads what is left, and says so."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.readers and time.monotonic() < deadline:
            poll = select.poll()
            for fd in self.readers:
                poll.register(fd, select.POLLIN)
            ready = poll.poll(50)
            for fd, _ in ready:
                self.readable(fd)
            if not ready:
                self.supervisor.kill_orphans(self)
        for fd in list(self.readers):
            self._close(fd)
        for stream in self.streams.values():
            stream.finish()
        if not self.ended and not self.cancelled and code == 97 and self.reason is None:
            self.reason = "the project closed the descriptor on which the driver reports"
        fields = {"code": code, "signal": signal, "cancelled": self.cancelled}
        if self.reason is not None:
            fields["reason"] = self.reason
        if self.garbled:
            fields["garbled_lines"] = self.garbled
        self.supervisor.finished(self)
        self.emit("exit", **fields)
