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
