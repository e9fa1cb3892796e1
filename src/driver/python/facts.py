"""Reads where Alembic is connected to, without a change to any transaction that SQLAlchemy or Alembic know of."""
import json

from .recorder import dbapi_connection

_QUERY = ("SELECT pg_catalog.current_database()::text, pg_catalog.to_json(pg_catalog.current_schemas(false))::text,"
          " current_user::text")


def idle(connection):
    """Whether a DBAPI connection is in no transaction: True, False, or None if it does not say."""
    inner = getattr(connection, "_connection", None)
    for candidate in (connection, inner):
        status = getattr(candidate, "get_transaction_status", None)
        if callable(status):
            return status() == 0
        in_transaction = getattr(candidate, "is_in_transaction", None)
        if callable(in_transaction):
            return not in_transaction()
        info = getattr(candidate, "info", None)
        if hasattr(info, "transaction_status"):
            return int(info.transaction_status) == 0
        if hasattr(candidate, "_in_transaction"):
            return not candidate._in_transaction
    return None


def _select(connection):
    """The answer to _QUERY on the DBAPI connection. A connection that was idle is idle afterwards."""
    dbapi = dbapi_connection(connection)
    if dbapi is None:
        return None
    was_idle = idle(dbapi)
    cursor = dbapi.cursor()
    try:
        cursor.execute(_QUERY)
        row = cursor.fetchone()
    finally:
        cursor.close()
    if was_idle and not getattr(dbapi, "autocommit", False):
        dbapi.rollback()
    return row


def read(context, target, place):
    """The fields of the event `configured` for a MigrationContext. What cannot be read is None, or for the schemas absent."""
    fields = {"version_table": context.version_table, "version_table_schema": context.version_table_schema,
              "database": None, "user": None,
              "in_transaction": bool(getattr(context, "_in_external_transaction", False)), "in_autocommit": False, "begun_at": None,
              "transaction_per_migration": bool(getattr(context, "_transaction_per_migration", False)),
              "offline": bool(context.as_sql), "place": place}
    if context.as_sql or context.connection is None:
        return fields
    if getattr(dbapi_connection(context.connection), "autocommit", False):
        # SQLAlchemy speaks of a transaction here, too, but each statement commits by itself.
        fields["in_autocommit"], fields["in_transaction"] = True, False
    if fields["in_transaction"]:
        fields["begun_at"] = target.transactions.begun_at(context.connection)
    try:
        with target.own_statements():
            row = _select(context.connection)
    except Exception:
        # The connection may be in a failed transaction; the run then fails by itself.
        row = None
    if row is not None:
        fields["database"], fields["user"] = row[0], row[2]
        fields["current_schemas"] = json.loads(row[1])
    return fields
