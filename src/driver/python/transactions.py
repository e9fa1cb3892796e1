"""Follows the transactions of SQLAlchemy's connections, to show work that nobody commits.

env.py executes `SET search_path`, SQLAlchemy 2 begins a transaction by itself, Alembic finds the
connection in a transaction and commits nothing, the connection is closed: exit code 0,
and everything is gone. What counts is how a transaction ended that had statements of revisions.
"""
import sys

from .facts import idle
from .recorder import dbapi_connection
from .recorder import dbapi_of
from .imports import version

LISTED = 100


class Transaction:
    def __init__(self, place, dbapi):
        self.place = place
        self.dbapi = dbapi
        self.statements = 0
        self.revision_statements = 0


class Transactions:
    def __init__(self, target):
        self.target = target
        self.recorder = target.recorder
        self.open = {}
        self.ended_by_close = []
        self.last = {}

    def install(self):
        import sqlalchemy
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        from sqlalchemy.pool import Pool
        event.listen(Engine, "begin", self.begin)
        event.listen(Engine, "commit", self.commit)
        event.listen(Engine, "rollback", self.rollback)
        event.listen(Engine, "savepoint", lambda connection, name: self.emit("savepoint"))
        event.listen(Engine, "rollback_savepoint", lambda connection, name, context: self.emit("rollback_savepoint"))
        event.listen(Engine, "release_savepoint", lambda connection, name, context: self.emit("release_savepoint"))
        if version(sqlalchemy.__version__) < (2,):
            # Here the first argument is the pool's wrapper.
            event.listen(Pool, "reset", lambda fairy, record: self.returned(dbapi_of(fairy)))
        else:
            event.listen(Pool, "reset", lambda dbapi, record, state: self.returned(dbapi))
        self.recorder.transactions = self

    def emit(self, action, place=None, **fields):
        if not self.target.channel.foreign():
            self.target.channel.emit("transaction", action=action, revision=self.recorder.revision,
                                     place=place or self.target.places.current(), **fields)

    def begin(self, connection):
        dbapi = dbapi_connection(connection)
        place = self.target.places.current()
        self.open[id(dbapi)] = Transaction(place, dbapi)
        self.emit("begin", place)

    def commit(self, connection):
        transaction = self.open.pop(id(dbapi_connection(connection)), None)
        self.emit("commit", statements=transaction.statements if transaction else 0)

    def rollback(self, connection):
        transaction = self.open.pop(id(dbapi_connection(connection)), None)
        by_close = sys.exc_info()[0] is None and _by_close()
        self.emit("rollback", statements=transaction.statements if transaction else 0, by_close=by_close)
        # The event comes before the DBAPI's rollback.
        if by_close and transaction is not None and transaction.revision_statements and _in_transaction(transaction.dbapi):
            self.lose(connection, transaction, "closed")

    def returned(self, dbapi):
        """A connection goes back to its pool. A Connection that nobody closes comes here without a rollback of SQLAlchemy's."""
        if self.target.channel.foreign():
            return
        transaction = self.open.get(id(dbapi))
        if transaction is None or transaction.dbapi is not dbapi:
            return
        del self.open[id(dbapi)]
        if transaction.revision_statements and _in_transaction(dbapi):
            self.lose(None, transaction, "closed")

    def lose(self, connection, transaction, how):
        if len(self.ended_by_close) < LISTED:
            self.ended_by_close.append({"database": _database(connection, transaction.dbapi), "begun_at": transaction.place,
                                        "statements": transaction.revision_statements, "ended": how})

    def executed(self, connection, revision):
        transaction = self.open.get(id(dbapi_connection(connection)))
        if transaction is not None:
            transaction.statements += 1
            transaction.revision_statements += revision is not None

    def textual(self, connection, action, place):
        """SQLAlchemy still counts the same transaction, but what was sent before is committed or gone."""
        transaction = self.open.get(id(dbapi_connection(connection)))
        if transaction is not None and action != "begin":
            transaction.statements = transaction.revision_statements = 0
        self.emit(action, place, textual=True)

    def failed(self, connection):
        """A failure without a statement: of BEGIN, COMMIT or ROLLBACK."""
        self.emit("failed")

    def begun_at(self, connection):
        transaction = self.open.get(id(dbapi_connection(connection)))
        return transaction.place if transaction else None

    def lost(self):
        """The transactions with statements of revisions that nobody committed: still open, or ended by close."""
        found = list(self.ended_by_close)
        for transaction in self.open.values():
            if transaction.revision_statements and _in_transaction(transaction.dbapi) and len(found) < LISTED:
                found.append({"database": _database(None, transaction.dbapi), "begun_at": transaction.place,
                              "statements": transaction.revision_statements, "ended": "open"})
        return found


def _in_transaction(dbapi):
    """False only if it is certain that the project has ended the transaction on the DBAPI's connection itself."""
    try:
        return idle(dbapi) is not True
    except Exception:
        return True


def _by_close():
    """Whether SQLAlchemy ends the transaction because its connection is closed, and not because of a rollback()."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("sqlalchemy.", "mig_ci_driver.")):
        if frame.f_code.co_name in ("close", "__exit__", "_finalize_fairy", "__aexit__") and "Connection" in type(frame.f_locals.get("self")).__name__:
            return True
        frame = frame.f_back
    return False


def _database(connection, dbapi):
    try:
        if connection is not None:
            return connection.engine.url.database
    except AttributeError:
        pass
    inner = getattr(dbapi, "_connection", dbapi)
    return getattr(getattr(inner, "info", None), "dbname", None)
