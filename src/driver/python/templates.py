"""The supervisor's side of templates: which level a run gets, and why it is not the one that was asked for."""
import json
import os
import socket
import subprocess
import sys
import time

from . import processes

# A template that has not answered after this time is not used, in seconds.
START_SECONDS = 120
KEPT = 8
# The interpreter and the C library read these when they start; a fork cannot take them back.
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OPENSSL_", "OMP_")
_HARMLESS = ("PYTHONPATH",)


def differences(one, other):
    """The names of the variables that differ."""
    return {name for name in set(one) | set(other) if one.get(name) != other.get(name)}


class Remote:
    """A template process, as the supervisor sees it."""

    def __init__(self, supervisor, message, warm):
        self.supervisor = supervisor
        self.warm = warm
        self.waiting = []
        self.running = {}
        self.reads = set()
        self.ready = None
        self.reason = None
        self.used = time.monotonic()
        self.buffer = b""
        environment = dict(message.get("neutral_environment") or {})
        if message.get("python_path"):
            environment["PYTHONPATH"] = os.pathsep.join(message["python_path"])
        self.environment = environment
        self.control, theirs = socket.socketpair()
        document = {"sources": supervisor.sources, "entry": "template",
                    "request": {"control_fd": theirs.fileno(), "warm": warm}}
        parent = os.getpid()
        self.pid = None
        self.began = time.monotonic()
        try:
            process = self._start(message, environment, theirs, parent)
        except (OSError, ValueError, subprocess.SubprocessError) as failed:
            # Each run then fails by itself, with this reason.
            self.control.close()
            theirs.close()
            self.control, self.ready, self.reason = None, False, "the template process cannot be started: %s" % failed
            return
        process.returncode = 0
        self.pid = process.pid
        theirs.close()
        supervisor.watch(self.control.fileno(), self.readable)
        data = json.dumps(document).encode("utf-8")
        supervisor.feed(process.stdin, b"%d\n" % len(data) + data)

    def _start(self, message, environment, theirs, parent):
        return subprocess.Popen([sys.executable, "-c", self.supervisor.bootstrap], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, cwd=message["cwd"], env=environment, pass_fds=(theirs.fileno(),),
                                start_new_session=True, preexec_fn=lambda: processes.die_with_parent(parent))

    def problem(self, run):
        """Why this template cannot run `run`: what it has read differs for it. None if it can."""
        if self.reason is not None:
            return self.reason
        changed = differences(run.environment(), self.environment)
        read = changed if "*" in self.reads else changed & self.reads
        if read:
            return "modules read the variable%s %s while they are imported" % ("s" if len(read) > 1 else "", ", ".join(sorted(read)[:5]))
        return None

    def submit(self, run):
        self.used = time.monotonic()
        if self.ready is None:
            self.waiting.append(run)
        else:
            self.supervisor.templates.decided(self, run)

    def fork(self, run):
        fds = run.open()
        data = json.dumps({"run": run.message, "token": run.token, "environment": run.environment()}).encode("utf-8")
        try:
            socket_data = [len(data).to_bytes(8, "big")]
            self.control.sendmsg(socket_data, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(
                fd.to_bytes(4, sys.byteorder) for fd in fds))])
            self.control.sendall(data)
            self.running[run.id] = run
        except OSError as failed:
            run.close_child_ends()
            run.fail("the template process has ended: %s" % failed)
            return
        run.close_child_ends()

    def readable(self, fd):
        try:
            data = self.control.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.ended("the template process ended")
            return
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.message(json.loads(line.decode("utf-8")))

    def message(self, message):
        if "ready" in message:
            self.ready, self.reason, self.reads = message["ready"], message["reason"], set(message["reads"])
            waiting, self.waiting = self.waiting, []
            for run in waiting:
                self.supervisor.templates.decided(self, run)
        elif "forked" in message:
            run = self.running[message["forked"]]
            run.pid = message["pid"]
            self.supervisor.started(run)
            if run.cancelled:
                processes.kill_group(run.pid)
        elif "exited" in message:
            run = self.running.pop(message["exited"])
            run.finish(message["code"], message["signal"])
            self.supervisor.kill_orphans(run)

    def ended(self, reason):
        """The process is gone, or useless."""
        if self.control is None:
            return
        self.supervisor.unwatch(self.control.fileno())
        self.control.close()
        self.control = None
        processes.kill_group(self.pid)
        self.reason = self.reason or reason
        self.ready = False
        for run in self.running.values():
            # A child that has been forked is killed by the kernel, and reaped by the supervisor where that adopts it.
            run.reason = "the template process of this run ended"
            if run.pid is None or not processes.LINUX:
                run.finish(None, None)
        self.running = {}
        waiting, self.waiting = self.waiting, []
        for run in waiting:
            self.supervisor.templates.decided(self, run)

    def busy(self):
        return bool(self.running or self.waiting)


