"""Runs the migrations of one tenant: `TENANT_SCHEMA=tenant_123 alembic -n tenant upgrade head`."""
import os

from alembic import context
from sqlalchemy import engine_from_config, pool, text

from app.models.tenant import TenantBase

config = context.config
target_metadata = TenantBase.metadata

SCHEMA = os.getenv("TENANT_SCHEMA", config.get_main_option("schema", "public"))


def include_object(object, name, type_, reflected, compare_to):
    """Only objects of the tenant's schema."""
    if type_ == "table":
        return object.schema == SCHEMA
    return True


def run_migrations_online() -> None:
    connectable = engine_from_config(
        config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.", poolclass=pool.NullPool
    )
    with connectable.connect() as connection:
        quoted = connection.dialect.identifier_preparer.quote(SCHEMA)
        connection.execute(text(f"SET search_path TO {quoted}, shared"))
        # Without this commit, Alembic runs in the transaction that SET began, and nobody commits it.
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=target_metadata,
            include_object=include_object,
            version_table_schema=SCHEMA,
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
