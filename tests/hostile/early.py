"""Takes the drivers' functions before pytest is imported, and runs pytest then, as a script of somebody's own does."""

from __future__ import annotations

import sys
from typing import Any

import asyncpg
import pg8000.dbapi
import psycopg2
import psycopg2.extensions
import sqlalchemy
from psycopg import AsyncConnection, Connection, connect, generators, pq
from psycopg2 import connect as connect2
from psycopg2._psycopg import _connect
from tricks import WAYS, Trick, Way, awaited, parts, tell, tell_libpq, victims

connect_asyncpg, connect_pg8000 = asyncpg.connect, pg8000.dbapi.connect
start = generators.connect
PGconn = pq.PGconn


class Early(psycopg2.extensions.connection):  # type: ignore[misc]  # psycopg2 has no types
    """A subclass that was there before."""


ENGINES = {
    name: sqlalchemy.create_engine(url.replace("://", "+psycopg2://", 1), poolclass=sqlalchemy.pool.NullPool)
    for name, url in victims().items()
    if url.startswith("postgresql")
}


async def _async(url: str) -> str:
    connection = await AsyncConnection.connect(url)
    await connection.close()
    return url.rpartition("/")[2]


async def _asyncpg(url: str) -> str:
    connection = await connect_asyncpg(url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.close()
    return str(name)


def _engine(url: str) -> str:
    with ENGINES[next(name for name, each in victims().items() if each == url)].connect() as connection:
        return str(connection.exec_driver_sql("SELECT current_database()").scalar())


def _generators(url: str) -> str:
    from psycopg import waiting
    from psycopg.conninfo import make_conninfo

    return tell_libpq(waiting.wait_conn(start(make_conninfo(url)), interval=0.1))


EARLY: dict[str, Trick] = {
    "early_psycopg": lambda url: tell(connect(url)),
    "early_psycopg_class": lambda url: tell(Connection.connect(url)),
    "early_psycopg_async": lambda url: awaited(_async(url)),
    "early_generators": _generators,
    "early_pgconn": lambda url: tell_libpq(PGconn.connect(url.encode())),
    "early_psycopg2": lambda url: tell(connect2(url)),
    "early_psycopg2_of_c": lambda url: tell(_connect(url)),
    "early_psycopg2_subclass": lambda url: tell(Early(url)),
    "early_asyncpg": lambda url: awaited(_asyncpg(url)),
    "early_pg8000": lambda url: tell(connect_pg8000(**parts(url))),
    "early_engine": _engine,
}
WAYS.update({name: Way(name=name, run=run) for name, run in EARLY.items()})

if __name__ == "__main__":
    sys.modules["early"] = sys.modules["__main__"]
    import pytest

    plugins: list[Any] = []
    sys.exit(pytest.main([*sys.argv[1:]], plugins=plugins))
