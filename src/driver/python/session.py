"""Passes the settings of our server's URL (`options`) to each connection of SQLAlchemy, in the driver's own way.

Role and session settings are connection parameters: a SET would begin a transaction.
psycopg and psycopg2 know `options`; asyncpg has `server_settings`, pg8000 `startup_params`.
"""
import re
from urllib.parse import parse_qs, urlsplit

from .guard import GUARD


def settings(options):
    """The pairs of `-c name=value` and `--name=value`, where a backslash keeps a blank."""
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|\S)+", options)]
    found = {}
    take = False
    for word in words:
        if take:
            name, _, value = word.partition("=")
            take = False
        elif word == "-c":
            take = True
            continue
        elif word.startswith("-c"):
            name, _, value = word[2:].partition("=")
        elif word.startswith("--"):
            name, _, value = word[2:].partition("=")
            name = name.replace("-", "_")
        else:
            continue
        found[name] = value
    return found


def install(server):
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    options = parse_qs(urlsplit(server.get("url") or "").query).get("options", [""])[-1]

    def do_connect(dialect, record, arguments, parameters):
        if dialect.name == "sqlite":
            return
        driver = getattr(dialect, "driver", "")
        known = ("psycopg2", "psycopg", "psycopg_async", "asyncpg", "pg8000")
        if dialect.name != "postgresql" or driver not in known:
            GUARD.refuse("%s+%s" % (dialect.name, driver), parameters.get("host"), parameters.get("port"), parameters.get("database"),
                         "mig-ci cannot see the connections of this driver; it knows %s" % ", ".join(known))
        if not options:
            return
        if driver == "asyncpg":
            parameters["server_settings"] = dict(settings(options), **(parameters.get("server_settings") or {}))
        elif driver == "pg8000":
            parameters["startup_params"] = dict(settings(options), **(parameters.get("startup_params") or {}))
        elif "options" not in parameters:
            parameters["options"] = options

    event.listen(Engine, "do_connect", do_connect)
