"""The fixtures of transactions that are rolled back after each test: psycopg, SQLAlchemy and asyncpg.

Drivers other than psycopg are the team's own, and imported when a test asks for them. What is asynchronous is a
function that opens an `async with`, so that it needs no plugin for asyncio and works with every one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from dbtasks.pin import PIN, driver

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session

    from dbtasks.testing import Database
    from dbtasks.testing.held_psycopg import AsyncHeldConnection

_ASYNC = ("psycopg", "psycopg_async", "asyncpg")
_SYNC = ("psycopg", "psycopg2", "pg8000")


@pytest.fixture
def async_db(int_database: Database) -> Callable[[], AbstractAsyncContextManager[AsyncHeldConnection]]:
    """What `db` is, for asyncio: `async with async_db() as connection`, rolled back as the block ends."""
    from dbtasks.testing import held_psycopg

    return lambda: held_psycopg.async_connection(int_database.url)


@pytest.fixture
def asyncpg_db(int_database: Database) -> Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]:
    """The same for asyncpg: `async with asyncpg_db() as connection`, rolled back as the block ends."""
    from dbtasks.testing import held_asyncpg

    return lambda: held_asyncpg.connection(int_database.url)


@pytest.fixture(scope="session")
def sqlalchemy_driver() -> str:
    """The driver of SQLAlchemy's fixtures: the one that the project's URLs name, else psycopg."""
    return _named_driver(_SYNC)


@pytest.fixture(scope="session")
def sqlalchemy_async_driver() -> str:
    """The driver of SQLAlchemy's asynchronous fixtures: the one that the project's URLs name, else psycopg."""
    return _named_driver(_ASYNC)


@pytest.fixture
def sqlalchemy_engine(int_database: Database, sqlalchemy_driver: str) -> Iterator[Engine]:
    """An engine on this process's clone, of one connection; what is committed with it is gone after the test."""
    from dbtasks.testing import held_sqlalchemy

    with held_sqlalchemy.engine(int_database.url, sqlalchemy_driver) as engine:
        yield engine


@pytest.fixture
def sqlalchemy_connection(sqlalchemy_engine: Engine) -> Iterator[Connection]:
    """A connection of `sqlalchemy_engine`."""
    with sqlalchemy_engine.connect() as connection:
        yield connection


@pytest.fixture
def sqlalchemy_session(sqlalchemy_engine: Engine) -> Iterator[Session]:
    """A session of `sqlalchemy_engine`."""
    from sqlalchemy.orm import Session

    with Session(sqlalchemy_engine) as session:
        yield session


@pytest.fixture
def sqlalchemy_async_engine(
    int_database: Database, sqlalchemy_async_driver: str
) -> Callable[[], AbstractAsyncContextManager[AsyncEngine]]:
    """The same for asyncio: `async with sqlalchemy_async_engine() as engine`, undone as the block ends."""
    from dbtasks.testing import held_sqlalchemy

    return lambda: held_sqlalchemy.async_engine(int_database.url, sqlalchemy_async_driver)


@pytest.fixture
def sqlalchemy_async_connection(
    sqlalchemy_async_engine: Callable[[], AbstractAsyncContextManager[AsyncEngine]],
) -> Callable[[], AbstractAsyncContextManager[AsyncConnection]]:
    """A connection of such an engine: `async with sqlalchemy_async_connection() as connection`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncConnection]:
        async with sqlalchemy_async_engine() as engine, engine.connect() as connection:
            yield connection

    return opened


@pytest.fixture
def sqlalchemy_async_session(
    sqlalchemy_async_engine: Callable[[], AbstractAsyncContextManager[AsyncEngine]],
) -> Callable[[], AbstractAsyncContextManager[AsyncSession]]:
    """A session of such an engine: `async with sqlalchemy_async_session() as session`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncSession]:
        from sqlalchemy.ext.asyncio import AsyncSession

        async with sqlalchemy_async_engine() as engine, AsyncSession(engine) as session:
            yield session

    return opened


def _named_driver(usable: tuple[str, ...]) -> str:
    named = (driver(os.environ.get(name, "")).removeprefix("+") for name in (PIN.names.others if PIN.names else ()))
    return next((name for name in named if name in usable), "psycopg")
