"""Changes the DBAPIs as they are imported: each connection asks the guard, each execution that SQLAlchemy did not make is counted.

The places are the lowest that Python code can reach, so that pools, aliases and
subclasses all pass them: psycopg2's `_connect` and its class `connection`,
psycopg's `_connect_gen` and `pq.PGconn`, asyncpg's `_connect_addr`, pg8000's `CoreConnection`.
"""
import functools
import inspect
import sys

from . import libpq
from .guard import GUARD

# Drivers for PostgreSQL whose connections Python code cannot see.
UNSEEN = ("psycopg2cffi", "_pg", "psqlpy", "adbc_driver_postgresql")


def executed(driver, nested):
    """Called for each execution: counts those that SQLAlchemy did not make.

    `nested` are the module prefixes of the driver through which calls are passed on.
    """
    target = GUARD.target
    if target is None or getattr(target.own, "active", False) or target.channel.foreign():
        return
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(nested):
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    # The driver's own statements (BEGIN of asyncpg's transactions, a pool's reset) and SQLAlchemy's.
    if name.split(".")[0] in ("sqlalchemy", driver):
        return
    target.recorder.unobserved(driver, target.places.current(frame))


def _count(cls, names, driver, nested):
    """Wraps methods of a class that is written in Python."""
    for name in names:
        original = cls.__dict__.get(name)
        if original is not None:
            setattr(cls, name, _counting(original, driver, nested))


def _counting(original, driver, nested):
    @functools.wraps(original)
    def method(*args, **kwargs):
        executed(driver, nested)
        return original(*args, **kwargs)
    return method


# psycopg2

class Notices(list):
    """psycopg2 appends notices to whatever has `append`; its own list has at most 50 entries."""

    def append(self, text):
        severity, _, message = text.rstrip("\n").partition(":")
        if GUARD.target is not None:
            GUARD.target.recorder.notice(severity.strip(), message.strip(), None)
        list.append(self, text)
        del self[:-50]


def _observed_cursor(factory, known={}):
    """A subclass of a cursor class that counts."""
    if factory not in known:
        def method(name):
            def call(self, *args, **kwargs):
                executed("psycopg2", ("psycopg2.extras",))
                return getattr(super(observed, self), name)(*args, **kwargs)
            return call
        names = ("execute", "executemany", "callproc", "copy_expert", "copy_from", "copy_to")
        observed = type(factory)(factory.__name__, (factory,), {name: method(name) for name in names})
        known[factory] = known[observed] = observed
    return known[factory]


def psycopg2(module):
    """For the module psycopg2._psycopg, before psycopg2 itself takes names from it."""
    base, original, base_cursor = module.connection, module._connect, module.cursor

    def check(dsn):
        libpq.check("psycopg2", sys.modules["psycopg2.extensions"].parse_dsn(dsn or ""))

    class connection(base):
        """psycopg2's connection; also classes that projects derive from it ask the guard."""

        def __init__(self, dsn, *args, **kwargs):
            check(dsn)
            base.__init__(self, dsn, *args, **kwargs)
            self.notices = Notices()

        def cursor(self, name=None, cursor_factory=None, *args, **kwargs):
            factory = cursor_factory or self.cursor_factory or base_cursor
            if isinstance(factory, type):
                factory = _observed_cursor(factory)
            return base.cursor(self, name, factory, *args, **kwargs)

    connection.__module__ = "psycopg2.extensions"

    def _connect(dsn, connection_factory=None, **kwargs):
        factory = connection_factory or connection
        if not (isinstance(factory, type) and issubclass(factory, connection)):
            check(dsn)
        return original(dsn, connection_factory=factory, **kwargs)

    module.connection, module._connect = connection, _connect


# psycopg 3

def psycopg(module):
    """For the package psycopg, once it is complete."""
    for cls in module.Connection.__mro__:
        if "_connect_gen" in cls.__dict__:
            _guard_connect_gen(cls, module)
            break
    else:
        raise ImportError("mig-ci cannot guard this version of psycopg (%s)" % module.__version__)
    for name in ("Cursor", "AsyncCursor", "ServerCursor", "AsyncServerCursor"):
        _count(getattr(module, name), ("execute", "executemany", "copy", "stream"), "psycopg",
               ("psycopg.connection", "psycopg._server_cursor", "psycopg.server_cursor"))
    for name, function in (("connection", "conninfo_attempts"), ("connection_async", "conninfo_attempts_async")):
        _guard_resolution(sys.modules.get("psycopg." + name), function)
    base = module.pq.PGconn

    class PGconn(base):
        """libpq's connection for code that uses it directly."""

        @classmethod
        def connect(cls, conninfo):
            _check_psycopg(module, conninfo)
            return base.connect(conninfo)

        @classmethod
        def connect_start(cls, conninfo):
            # The implementation in Python comes here from _connect_gen, which has asked already.
            if sys._getframe(1).f_globals.get("__name__") != "psycopg.generators":
                _check_psycopg(module, conninfo)
            return base.connect_start(conninfo)

    module.pq.PGconn = PGconn


