"""What went wrong, as data: the kind, SQLSTATE and message, and the project's own frames only."""
import sys

MESSAGE_CHARACTERS = 4000


def unwrap(error):
    """The first failure in an exception group of an asyncio task group, else the exception itself."""
    while isinstance(getattr(error, "exceptions", None), tuple) and error.exceptions:
        error = error.exceptions[0]
    return error


def chain(error):
    """The exception, and those that caused it, each once."""
    seen = set()
    pending = [error]
    while pending:
        error = pending.pop(0)
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        pending.extend([getattr(error, "orig", None), error.__cause__, error.__context__])


def type_name(error):
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else "%s.%s" % (cls.__module__, cls.__qualname__)


def _text(value):
    return None if value is None else str(value)[:MESSAGE_CHARACTERS]


def message(error):
    try:
        return str(error)[:MESSAGE_CHARACTERS]
    except Exception as failed:
        return "(the message of %s cannot be shown: %s)" % (type_name(error), type_name(failed))


def database_fields(original):
    """SQLSTATE, message, detail and hint of an exception of psycopg2, psycopg, asyncpg or pg8000; None for others."""
    fields = {}
    # pg8000 passes the fields of the server's message as a dictionary.
    if original.args and isinstance(original.args[0], dict) and "C" in original.args[0]:
        raw = original.args[0]
        return {"sqlstate": _text(raw.get("C")), "message": _text(raw.get("M")), "detail": _text(raw.get("D")), "hint": _text(raw.get("H"))}
    diagnostics = getattr(original, "diag", None)
    sqlstate = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if diagnostics is not None:
        fields["message"] = _text(getattr(diagnostics, "message_primary", None))
        fields["detail"] = _text(getattr(diagnostics, "message_detail", None))
        fields["hint"] = _text(getattr(diagnostics, "message_hint", None))
    elif sqlstate:
        # SQLAlchemy wraps asyncpg's exceptions, and keeps the original as the cause.
        source = original.__cause__ if getattr(original.__cause__, "sqlstate", None) else original
        fields["message"] = _text(getattr(source, "message", None)) or message(source)
        fields["detail"] = _text(getattr(source, "detail", None))
        fields["hint"] = _text(getattr(source, "hint", None))
    if sqlstate or diagnostics is not None or _is_dbapi_error(original):
        fields["sqlstate"] = _text(sqlstate)
        fields["message"] = fields.get("message") or message(original)
        return fields
    return None


def _is_dbapi_error(error):
    return any(cls.__name__ == "Error" and cls.__module__.split(".")[0] in ("psycopg2", "psycopg", "pg8000")
               for cls in type(error).__mro__)


def _kind(error):
    if isinstance(error, SystemExit):
        return "exit"
    if isinstance(getattr(error, "mig_ci_kind", None), str):
        return error.mig_ci_kind
    util = sys.modules.get("alembic.util.exc") or sys.modules.get("alembic.util")
    if util is not None and isinstance(error, getattr(util, "CommandError", ())):
        return "alembic"
    # Configuration files are read by these modules, on behalf of Alembic.
    if type(error).__module__.split(".")[0] in ("alembic", "configparser", "tomllib", "tomli"):
        return "alembic"
    if isinstance(error, (ImportError, SyntaxError)):
        return "import"
    return "python"


def describe(error, places, revision=None, sql_bytes=8192):
    """The contract's `error` of an exception. `revision` is the step that ran."""
    error = unwrap(error)
    place, traceback = places.of_traceback(error.__traceback__)
    result = {"kind": _kind(error), "type": type_name(error), "message": message(error)}
    sqlalchemy = sys.modules.get("sqlalchemy.exc")
    original = error
    if sqlalchemy is not None and isinstance(error, sqlalchemy.DBAPIError) and error.orig is not None:
        original = error.orig
        if error.statement is not None:
            result["statement"] = str(error.statement)[:sql_bytes]
    fields = database_fields(original)
    if fields is not None:
        result["kind"] = "database"
        result.update((key, value) for key, value in fields.items() if value is not None)
    if isinstance(error, SyntaxError) and error.filename:
        place = {"file": error.filename, "line": error.lineno or 0, "function": "<module>", "text": (error.text or "").strip()[:200]}
    if place is not None:
        result["place"] = place
    if revision is not None:
        result["revision"] = revision
    result["traceback"] = traceback
    return result
