"""Runs the migrations of one customer's database: `TENANT_DB=customer_acme alembic -n customer upgrade head`."""
import os

from alembic import context
from sqlalchemy import create_engine, make_url, pool

from app.models.customer import CustomerBase

config = context.config
target_metadata = CustomerBase.metadata


def get_db_url():
    """The address of the customer's database."""
    url = make_url(os.getenv("DATABASE_URL", config.get_main_option("sqlalchemy.url")))
    url = url.set(drivername="postgresql+psycopg")
    database = os.getenv("TENANT_DB")
    return url.set(database=database) if database else url


def run_migrations_online() -> None:
    connectable = create_engine(get_db_url(), poolclass=pool.NullPool)
    with connectable.connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
