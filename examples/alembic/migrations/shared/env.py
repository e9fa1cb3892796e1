"""Runs the migrations of the tables that all tenants share, once, before those of the tenants."""
from alembic import context
from sqlalchemy import engine_from_config, pool, text

from app.models.shared import SharedBase

config = context.config
target_metadata = SharedBase.metadata


def run_migrations_online() -> None:
    connectable = engine_from_config(
        config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.", poolclass=pool.NullPool
    )
    with connectable.connect() as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS shared"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=target_metadata,
            include_schemas=True,
            version_table_schema="shared",
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
