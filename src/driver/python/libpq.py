"""The address that libpq would use for a connection string, with the environment as libpq reads it.

Source: PostgreSQL's documentation, "Parameter Key Words" and "Environment Variables" of libpq.
"""
import os

from .guard import GUARD

_DEFAULTS = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
             "service": "PGSERVICE"}
_getenv = None


def environment(name):
    """A variable as C code sees it: os.putenv and other libraries change it without os.environ."""
    global _getenv
    if _getenv is None:
        try:
            import ctypes
            _getenv = ctypes.CDLL(None).getenv
            _getenv.restype = ctypes.c_char_p
            _getenv.argtypes = [ctypes.c_char_p]
        except (ImportError, OSError, AttributeError):
            _getenv = False
    if not _getenv:
        return os.environ.get(name)
    value = _getenv(name.encode())
    return None if value is None else os.fsdecode(value)


def check(driver, parameters):
    """Checks parameters that are parsed from a connection string."""
    values = {}
    for name, variable in _DEFAULTS.items():
        # An empty value counts as one that is not given.
        value = parameters.get(name)
        values[name] = str(value) if value not in (None, "") else (environment(variable) or None)
    if values["service"]:
        GUARD.refuse(driver, values["host"], values["port"], values["dbname"],
                     "the service %s of a service file decides about the address" % values["service"])
    user = values["user"] or _system_user()
    database = values["dbname"] or user
    GUARD.check(driver, values["host"], values["port"] or "5432", database, user, hostaddr=values["hostaddr"])


def _system_user():
    try:
        import pwd
        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        return None
