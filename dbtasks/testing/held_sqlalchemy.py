"""SQLAlchemy engines, plain and asynchronous, on one connection in a transaction that never stays: see `held`.

Everything that is made from such an engine works as usual, sessions and `begin()` included: where the dialect would
commit or roll back, it moves the savepoint instead. SQLAlchemy is the team's own; dbtasks does not depend on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

from sqlalchemy import create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from dbtasks.errors import TransactionEndedError
from dbtasks.testing.held import COMMIT, HOLD, READ_ONLY_AFTERWARDS, ROLLBACK

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


@contextmanager
def engine(url: str, driver: str) -> Iterator[Engine]:
    """Yield an engine; what is done with it is gone when the block ends.

    TransactionEndedError when the code has ended the transaction by SQL.
    """
    held = create_engine(make_url(url).set(drivername=f"postgresql+{driver}"), poolclass=StaticPool)
    try:
        with held.connect() as connection:
            _prepare(connection)
        with held.connect() as connection:
            _hold(connection)
        yield held
        with held.connect() as connection:
            _check(connection)
    finally:
        held.dispose()


@asynccontextmanager
async def async_engine(url: str, driver: str) -> AsyncIterator[AsyncEngine]:
    """Yield an asynchronous engine; what is done with it is gone when the block ends."""
    held = create_async_engine(make_url(url).set(drivername=f"postgresql+{driver}"), poolclass=StaticPool)
    try:
        async with held.connect() as connection:
            await connection.run_sync(_prepare)
        async with held.connect() as connection:
            await connection.run_sync(_hold)
        yield held
        async with held.connect() as connection:
            await connection.run_sync(_check)
    finally:
        await held.dispose()


def _prepare(connection: Connection) -> None:
    connection.exec_driver_sql(READ_ONLY_AFTERWARDS)
    connection.commit()


def _hold(connection: Connection) -> None:
    for statement in HOLD:
        connection.exec_driver_sql(statement)
    dialect = connection.dialect

    def say(statements: tuple[LiteralString, ...]) -> Any:
        def instead(dbapi_connection: Any) -> None:
            cursor = dbapi_connection.cursor()
            try:
                for statement in statements:
                    cursor.execute(statement)
            finally:
                cursor.close()

        return instead

    # The dialect belongs to this engine alone, and has been asked for nothing but these two by the time it is used.
    dialect.do_commit = say(COMMIT)  # type: ignore[method-assign]  # on the instance, on purpose
    dialect.do_rollback = say(ROLLBACK)  # type: ignore[method-assign]  # as above


def _check(connection: Connection) -> None:
    from sqlalchemy.exc import DBAPIError

    try:
        for statement in ROLLBACK:
            connection.exec_driver_sql(statement)
    except DBAPIError:
        raise TransactionEndedError from None
