"""SQLAlchemy, sync and async, with each driver, and the ways in which an engine is led elsewhere."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import psycopg
import psycopg2
import sqlalchemy
from sqlalchemy import event, pool
from sqlalchemy.ext.asyncio import create_async_engine
from tricks import SAYS, WAYS, Trick, Way, awaited, libpq, parts, trick, victims


def _asked(engine: sqlalchemy.Engine) -> str:
    try:
        with engine.connect() as connection:
            return str(connection.exec_driver_sql(SAYS).scalar())
    finally:
        engine.dispose()


def _with(driver: str) -> Trick:
    def run(url: str) -> str:
        return _asked(sqlalchemy.create_engine(url.replace("://", f"+{driver}://", 1)))

    return run


def _async_with(driver: str) -> Trick:
    def run(url: str) -> str:
        async def connected() -> str:
            engine = create_async_engine(url.replace("://", f"+{driver}://", 1))
            try:
                async with engine.connect() as connection:
                    return str((await connection.exec_driver_sql(SAYS)).scalar())
            finally:
                await engine.dispose()

        return awaited(connected())

    return run


for each in ("psycopg", "psycopg2", "pg8000"):
    WAYS[f"sqlalchemy_{each}"] = Way(name=f"sqlalchemy_{each}", run=_with(each))
for each in ("psycopg", "asyncpg"):
    WAYS[f"sqlalchemy_async_{each}"] = Way(name=f"sqlalchemy_async_{each}", run=_async_with(each))


@trick
def sqlalchemy_creator(url: str) -> str:
    return _asked(sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url)))


@trick
def sqlalchemy_creator_of_another_driver(url: str) -> str:
    return _asked(sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(url)))


@trick
def sqlalchemy_connect_args(url: str) -> str:
    innocent = victims()["int"].replace("://", "+psycopg://", 1)
    return _asked(sqlalchemy.create_engine(innocent, connect_args=libpq(url)))


@trick
def sqlalchemy_listener_that_changes_the_parameters(url: str) -> str:
    engine = sqlalchemy.create_engine(victims()["int"].replace("://", "+psycopg://", 1))

    @event.listens_for(engine, "do_connect")
    def elsewhere(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters.update(libpq(url))

    return _asked(engine)


@trick
def sqlalchemy_listener_that_connects(url: str) -> str:
    engine = sqlalchemy.create_engine(victims()["int"].replace("://", "+psycopg://", 1))

    @event.listens_for(engine, "do_connect", insert=True)
    def elsewhere(*_: Any) -> Any:
        return psycopg.connect(url)

    return _asked(engine)


@trick
def sqlalchemy_pool_by_hand(url: str) -> str:
    by_hand = pool.QueuePool(lambda: psycopg2.connect(url), pool_size=1)
    connection = by_hand.connect()
    cursor = connection.cursor()
    cursor.execute(SAYS)
    row = cursor.fetchone()
    cursor.close()
    connection.close()
    by_hand.dispose()
    assert row is not None
    return str(row[0])


@trick
def sqlalchemy_raw_connection(url: str) -> str:
    engine = sqlalchemy.create_engine(url.replace("://", "+pg8000://", 1), poolclass=pool.NullPool)
    connection = engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute(SAYS)
    row = cursor.fetchone()
    connection.close()
    assert row is not None
    return str(row[0])


@trick
def sqlalchemy_dialect_with_a_strange_driver(url: str) -> str:
    """Connect by a dialect of somebody's own, whose driver is a copy of pg8000 under another name."""
    from sqlalchemy.dialects import registry
    from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000

    strange: Any = importlib.import_module("strange")

    class Strange(PGDialect_pg8000):
        driver = "strange"
        supports_statement_cache = False

        @classmethod
        def import_dbapi(cls) -> Any:
            return strange

        def initialize(self, connection: Any) -> None:
            """Ask nothing."""

        def on_connect(self) -> None:
            """Set nothing."""

    sys.modules["strange_dialect"] = type(sys)("strange_dialect")
    vars(sys.modules["strange_dialect"])["Strange"] = Strange
    registry.register("postgresql.strange", "strange_dialect", "Strange")
    strange.going_to = parts(url)
    engine = sqlalchemy.create_engine("postgresql+strange://", poolclass=pool.NullPool, _initialize=False)
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(SAYS)
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])
