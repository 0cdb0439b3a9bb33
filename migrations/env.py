"""Runs the revisions on the database named by `sqlalchemy.url`, else by DATABASE_URL; offline it prints their SQL."""

import importlib.util
import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine, pool

config = context.config
if config.config_file_name is not None:
    fileConfig(config.config_file_name, disable_existing_loggers=False)


def database_url() -> str:
    """The URL to migrate, with a driver that is installed; RuntimeError when none is given."""
    url = config.get_main_option("sqlalchemy.url") or os.environ.get("DATABASE_URL")
    if not url:
        raise RuntimeError("No database to migrate: set DATABASE_URL, for example postgresql://user@localhost/name.")
    if url.startswith("postgresql://") and importlib.util.find_spec("psycopg2") is None:
        # SQLAlchemy before 2.1 takes a URL without a driver's name to mean psycopg2.
        return url.replace("postgresql://", "postgresql+psycopg://", 1)
    return url


def run_offline() -> None:
    """SQL on standard output; nothing is connected."""
    context.configure(
        url=database_url(),
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """The pending revisions applied, each in a transaction of its own."""
    engine = create_engine(database_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        # One transaction a revision: when one fails, those before it stay and it leaves nothing behind. In one
        # transaction for all, the index that is made concurrently (0020) would commit its predecessors half-way,
        # and 0012 could not use the enum value that 0011 adds.
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
