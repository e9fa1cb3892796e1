"""Starts the driver as mig-ci does, with pipes; makes databases and projects; runs the real Alembic to compare with.

Run `PYTHON -W ignore -m unittest discover tests/driver` with an interpreter that has Alembic and a DBAPI. Variables:
MIG_CI_TEST_PG_HOST, _PORT, _USER, _PASSWORD (a superuser; missing ones are errors), MIG_CI_TEST_PG_SOCKET_DIR (the server's
socket folder, for tests that need it), MIG_CI_PG_BIN (psql and pg_dump, else PATH), MIG_CI_TEST_ROUNDS=whole (all
mutations), MIG_CI_TEST_DRIVER (another copy of the driver's source), MIG_CI_TEST_DEADLINE (seconds to wait for an event).
"""
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import uuid

SOURCES = os.environ.get("MIG_CI_TEST_DRIVER") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "driver", "python")
# How long a test waits for an event of the driver, in seconds.
DEADLINE = int(os.environ.get("MIG_CI_TEST_DEADLINE", "90"))


def required(name):
    value = os.environ.get(name)
    if value is None:
        raise RuntimeError("the tests of the driver need a PostgreSQL server: %s is not set" % name)
    return value


class Server:
    host = required("MIG_CI_TEST_PG_HOST")
    port = int(required("MIG_CI_TEST_PG_PORT"))
    user = required("MIG_CI_TEST_PG_USER")
    password = required("MIG_CI_TEST_PG_PASSWORD")
    socket_dir = os.environ.get("MIG_CI_TEST_PG_SOCKET_DIR")

    @classmethod
    def url(cls, database):
        return "postgresql://%s:%s@%s:%d/%s" % (cls.user, cls.password, cls.host, cls.port, database)

    @classmethod
    def of(cls, database):
        return {"host": cls.host, "port": cls.port, "socket_dir": cls.socket_dir, "database": database, "user": cls.user,
                "password": cls.password, "url": cls.url(database)}

    @classmethod
    def environment(cls):
        return {"PGHOST": cls.host, "PGPORT": str(cls.port), "PGUSER": cls.user, "PGPASSWORD": cls.password}


def server_program(name):
    folder = os.environ.get("MIG_CI_PG_BIN")
    if folder:
        return os.path.join(folder, name)
    found = shutil.which(name)
    if found is None:
        raise RuntimeError("%s is not in PATH; set MIG_CI_PG_BIN" % name)
    return found


