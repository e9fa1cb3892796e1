"""Overrides `sqlalchemy.url` of a loaded Config by the address of our server.

The driver of the project's own URL stays (`postgresql+asyncpg://`), and so do
the few query options that say how the driver behaves. Everything about the
server, TLS and the host is dropped, and so is every option that is not known,
since a new driver version may give it a meaning.
"""
import os
import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

KEPT_OPTIONS = ("application_name", "client_encoding", "options", "prepare_threshold", "prepared_statement_cache_size",
                "prepared_statement_name_func", "statement_cache_size", "async_fallback")
_DRIVERS = {"psycopg2": "psycopg2", "psycopg": "psycopg", "asyncpg": "asyncpg", "pg8000": "pg8000"}
_SCHEME = re.compile(r"\s*(postgres(?:ql)?)(\+[A-Za-z0-9_]+)?:", re.I)


def _installed(module):
    from importlib.util import find_spec
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def default_driver():
    """"" if SQLAlchemy's default driver is installed, else one that is."""
    from sqlalchemy.engine.url import make_url
    try:
        name = make_url("postgresql://").get_dialect().driver
    except Exception:
        name = "psycopg2"
    if _installed(_DRIVERS.get(name, name)):
        return ""
    for module in ("psycopg2", "psycopg", "pg8000", "asyncpg"):
        if _installed(module):
            return "+" + module
    return ""


def _options(url):
    """The query options of a project's URL that are kept."""
    try:
        return [(name, value) for name, value in parse_qsl(urlsplit(url).query) if name in KEPT_OPTIONS]
    except ValueError:
        return []


def ours(project_url, server_url, server):
    """The URL of our server, for the driver of the project's URL."""
    match = _SCHEME.match(project_url or "")
    driver = (match.group(2) or "") if match else ""
    if not driver:
        driver = default_driver()
    parts = urlsplit(server_url)
    query = dict(_options(project_url or "")) if match else {}
    for name, value in parse_qsl(parts.query):
        # Both may hold settings; PostgreSQL uses the last one of a name.
        query[name] = "%s %s" % (query[name], value) if name == "options" and name in query else value
    if driver == "+pg8000" and query.get("host", "").startswith("/"):
        query["unix_sock"] = os.path.join(query.pop("host"), ".s.PGSQL.%s" % (query.pop("port", None) or server.get("port")))
    if driver in ("+asyncpg", "+pg8000"):
        # These have no parameter `options`; the connection hook passes the settings in the driver's own way.
        query.pop("options", None)
    if driver != "+asyncpg":
        for name in ("async_fallback", "prepared_statement_cache_size", "prepared_statement_name_func", "statement_cache_size"):
            query.pop(name, None)
    text = urlencode(query, quote_via=quote, safe="/")
    return "postgresql%s://%s%s%s" % (driver.lower(), parts.netloc, parts.path, "?" + text if text else "")


def raw_option(config, section, name):
    """An option without interpolation, which can fail for URLs that are filled in elsewhere; None if there is none."""
    file_config = config.file_config
    if file_config.has_section(section) or section == "DEFAULT":
        return file_config.get(section, name, raw=True, fallback=None)
    return file_config.defaults().get(name)


def named_databases(config):
    """The sections that a multidb project names in `databases`."""
    value = raw_option(config, config.config_ini_section, "databases")
    return [name for name in re.split(r",\s*", value.strip()) if name] if value else []


def override(config, server, section_urls, failure):
    """Sets the addresses in `config`. Returns the names of the databases that these addresses have."""
    if not server.get("url"):
        return set()
    section = config.config_ini_section
    project_url = raw_option(config, section, "sqlalchemy.url")
    if project_url is None and callable(getattr(config, "get_alembic_option", None)):
        value = getattr(config, "toml_alembic_config", {}).get("sqlalchemy.url")
        project_url = value if isinstance(value, str) else None
    _set(config, section, ours(project_url, server["url"], server))
    databases = {server.get("database")}
    named = named_databases(config)
    missing = [name for name in named if name not in section_urls]
    if len(missing) == 1 and len(named) == 1:
        _set(config, missing[0], ours(raw_option(config, missing[0], "sqlalchemy.url"), server["url"], server))
    elif missing:
        raise failure("[%s] names the databases %s, and mig-ci knows no address for %s: each of them needs a database of its own"
                      % (section, ", ".join(named), ", ".join(missing)))
    for name, url in section_urls.items():
        _set(config, name, ours(raw_option(config, name, "sqlalchemy.url"), url, server))
        databases.add(unquote(urlsplit(url).path.lstrip("/")))
    return databases


def _set(config, section, url):
    config.set_section_option(section, "sqlalchemy.url", url.replace("%", "%%"))
