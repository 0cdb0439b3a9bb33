"""An application that asks by every driver whether its database is at head: run as a program, `python <this> <url>`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from urllib.parse import unquote, urlsplit

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2
import psycopg2.extras
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy import orm
from sqlalchemy.ext import asyncio as sqlalchemy_asyncio

from dbtasks import DbtasksError, assert_schema_current, assert_schema_current_async

URL = sys.argv[1]
ENGINE = URL.replace("postgresql:", "postgresql+psycopg:", 1)


def by_psycopg() -> str:
    with psycopg.connect(URL, row_factory=dict_row) as connection:
        assert_schema_current(connection)
        return connection.info.transaction_status.name


def by_psycopg_in_a_transaction() -> str:
    with psycopg.connect(URL) as connection:
        connection.execute("SELECT 1")
        assert_schema_current(connection)
        return connection.info.transaction_status.name


def by_psycopg2() -> str:
    with closing(psycopg2.connect(URL, cursor_factory=psycopg2.extras.RealDictCursor)) as connection:
        assert_schema_current(connection)
        return "IDLE" if connection.info.transaction_status == 0 else "in a transaction"


def by_pg8000() -> str:
    parts = urlsplit(URL)
    place = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:]}
    with closing(
        pg8000.dbapi.connect(parts.username or "", password=unquote(parts.password or ""), **place)
    ) as connection:
        assert_schema_current(connection)
    return "asked"


def by_engine() -> str:
    assert_schema_current(sqlalchemy.create_engine(ENGINE))
    return "asked"


def by_connection() -> str:
    with sqlalchemy.create_engine(ENGINE).connect() as connection:
        assert_schema_current(connection)
        return "in a transaction" if connection.in_transaction() else "IDLE"


def by_session() -> str:
    with orm.Session(sqlalchemy.create_engine(ENGINE)) as session:
        assert_schema_current(session)
        return "in a transaction" if session.in_transaction() else "IDLE"


def by_url() -> str:
    assert_schema_current(ENGINE)
    return "asked"


async def by_asyncpg() -> str:
    connection = await asyncpg.connect(URL)
    try:
        await assert_schema_current_async(connection)
        return "in a transaction" if connection.is_in_transaction() else "IDLE"
    finally:
        await connection.close()


async def by_psycopg_async() -> str:
    async with await psycopg.AsyncConnection.connect(URL) as connection:
        await assert_schema_current_async(connection)
        return connection.info.transaction_status.name


async def by_engine_async() -> str:
    engine = sqlalchemy_asyncio.create_async_engine(ENGINE)
    await assert_schema_current_async(engine)
    async with engine.connect() as connection:
        await assert_schema_current_async(connection)
        found = "in a transaction" if connection.in_transaction() else "IDLE"
    await engine.dispose()
    return found


async def mistaken() -> str:
    async with await psycopg.AsyncConnection.connect(URL) as connection:
        assert_schema_current(connection)
    return "asked"


WAYS: tuple[Callable[[], str] | Callable[[], Awaitable[str]], ...] = (
    *(by_psycopg, by_psycopg_in_a_transaction, by_psycopg2, by_pg8000, by_engine, by_connection, by_session, by_url),
    *(by_asyncpg, by_psycopg_async, by_engine_async, mistaken),
)


def told(way: Callable[[], object]) -> str:
    try:
        found = way()
        return str(asyncio.run(found) if asyncio.iscoroutine(found) else found)
    except DbtasksError as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


if __name__ == "__main__":
    for each in WAYS:
        print(f"{each.__name__}: {told(each)}")  # noqa: T201 - what the test reads
    assert "alembic" not in sys.modules
