"""Drivers and URLs for the DBAPIs that the environment of the tests has."""
from importlib.util import find_spec

# SQLAlchemy 1.4 has no dialect for psycopg 3.
SYNC = [name for name in ("psycopg2", "psycopg", "pg8000") if find_spec(name)]
ALL = SYNC + [name for name in ("asyncpg",) if find_spec(name)]
DIALECTS = {name: name for name in ALL}


def sqlalchemy_url(url, driver=None):
    """`url` for an installed synchronous driver, or for `driver`."""
    return url.replace("postgresql://", "postgresql+%s://" % (driver or SYNC[0]))
