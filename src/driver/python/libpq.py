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
    values, database, user = _effective(driver, parameters)
    GUARD.check(driver, values["host"], values["port"] or "5432", database, user, hostaddr=values["hostaddr"])


def check_before_resolution(driver, parameters):
    """The same before a driver resolves a host's name itself: the look-up alone tells another server's name to the network."""
    values, database, _ = _effective(driver, parameters)
    reason = GUARD.reason(values["host"], values["port"] or "5432", database, values["hostaddr"])
    if reason is not None:
        GUARD.refuse(driver, values["hostaddr"] or values["host"], values["port"], database, reason)


def _effective(driver, parameters):
    """The values that libpq would use, the database and the user."""
    values = {}
    for name, variable in _DEFAULTS.items():
        # An empty value counts as one that is not given.
        value = parameters.get(name)
        values[name] = str(value) if value not in (None, "") else (environment(variable) or None)
    if values["service"]:
        GUARD.refuse(driver, values["host"], values["port"], values["dbname"],
                     "the service %s of a service file decides about the address" % values["service"])
    user = values["user"] or _system_user()
    return values, values["dbname"] or user, user


def _system_user():
    try:
        import pwd
        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        return None
