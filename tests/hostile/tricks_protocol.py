"""asyncpg and pg8000, which speak the protocol themselves, libpq by ctypes, and a driver that is not held."""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import inspect
import socket
import sys
from pathlib import Path
from typing import Any

import asyncpg
import asyncpg.connect_utils
import pg8000.core
import pg8000.dbapi
import pg8000.legacy
import pg8000.native
from tricks import SAYS, awaited, parts, tell, trick, trick_alone


async def _asked(connection: Any) -> str:
    name = await connection.fetchval(SAYS)
    await connection.close()
    return str(name)


async def _connected(url: str) -> str:
    return await _asked(await asyncpg.connect(url))


@trick
def asyncpg_connect(url: str) -> str:
    return awaited(_connected(url))


@trick
def asyncpg_keywords(url: str) -> str:
    async def connected() -> str:
        return await _asked(await asyncpg.connect(**parts(url), ssl=False))

    return awaited(connected())


@trick
def asyncpg_pool(url: str) -> str:
    async def pooled() -> str:
        async with asyncpg.create_pool(url, min_size=2, max_size=2) as pool:
            return str(await pool.fetchval(SAYS))

    return awaited(pooled())


@trick
def asyncpg_subclass(url: str) -> str:
    class Mine(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
        pass

    async def connected() -> str:
        return await _asked(await asyncpg.connect(url, connection_class=Mine))

    return awaited(connected())


@trick
def asyncpg_machinery(url: str) -> str:
    """Call what `connect` calls, with the address and the parameters that it has worked out."""
    utils: Any = asyncpg.connect_utils
    names = inspect.signature(utils._parse_connect_arguments).parameters
    said = dict.fromkeys(names) | {"dsn": url, "statement_cache_size": 0}
    said |= {"max_cached_statement_lifetime": 0, "max_cacheable_statement_size": 0}
    addrs, params, config = utils._parse_connect_arguments(**said)

    async def connected() -> str:
        loop = asyncio.get_running_loop()
        types = {"connection_class": asyncpg.Connection, "record_class": asyncpg.Record}
        return await _asked(await utils._connect_addr(addr=addrs[0], loop=loop, params=params, config=config, **types))

    return awaited(connected())


@trick
def asyncpg_on_uvloop(url: str) -> str:
    uvloop = importlib.import_module("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_connected(url))


@trick_alone
def asyncpg_reloaded(url: str) -> str:
    importlib.reload(sys.modules["asyncpg.connect_utils"])
    importlib.reload(sys.modules["asyncpg.connection"])
    importlib.reload(asyncpg)
    return awaited(_connected(url))


@trick_alone
def asyncpg_imported_again(url: str) -> str:
    for name in [name for name in sys.modules if name.partition(".")[0] == "asyncpg" and "protocol" not in name]:
        del sys.modules[name]
    again = importlib.import_module("asyncpg")

    async def connected() -> str:
        return await _asked(await again.connect(url))

    return awaited(connected())


@trick
def pg8000_dbapi(url: str) -> str:
    return tell(pg8000.dbapi.connect(**parts(url)))


@trick
def pg8000_legacy(url: str) -> str:
    return tell(pg8000.legacy.Connection(**parts(url)))


@trick
def pg8000_native(url: str) -> str:
    with pg8000.native.Connection(**parts(url)) as connection:
        rows = connection.run(SAYS)
    return str(rows[0][0])


@trick
def pg8000_core(url: str) -> str:
    connection = pg8000.core.CoreConnection(**parts(url))
    name = connection.execute_simple(SAYS).rows[0][0]
    connection.close()
    return str(name)


@trick
def pg8000_on_a_socket_of_its_own(url: str) -> str:
    said = parts(url)
    place = (said.pop("host"), said.pop("port"))
    with socket.create_connection(place) as opened:
        return tell(pg8000.dbapi.connect(**said, sock=opened))


@trick_alone
def pg8000_reloaded(url: str) -> str:
    importlib.reload(pg8000.core)
    importlib.reload(pg8000.legacy)
    return tell(importlib.reload(pg8000.dbapi).connect(**parts(url)))


def _libpq() -> ctypes.CDLL:
    """Return the libpq that psycopg's wheel brings along."""
    home = Path(str(importlib.import_module("psycopg_binary").__file__)).parent
    for path in (home.parent / "psycopg_binary.libs").glob("libpq*"):
        return ctypes.CDLL(str(path))
    return ctypes.CDLL("libpq.so.5")


@trick
def libpq_by_ctypes(url: str) -> str:
    """Call libpq itself."""
    lib = _libpq()
    connect = lib.PQconnectdb
    return _told(lib, connect, url)


@trick
def libpq_by_ctypes_and_subscript(url: str) -> str:
    lib = _libpq()
    return _told(lib, lib["PQconnectdb"], url)


def _told(lib: ctypes.CDLL, connect: Any, url: str) -> str:
    for name in ("PQexec", "PQgetvalue"):
        getattr(lib, name).restype = ctypes.c_void_p
    connect.restype = ctypes.c_void_p
    pointer = connect(url.encode())
    lib.PQgetvalue.restype = ctypes.c_char_p
    result = lib.PQexec(ctypes.c_void_p(pointer), SAYS.encode())
    name = lib.PQgetvalue(ctypes.c_void_p(result), 0, 0)
    lib.PQfinish(ctypes.c_void_p(pointer))
    return str(name.decode())


@trick
def a_driver_that_is_not_held(url: str) -> str:
    psqlpy: Any = importlib.import_module("psqlpy")

    async def connected() -> str:
        connection = await psqlpy.connect(dsn=url)
        rows = (await connection.fetch(f"SELECT ({SAYS})::text AS name")).result()
        connection.close()
        return str(rows[0]["name"])

    return awaited(connected())