def _guard_resolution(module, name):
    """psycopg resolves the names of hosts itself, before it asks libpq."""
    original = getattr(module, name, None)
    if original is None:
        return

    def attempts(params):
        libpq.check_before_resolution("psycopg", params)
        return original(params)

    setattr(module, name, attempts)


def _check_psycopg(module, conninfo):
    if isinstance(conninfo, bytes):
        conninfo = conninfo.decode("utf-8", "replace")
    libpq.check("psycopg", module.conninfo.conninfo_to_dict(conninfo))


def _guard_connect_gen(cls, module):
    original = cls.__dict__["_connect_gen"].__func__

    def on_notice(diagnostics):
        if GUARD.target is not None:
            GUARD.target.recorder.notice(diagnostics.severity_nonlocalized or diagnostics.severity, diagnostics.message_primary,
                                         diagnostics.sqlstate)

    def connected(cls, conninfo, args, kwargs):
        connection = yield from original(cls, conninfo, *args, **kwargs)
        connection.add_notice_handler(on_notice)
        return connection

    def _connect_gen(cls, conninfo="", *args, **kwargs):
        _check_psycopg(module, conninfo)
        return connected(cls, conninfo, args, kwargs)

    cls._connect_gen = classmethod(_connect_gen)


# asyncpg

def asyncpg_connect(module):
    """For asyncpg.connect_utils: here host, port and database are final, whichever variable or file they came from."""
    original = module._connect_addr

    async def _connect_addr(**kwargs):
        address, parameters = kwargs["addr"], kwargs["params"]
        if isinstance(address, str):
            folder, _, port = address.rpartition("/.s.PGSQL.")
            GUARD.check("asyncpg", folder or address, port, parameters.database, parameters.user)
        else:
            GUARD.check("asyncpg", address[0], address[1], parameters.database, parameters.user)
        return await original(**kwargs)

    module._connect_addr = _connect_addr


def asyncpg_connection(module):
    cls = module.Connection
    original = cls._process_log_message

    def _process_log_message(self, fields, last_query):
        if GUARD.target is not None:
            GUARD.target.recorder.notice(fields.get("V") or fields.get("S"), fields.get("M"), fields.get("C"))
        return original(self, fields, last_query)

    cls._process_log_message = _process_log_message
    _count(cls, ("execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchmany", "copy_from_query", "copy_from_table",
                 "copy_to_table", "copy_records_to_table"), "asyncpg", ("asyncpg.pool",))


def asyncpg_prepared(module):
    _count(module.PreparedStatement, ("fetch", "fetchrow", "fetchval", "fetchmany", "executemany"), "asyncpg", ("asyncpg.pool",))


# pg8000

def pg8000_core(module):
    cls = module.CoreConnection
    original, notice = cls.__init__, cls.handle_NOTICE_RESPONSE
    signature = inspect.signature(original)

    def __init__(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        if given.get("sock") is not None:
            GUARD.refuse("pg8000", "an open socket", None, _text(given.get("database")), "the project has opened the socket itself")
        database = _text(given.get("database")) or _text(given["user"])
        if given.get("unix_sock"):
            folder, _, port = str(given["unix_sock"]).rpartition("/.s.PGSQL.")
            GUARD.check("pg8000", folder or given["unix_sock"], port, database, _text(given["user"]))
        else:
            GUARD.check("pg8000", given["host"], given["port"], database, _text(given["user"]))
        return original(self, *args, **kwargs)

    def handle_NOTICE_RESPONSE(self, data, context):
        notice(self, data, context)
        fields = self.notices[-1]
        if GUARD.target is not None:
            GUARD.target.recorder.notice(_text(fields.get(b"V") or fields.get(b"S")), _text(fields.get(b"M")), _text(fields.get(b"C")))

    cls.__init__, cls.handle_NOTICE_RESPONSE = __init__, handle_NOTICE_RESPONSE


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def pg8000_cursor(module):
    _count(module.Cursor, ("execute", "executemany"), "pg8000", ())
    if "run" in module.Connection.__dict__:
        _count(module.Connection, ("run",), "pg8000", ())


def pg8000_native(module):
    _count(module.Connection, ("run",), "pg8000", ())
    _count(module.PreparedStatement, ("run",), "pg8000", ())


def unseen(module):
    if GUARD.target is not None:
        GUARD.target.recorder.unobserved("%s (its connections cannot be seen)" % module.__name__, GUARD.target.places.current())


FUNCTIONS = {"psycopg2._psycopg": psycopg2, "psycopg": psycopg, "asyncpg.connect_utils": asyncpg_connect,
             "asyncpg.connection": asyncpg_connection, "asyncpg.prepared_stmt": asyncpg_prepared, "pg8000.core": pg8000_core,
             "pg8000.dbapi": pg8000_cursor, "pg8000.legacy": pg8000_cursor, "pg8000.native": pg8000_native}
FUNCTIONS.update((name, unseen) for name in UNSEEN)