def psql(database, sql):
    """The answer of the server, a list of lines."""
    done = subprocess.run([server_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql],
                          env=dict(os.environ, **Server.environment()), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.splitlines()


def state(database):
    """Catalog and rows of a database, as pg_dump writes them."""
    env = dict(os.environ, **Server.environment())
    dumped = subprocess.run([server_program("pg_dump"), "--inserts", "-d", database], env=env, stdout=subprocess.PIPE,
                            universal_newlines=True, check=True).stdout
    # Newer versions of pg_dump write a random key.
    return "\n".join(line for line in dumped.splitlines() if not line.startswith(("\\restrict", "\\unrestrict", "--")))


class Driver:
    """The driver, started with the interpreter of the tests."""

    def __init__(self, sources=SOURCES, python=sys.executable):
        texts = {}
        for name in os.listdir(sources):
            if name.endswith(".py"):
                with open(os.path.join(sources, name), encoding="utf-8") as file:
                    texts[name[:-3]] = file.read()
        data = json.dumps({"sources": texts}).encode("utf-8")
        self.process = subprocess.Popen([python, "-c", texts["bootstrap"]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.events = queue.Queue()
        self.seen = []
        self.errors = b""
        for target in (self._read, self._read_errors):
            threading.Thread(target=target, daemon=True).start()
        self.process.stdin.write(b"%d\n" % len(data) + data)
        self.process.stdin.flush()
        self.ready = self.next()
        assert self.ready["type"] == "ready", self.ready

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line.decode("utf-8")))
        self.events.put({"type": "closed"})

    def _read_errors(self):
        self.errors = self.process.stderr.read()

    def next(self, seconds=DEADLINE):
        try:
            event = self.events.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError("the driver sent nothing for %s s; before: %s" % (seconds, self.seen[-5:]))
        self.seen.append(event)
        if event["type"] in ("closed", "fatal"):
            self.process.wait(10)
            raise AssertionError("the driver ended: %s %s" % (event, self.errors.decode("utf-8", "replace")))
        return event

    def send(self, message):
        self.process.stdin.write(json.dumps(message).encode("utf-8") + b"\n")
        self.process.stdin.flush()

    def until(self, type_, run_id=None):
        """The next event of a type."""
        while True:
            event = self.next()
            if event["type"] == type_ and run_id in (None, event.get("id")):
                return event

    def run(self, message):
        """The events of one run, until its end."""
        self.send(message)
        return self.result(message["id"])

    def result(self, run_id):
        while not any(e["type"] == "exit" and e["id"] == run_id for e in self.seen):
            self.next()
        return Result([event for event in self.seen if event.get("id") == run_id])

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Result:
    """The events of a run, by type."""

    def __init__(self, events):
        self.events = events

    def all(self, type_):
        return [event for event in self.events if event["type"] == type_]

    def one(self, type_):
        found = self.all(type_)
        assert len(found) == 1, "%d events %s in %s" % (len(found), type_, json.dumps(self.events, indent=1)[-6000:])
        return found[0]

    @property
    def end(self):
        return self.one("end")

    @property
    def exit(self):
        return self.one("exit")

    def output(self, stream=None, revision=any):
        return "".join(e["text"] for e in self.all("output") if stream in (None, e["stream"]) and revision in (any, e["revision"]))

    def steps(self):
        return [event["revision"] for event in self.all("step_end")]

    def sql(self, revision=any):
        return [e["sql"] for e in self.all("statement") if revision in (any, e["revision"])]


class Project:
    """A folder with an Alembic project."""

    INI = "[alembic]\nscript_location = %(here)s/migrations\nsqlalchemy.url = postgresql://localhost/nowhere\n"

    def __init__(self, env, revisions=(), ini=INI, files=None):
        self.path = os.path.realpath(tempfile.mkdtemp(prefix="mig-ci-driver-"))
        self.write("alembic.ini", ini)
        self.write("migrations/env.py", env)
        os.makedirs(self.join("migrations/versions"), exist_ok=True)
        parent = None
        for number, revision in enumerate(revisions, 1):
            parent = self.revision("r%d" % number, revision, parent)
        for name, text in (files or {}).items():
            self.write(name, text)

    def join(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text):
        path = self.join(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))

    def revision(self, name, body, parent, head="", folder="migrations/versions"):
        """Writes a revision with the lines `body` in its upgrade()."""
        body = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        self.write("%s/%s.py" % (folder, name), '"""revision %s"""\nfrom alembic import op\nimport sqlalchemy as sa\nrevision = %r\ndown_revision = %r\n'
                   "branch_labels = None\ndepends_on = None\n%s\n\n\ndef upgrade():\n%s\n" % (name, name, parent, head, body))
        return name

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class DriverCase(unittest.TestCase):
    """A test with a driver of its own, and databases that are dropped at its end."""

    maxDiff = None
    level = "process"

    def setUp(self):
        self.ids = 0
        self._driver = None

    @property
    def driver(self):
        if self._driver is None:
            self._driver = Driver()
            self.addCleanup(self._driver.close)
        return self._driver

    def database(self, sql=None):
        name = "d" + uuid.uuid4().hex[:12]
        psql("postgres", "CREATE DATABASE %s" % name)
        self.addCleanup(psql, "postgres", "DROP DATABASE IF EXISTS %s WITH (FORCE)" % name)
        if sql:
            psql(name, sql)
        return name

    def project(self, *args, **kwargs):
        project = Project(*args, **kwargs)
        self.addCleanup(project.remove)
        return project

    def message(self, project, database, revisions=("heads",), environment=None, level=None, **alembic):
        self.ids += 1
        complete = {"PATH": os.environ["PATH"], "HOME": project.path}
        neutral = dict(complete)
        complete.update(environment or {})
        settings = {"configs": [project.join("alembic.ini")], "section": None, "arguments": [], "options": {}}
        settings.update(alembic)
        return {"type": "run", "id": self.ids, "level": level or self.level, "cwd": project.path, "python_path": [],
                "environment": complete, "neutral_environment": neutral, "program": "alembic", "alembic": settings,
                "operation": {"name": "upgrade", "revisions": list(revisions)}, "server": Server.of(database),
                "expect": {"database": database}, "limits": {"output_bytes": 65536, "sql_bytes": 8192, "statements": 100000}}

    def upgrade(self, project, database, *args, **kwargs):
        return self.driver.run(self.message(project, database, *args, **kwargs))

    def real(self, project, database, revisions=("heads",), environment=None, arguments=(), check=True):
        """The console script, with the project's ini pointing at `database`."""
        complete = {"PATH": os.environ["PATH"], "HOME": project.path}
        complete.update(environment or {})
        with open(project.join("alembic.ini"), encoding="utf-8") as file:
            text = file.read()
        ini = project.join("real.ini")
        with open(ini, "w", encoding="utf-8") as file:
            file.write(text.replace("localhost/nowhere", "%s:%s@%s:%d/%s" % (Server.user, Server.password, Server.host, Server.port, database)))
        script = os.path.join(os.path.dirname(sys.executable), "alembic")
        for revision in revisions:
            done = subprocess.run([sys.executable, script, "-c", ini, *arguments, "upgrade", revision], cwd=project.path, env=complete,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
            if check:
                self.assertEqual(done.returncode, 0, done.stdout)
        return done

    def eventually(self, condition, message):
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                self.fail(message)
            threading.Event().wait(0.02)
