"""The process that mig-ci starts: reads requests, starts targets, passes on their events, and ends them.

It never imports code of the project. The end of its input means that mig-ci is gone,
also by SIGKILL, and ends everything.
"""
import json
import os
import selectors
import signal
import sys

from . import descriptors
from . import processes
from . import runs
from . import templates
from .channel import encode

PROTOCOL = 1


class Supervisor:
    def __init__(self, document):
        self.sources = document["sources"]
        self.bootstrap = self.sources["bootstrap"]
        self.input = descriptors.high(0)
        self.output = descriptors.high(1)
        descriptors.null(0, os.O_RDONLY)
        descriptors.null(1, os.O_WRONLY)
        os.set_blocking(self.output, True)
        self.selector = selectors.DefaultSelector()
        self.buffer = b""
        self.runs = {}
        self.pids = {}
        self.templates = templates.Templates(self)

    # Output

    def emit(self, event):
        self.emit_line(encode(event)[:-1])

    def emit_line(self, line):
        view = memoryview(line + b"\n")
        while view:
            try:
                view = view[os.write(self.output, view):]
            except OSError:
                # Nobody reads any longer: the same as the end of the input.
                self.stop()

    # Descriptors

    def watch(self, fd, callback):
        self.selector.register(fd, selectors.EVENT_READ, callback)

    def unwatch(self, fd):
        self.selector.unregister(fd)

    def feed(self, pipe, data):
        """Writes `data` to a child's input without waiting for it."""
        fd = os.dup(pipe.fileno())
        pipe.close()
        os.set_inheritable(fd, False)
        os.set_blocking(fd, False)
        rest = [memoryview(data)]

        def writable(_):
            try:
                rest[0] = rest[0][os.write(fd, rest[0]):]
            except BlockingIOError:
                return
            except OSError:
                rest[0] = rest[0][:0]
            if not rest[0]:
                self.selector.unregister(fd)
                os.close(fd)

        self.selector.register(fd, selectors.EVENT_WRITE, writable)

    # Requests

    def request(self, fd):
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        if not data:
            self.stop()
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if line.strip():
                self.handle(json.loads(line.decode("utf-8")))

    def handle(self, message):
        type_ = message.get("type")
        if type_ == "run":
            run = self.runs[message["id"]] = runs.Run(message, self)
            self.templates.begin(run)
        elif type_ == "setup":
            run = self.runs[message["id"]] = runs.Run(message, self)
            if runs.hooked(message["command"]):
                run.start_process("setup")
            else:
                run.start_command(message["command"])
        elif type_ == "cancel":
            run = self.runs.get(message.get("id"))
            if run is not None:
                self.cancel(run)

    def cancel(self, run):
        run.cancelled = True
        if run.pid is not None:
            processes.kill_group(run.pid)
        elif self.templates.withdraw(run):
            run.finish(None, None)

    # Processes

    def started(self, run):
        self.pids[run.pid] = run

    def finished(self, run):
        self.runs.pop(run.id, None)
        self.pids.pop(run.pid, None)

    def internal(self, run, event):
        """An event of a target that is for the supervisor."""
        if event["type"] == "_modules":
            self.templates.learn(run, event)

    def children_ended(self, fd=None):
        if fd is not None:
            os.read(fd, 4096)
        while True:
            pid = processes.ended_child()
            if pid is None:
                return
            run = self.pids.get(pid)
            if run is not None:
                processes.kill_group(pid)
            code, number = processes.reap(pid)
            if run is not None:
                run.finish(code, number)
                self.kill_orphans(run)

    def kill_orphans(self, run):
        """Kills descendants that left their group. Those of `run` hold its pipes; without any run, none has an owner."""
        own = set(self.pids) | self.templates.pids()
        for pid in processes.children(os.getpid()):
            if pid in own:
                continue
            if not self.runs or processes.open_files(pid) & run.identities:
                processes.kill_group(pid)
                processes.kill(pid)

    def stop(self):
        """Ends everything, and this process."""
        for run in list(self.runs.values()):
            if run.pid is not None:
                processes.kill_group(run.pid)
        for _ in range(100):
            left = processes.children(os.getpid())
            if not left:
                break
            for pid in left:
                processes.kill_group(pid)
                processes.kill(pid)
            while True:
                pid = processes.ended_child()
                if pid is None:
                    break
                processes.reap(pid)
        os._exit(0)

    def loop(self):
        wake_reader, wake_writer = os.pipe()
        for fd in (wake_reader, wake_writer):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Ctrl-C reaches the whole foreground group; mig-ci decides what it means. A function, since SIG_IGN would be inherited.
        signal.signal(signal.SIGINT, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stop())
        self.watch(wake_reader, self.children_ended)
        self.watch(self.input, self.request)
        self.emit({"type": "ready", "protocol": PROTOCOL, "python": ".".join(map(str, sys.version_info[:3])),
                   "executable": sys.executable, "platform": sys.platform, "fork_safe": processes.LINUX})
        while True:
            self.templates.overdue()
            for key, _ in self.selector.select(10):
                # A callback before may have closed it.
                if key.fd in self.selector.get_map():
                    key.data(key.fd)


def main(document):
    processes.become_subreaper()
    supervisor = Supervisor(document)
    try:
        supervisor.loop()
    except Exception as failed:
        import traceback
        traceback.print_exc()
        supervisor.emit({"type": "fatal", "reason": "%s: %s" % (type(failed).__name__, failed)})
        supervisor.stop()
