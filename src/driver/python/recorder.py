"""Records what SQLAlchemy sends: statements with place, duration and failure, attributed to the step that runs.

The listeners are on the class Engine, so that they see each engine of each
env.py, also those that were made before. They change nothing: no parameters, no
results, no transaction state.
"""
import re
import time

from . import errors

SWALLOWED_LISTED = 1000
# Statements by which revisions end a transaction behind SQLAlchemy's back.
_TEXTUAL = re.compile(r"\s*(commit|end|rollback|abort|begin|start\s+transaction|prepare\s+transaction)\b(?!\s+(?:to|prepared)\b)", re.I)


class Recorder:
    def __init__(self, channel, places, limits):
        self.channel = channel
        self.places = places
        self.sql_bytes = int(limits.get("sql_bytes") or 8192)
        self.limit = int(limits.get("statements") or 100000)
        self.revision = None
        self.statements = 0
        self.not_sent = 0
        self.failed = []
        self.transactions = None

    def install(self):
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        event.listen(Engine, "before_cursor_execute", self.before)
        event.listen(Engine, "after_cursor_execute", self.after)
        event.listen(Engine, "handle_error", self.error)

    def before(self, connection, cursor, statement, parameters, context, executemany):
        if self.channel.foreign():
            return
        record = {"began": time.perf_counter(), "place": self.places.current(),
                  "executions": _executions(parameters, executemany), "autocommit": _autocommit(connection)}
        if context is not None:
            context._mig_ci_statement = record

    def after(self, connection, cursor, statement, parameters, context, executemany):
        if self.channel.foreign():
            return
        record = getattr(context, "_mig_ci_statement", None) or {}
        self.textual(connection, statement, record.get("place"))
        rows = getattr(cursor, "rowcount", None)
        self.statement(connection, statement, record, True, rows=rows if isinstance(rows, int) and rows >= 0 else None)

    def error(self, context):
        if self.channel.foreign():
            return
        original = context.original_exception
        if context.statement is None:
            if self.transactions is not None and context.connection is not None:
                self.transactions.failed(context.connection)
            return
        record = getattr(context.execution_context, "_mig_ci_statement", None) or {}
        described = errors.database_fields(original) or {"message": errors.message(original)}
        described["type"] = errors.type_name(original)
        index = self.statements
        place = record.get("place") or self.places.current()
        self.statement(context.connection, context.statement, dict(record, place=place), False, error=described)
        if len(self.failed) < SWALLOWED_LISTED:
            self.failed.append({"statement": index, "revision": self.revision, "place": place,
                                "sqlstate": described.get("sqlstate"), "message": described.get("message")})
        try:
            original._mig_ci_statement = index
        except AttributeError:
            pass

    def statement(self, connection, sql, record, ok, error=None, rows=None):
        self.statements += 1
        if self.transactions is not None and connection is not None:
            # In autocommit there is nothing that could get lost.
            if not record.get("autocommit"):
                self.transactions.executed(connection, self.revision)
        if self.statements > self.limit and ok:
            self.not_sent += 1
            return
        text, truncated = bounded(str(sql), self.sql_bytes)
        fields = {"revision": self.revision, "sql": text, "truncated": truncated,
                  "executions": record.get("executions", 1), "place": record.get("place"),
                  "duration_ms": round((time.perf_counter() - record["began"]) * 1000, 3) if "began" in record else None,
                  "ok": ok, "rows": rows, "in_autocommit": record.get("autocommit", False)}
        if error is not None:
            fields["error"] = error
        self.channel.emit("statement", **fields)

    def textual(self, connection, statement, place):
        """A COMMIT, ROLLBACK or BEGIN as text ends or begins what SQLAlchemy counts as another transaction."""
        if self.transactions is None or len(statement) > 200:
            return
        match = _TEXTUAL.match(statement)
        if match:
            word = match.group(1).split()[0].lower()
            action = {"commit": "commit", "end": "commit", "prepare": "commit",
                      "rollback": "rollback", "abort": "rollback"}.get(word, "begin")
            self.transactions.textual(connection, action, place)

    def unobserved(self, driver, place, count=1):
        """Executions that SQLAlchemy did not make."""
        self.channel.emit("unobserved", revision=self.revision, count=count, place=place, driver=driver)

    def notice(self, severity, message, sqlstate):
        if self.channel.foreign():
            return
        self.channel.emit("notice", revision=self.revision, severity=severity,
                          message=bounded(str(message), self.sql_bytes)[0], sqlstate=sqlstate)

    def swallowed(self, error):
        """The failed statements that did not end the run: those that `error` does not come from."""
        fatal = set()
        for cause in errors.chain(error) if error is not None else ():
            fatal.add(getattr(cause, "_mig_ci_statement", None))
        return [entry for entry in self.failed if entry["statement"] not in fatal]


def bounded(text, limit):
    """At most `limit` bytes of UTF-8, and whether something was left out."""
    if len(text) * 4 <= limit:
        return text, False
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text, False
    return data[:limit].decode("utf-8", "ignore"), True


def _executions(parameters, executemany):
    return len(parameters) if executemany and isinstance(parameters, (list, tuple)) else 1


def dbapi_connection(connection):
    """The DBAPI's connection, or SQLAlchemy's adapter of an asynchronous one; None if there is none."""
    try:
        return dbapi_of(connection.connection)
    except Exception:
        return None


def dbapi_of(fairy):
    """The DBAPI's connection in a pool's wrapper; SQLAlchemy before 1.4.24 has another name for it."""
    found = getattr(fairy, "dbapi_connection", None)
    return found if found is not None else getattr(fairy, "connection", None)


def _autocommit(connection):
    return bool(getattr(dbapi_connection(connection), "autocommit", False))
