"""env.py files of the guide and of common projects."""

# The generic template. The commit makes it correct with SQLAlchemy 1.4 and 2.
GENERIC = """
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config


def run_migrations_online():
    connectable = engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.", poolclass=pool.NullPool)
    with connectable.connect() as connection:
        context.configure(connection=connection, target_metadata=None%s)
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
"""

# The guide's env.py: a schema per tenant. `%s` is where a commit is missing.
SCHEMA = """
import os
from alembic import context
from sqlalchemy import engine_from_config, pool, text

config = context.config
SCHEMA = os.getenv("TENANT_SCHEMA", config.get_main_option("schema", "public"))


def run_migrations_online():
    connectable = engine_from_config(config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.", poolclass=pool.NullPool)

    with connectable.connect() as connection:
        # Set search_path to tenant schema
        connection.execute(text(f"SET search_path TO {SCHEMA}"))
        %s

        context.configure(connection=connection, target_metadata=None, version_table_schema=SCHEMA)

        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
"""

ASYNC = """
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.engine import engine_from_config
from sqlalchemy.ext.asyncio import AsyncEngine

config = context.config


def do_run_migrations(connection):
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()


async def run_async_migrations():
    connectable = AsyncEngine(engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.",
                                                 poolclass=pool.NullPool, future=True))
    async with connectable.connect() as connection:
        await connection.run_sync(do_run_migrations)
    await connectable.dispose()


asyncio.run(run_async_migrations())
"""

# The template multidb, without its offline branch and its two-phase option.
MULTIDB = """
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
engines = {}
for name in config.get_main_option("databases").replace(" ", "").split(","):
    engines[name] = {"engine": engine_from_config(context.config.get_section(name), prefix="sqlalchemy.", poolclass=pool.NullPool)}

for name, rec in engines.items():
    rec["connection"] = conn = rec["engine"].connect()
    rec["transaction"] = conn.begin()

try:
    for name, rec in engines.items():
        context.configure(connection=rec["connection"], upgrade_token="%s_upgrades" % name, downgrade_token="%s_downgrades" % name)
        context.run_migrations(engine_name=name)
    for rec in engines.values():
        rec["transaction"].commit()
except BaseException:
    for rec in engines.values():
        rec["transaction"].rollback()
    raise
finally:
    for rec in engines.values():
        rec["connection"].close()
"""

MULTIDB_REVISION = """
from alembic import op
revision = "m1"
down_revision = None


def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def upgrade_engine1():
    op.execute("CREATE TABLE one (id int)")


def upgrade_engine2():
    op.execute("CREATE TABLE two (id int)")
"""
