"""One target from start to end, in a process of its own."""
import contextlib
import os
import random
import sys
import threading
import time

from . import alembic_run
from . import audit
from . import capture
from . import channel
from . import descriptors
from . import drivers
from . import errors
from . import imports
from . import places
from . import recorder
from . import session
from . import transactions
from .guard import GUARD


class Target:
    def __init__(self, run, event_fd, token):
        self.run = run
        limits = run.get("limits") or {}
        self.channel = channel.Channel(event_fd, run["id"], int(limits.get("statements") or 100000))
        self.capture = capture.Capture(token)
        self.places = places.Places()
        self.recorder = recorder.Recorder(self.channel, self.places, limits)
        self.transactions = transactions.Transactions(self)
        self.guard = GUARD
        self.allowed_databases = {(run.get("server") or {}).get("database")}
        self.failed_step = None
        self.work = None
        self.own = threading.local()
        self.preloaded = None

    @staticmethod
    def now():
        return time.perf_counter()

    @staticmethod
    def since(began):
        return round((time.perf_counter() - began) * 1000, 3)

    def boundary(self):
        if not self.channel.foreign():
            self.capture.boundary(None)

    def set_revision(self, revision):
        if self.channel.foreign():
            return
        self.capture.boundary(revision)
        self.recorder.revision = revision

    @contextlib.contextmanager
    def own_statements(self):
        """Statements of the driver itself, which are no evidence."""
        self.own.active = True
        try:
            yield
        finally:
            self.own.active = False

    def execute(self):
        """Runs the target. Returns the exit code that the console script would have had."""
        error = None
        self.channel.emit("started", pid=os.getpid())
        self.guard.allow(self.run.get("server"), self.allowed_databases, self)
        try:
            self.operate()
        except BaseException as caught:
            error = caught
            # Until here the failed step still counts as the one that runs.
            self.failed_step = self.failed_step or self.recorder.revision
        self._finish_threads()
        if self.preloaded is not None and error is None:
            self.channel.emit("_modules", modules=_imported(self.preloaded), path=list(sys.path))
        code = self._end(error)
        self.capture.flush()
        return code

    def operate(self):
        self.work = self._prepared()
        operation = self.run["operation"]
        if operation["name"] == "upgrade":
            self.work.upgrade(operation["revisions"])
        elif operation["name"] == "describe":
            self.work.describe()
            # Attempts to connect are how an env.py without an offline branch ends here.
            self.guard.refusals = []
        else:
            raise alembic_run.ProjectError("unknown operation: %s" % operation["name"])

    def listen(self):
        """Registers with SQLAlchemy."""
        self.recorder.install()
        self.transactions.install()
        session.install(self.run.get("server") or {})

    def _prepared(self):
        try:
            import alembic
            import sqlalchemy
        except ImportError as failed:
            raise alembic_run.MissingAlembic("%s cannot import Alembic: %s" % (sys.executable, failed)) from failed
        self.channel.emit("versions", alembic=alembic.__version__, sqlalchemy=sqlalchemy.__version__, dbapis=_dbapis())
        self.listen()
        return alembic_run.AlembicRun(self)

    def _finish_threads(self):
        """What an interpreter does at its end: waits for threads that are not daemons, and calls atexit functions."""
        if self.channel.foreign():
            return
        import atexit
        for step in (getattr(threading, "_shutdown", None), atexit._run_exitfuncs):
            try:
                if step is not None:
                    step()
            except BaseException:
                import traceback
                traceback.print_exc()

    def _end(self, error):
        if self.channel.foreign():
            return 0
        fields = {"outcome": "ok", "exit_code": 0}
        if isinstance(error, SystemExit):
            fields["outcome"], fields["exit_code"] = "exited", _exit_code(error)
        elif error is not None:
            fields["outcome"], fields["exit_code"] = "failed", 1
        if self.guard.refusals:
            fields["outcome"] = "refused"
        if error is not None:
            fields["error"] = errors.describe(error, self.places, self.failed_step, self.recorder.sql_bytes)
            if fields["error"]["kind"] == "alembic":
                # Alembic reports its own errors by sys.exit(-1).
                fields["exit_code"] = 255
        self.channel.emit("end", open_transactions=self.transactions.lost(),
                          connections=self.guard.connections, statements=self.recorder.statements,
                          statements_not_sent=self.recorder.not_sent,
                          not_sent=self.channel.not_sent(), swallowed=self.recorder.swallowed(error),
                          unfinished=self.work.caught(error) if self.work else [],
                          foreign_modules=_below(self.run.get("foreign_root")), **fields)
        return fields["exit_code"]


def _below(folder):
    """Modules that were imported from a folder, without installed packages in it: `name (file)`."""
    if not folder:
        return []
    root = os.path.join(os.path.realpath(folder), "")
    prefix = os.path.join(os.path.realpath(sys.prefix), "")
    found = []
    for name, module in list(sys.modules.items()):
        file = os.path.realpath(getattr(module, "__file__", None) or os.sep)
        if file.startswith(root) and not file.startswith(prefix):
            found.append("%s (%s)" % (name, file))
    return found


def _imported(before):
    """The modules that were imported by name since `before`, in their order."""
    found = []
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name not in before and spec is not None and spec.name == name and not name.startswith("mig_ci_driver"):
            found.append(name)
    return found


def _exit_code(error):
    if error.code is None:
        return 0
    return error.code & 255 if isinstance(error.code, int) else 1


def _dbapis():
    """The versions of the installed DBAPIs."""
    from importlib import metadata
    found = {}
    for name, distributions in (("psycopg2", ("psycopg2", "psycopg2-binary")), ("psycopg", ("psycopg",)),
                                ("asyncpg", ("asyncpg",)), ("pg8000", ("pg8000",))):
        for distribution in distributions:
            try:
                found[name] = metadata.version(distribution)
                break
            except metadata.PackageNotFoundError:
                continue
    return found


def install():
    """What has to be in place before the project's first import; once for each process, templates included."""
    imports.Hooks(drivers.FUNCTIONS).install()
    audit.install()


def as_console_script():
    """Arguments and module path as the console script has them: its own folder, not the working folder as for `-c`."""
    if sys.path and sys.path[0] == "":
        sys.path[0] = os.path.dirname(sys.executable)
    sys.argv[:] = [os.path.join(os.path.dirname(sys.executable), "alembic")]


def run_forked(message, event_fd, path, preloaded):
    """A target in a fork of a template: as a fresh process would be, except for the modules that are imported.

    `preloaded` are the names of the template's modules, if the supervisor wants to know what the target imports.
    """
    os.environ.clear()
    os.environ.update(message["environment"])
    time.tzset()
    random.seed()
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    sys.path[:] = path
    as_console_script()
    target = Target(message["run"], event_fd, message["token"])
    target.preloaded = preloaded
    return target.execute()


def main(document):
    """The entry of a process that the supervisor has started for one target."""
    request = document["request"]
    event_fd = descriptors.high(request["event_fd"])
    os.close(request["event_fd"])
    descriptors.null(0, os.O_RDONLY)
    as_console_script()
    install()
    code = Target(request["run"], event_fd, request["token"]).execute()
    os._exit(code)