class Templates:
    def __init__(self, supervisor):
        self.supervisor = supervisor
        self.remotes = {}
        self.modules = {}

    def pids(self):
        return {remote.pid for remote in self.remotes.values()}

    @staticmethod
    def key(run):
        message = run.message
        return json.dumps([message["cwd"], message.get("python_path"), message.get("neutral_environment")], sort_keys=True)

    def warm_key(self, run):
        """Sections and locations import different modules, so that they have templates of their own."""
        alembic = run.message.get("alembic") or {}
        location = (alembic.get("options") or {}).get("script_location")
        return json.dumps([self.key(run), alembic.get("configs"), alembic.get("section"), location])

    def begin(self, run):
        if run.level == "process":
            self.process(run, None)
            return
        if not processes.LINUX:
            self.process(run, "forking is not safe on %s" % sys.platform)
            return
        neutral = dict(run.message.get("neutral_environment") or {})
        early = sorted(name for name in differences(dict(run.message.get("environment") or {}), neutral)
                       if name.startswith(_AT_START) and name not in _HARMLESS)
        if early:
            self.process(run, "the interpreter reads %s when it starts" % ", ".join(early[:5]))
            return
        self.level(run, run.level)

    def level(self, run, level, reason=None):
        """Tries `level`. The event `level` is sent when the template has accepted."""
        run.trying, run.level_reason = level, reason
        if level == "warm":
            warm = self.modules.get(self.warm_key(run))
            if warm is None:
                self.level(run, "fork", "which modules the project imports is learnt from its first run")
                return
            self.remote(self.warm_key(run), run, warm).submit(run)
        elif level == "fork":
            self.remote(self.key(run), run, None).submit(run)
        else:
            self.process(run, reason)

    def process(self, run, reason):
        self.announce(run, "process", reason)
        run.start_process()

    @staticmethod
    def announce(run, level, reason):
        run.emit("level", level=level, **({"reason": reason} if reason else {}))

    def remote(self, key, run, warm):
        found = self.remotes.get(key)
        if found is None:
            self.forget()
            found = self.remotes[key] = Remote(self.supervisor, run.message, warm)
        return found

    def forget(self):
        """Ends the template that was not used for the longest time, if there are too many."""
        idle = sorted((remote.used, key) for key, remote in self.remotes.items() if not remote.busy())
        if len(self.remotes) >= KEPT and idle:
            remote = self.remotes.pop(idle[0][1])
            remote.ended("replaced")

    def withdraw(self, run):
        """Takes back a run that waits for a template. False if none has it waiting."""
        for remote in self.remotes.values():
            if run in remote.waiting:
                remote.waiting.remove(run)
                return True
        return False

    def decided(self, remote, run):
        """The template of `run` is ready or has failed."""
        problem = remote.problem(run)
        if problem is None:
            self.announce(run, run.trying, run.level_reason)
            remote.fork(run)
            return
        # A failed template stays in the table, so that the reason is found once and not for each target.
        self.level(run, "fork" if run.trying == "warm" else "process", problem)

    def learn(self, run, event):
        """What a first target at level `fork` has imported."""
        run.emit("modules", count=len(event["modules"]))
        self.modules.setdefault(self.warm_key(run), {"modules": event["modules"], "path": event["path"]})

    def overdue(self):
        for remote in self.remotes.values():
            if remote.ready is None and time.monotonic() - remote.began > START_SECONDS:
                remote.ended("the imports took longer than %d s" % START_SECONDS)
