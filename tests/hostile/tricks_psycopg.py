"""psycopg 3: every layer, from `connect` down to the functions of libpq."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from typing import Any

import psycopg
import psycopg.crdb
import psycopg.generators
import psycopg.pq
import psycopg_pool
from psycopg import waiting
from psycopg.conninfo import make_conninfo
from tricks import SAYS, awaited, in_python, libpq, tell, tell_libpq, trick, trick_alone


@trick
def psycopg_connect(url: str) -> str:
    return tell(psycopg.connect(url))


@trick
def psycopg_keywords(url: str) -> str:
    return tell(psycopg.connect(**libpq(url)))


@trick
def psycopg_class(url: str) -> str:
    return tell(psycopg.Connection.connect(url, autocommit=True))


@trick
def psycopg_subclass(url: str) -> str:
    class Mine(psycopg.Connection[Any]):
        @classmethod
        def _get_connection_params(cls, conninfo: str, **options: Any) -> Any:
            return super()._get_connection_params(conninfo and url, **options)

    return tell(Mine.connect("host=127.0.0.1 dbname=somewhere"))


@trick
def psycopg_cockroach(url: str) -> str:
    return tell(psycopg.crdb.CrdbConnection.connect(url))


async def _async(url: str) -> str:
    connection = await psycopg.AsyncConnection.connect(url)
    row = await (await connection.execute(SAYS.encode())).fetchone()
    await connection.close()
    assert row is not None
    return str(row[0])


@trick
def psycopg_async(url: str) -> str:
    return awaited(_async(url))


@trick
def psycopg_many_at_once(url: str) -> str:
    async def many() -> str:
        return (await asyncio.gather(*(_async(url) for _ in range(5))))[0]

    return awaited(many())


@trick
def psycopg_in_a_thread(url: str) -> str:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(tell(psycopg.connect(url)))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return str(found[0])


@trick
def psycopg_generators(url: str) -> str:
    steps = psycopg.generators.connect(make_conninfo(url))
    return tell_libpq(waiting.wait_conn(steps, interval=0.1))


@trick
def psycopg_generators_in_python(url: str) -> str:
    steps = vars(psycopg.generators)["_connect"](make_conninfo(url))
    return tell_libpq(waiting.wait_conn(steps, interval=0.1))


@trick
def psycopg_connect_gen(url: str) -> str:
    steps = psycopg.Connection._connect_gen(make_conninfo(url))
    return tell(waiting.wait_conn(steps, interval=0.1))


@trick
def psycopg_generators_in_c(url: str) -> str:
    module: Any = importlib.import_module("psycopg_binary._psycopg")
    return tell_libpq(waiting.wait_conn(module.connect(make_conninfo(url)), interval=0.1))


@trick
def pgconn_connect(url: str) -> str:
    return tell_libpq(psycopg.pq.PGconn.connect(url.encode()))


@trick
def pgconn_connect_start(url: str) -> str:
    pgconn = psycopg.pq.PGconn.connect_start(url.encode())
    while pgconn.connect_poll() != psycopg.pq.PollingStatus.OK:
        assert pgconn.status != psycopg.pq.ConnStatus.BAD, pgconn.get_error_message()
    return tell_libpq(pgconn)


@trick
def pgconn_of_c(url: str) -> str:
    module: Any = importlib.import_module("psycopg_binary.pq")
    return tell_libpq(module.PGconn.connect(url.encode()))


@trick
def pgconn_subclass(url: str) -> str:
    base: Any = psycopg.pq.PGconn

    class Mine(base):  # type: ignore[misc]  # which class it is is chosen at run time
        pass

    return tell_libpq(Mine.connect(url.encode()))


@trick
def pgconn_of_ctypes(url: str) -> str:
    module: Any = importlib.import_module("psycopg.pq.pq_ctypes")
    return tell_libpq(module.PGconn.connect(url.encode()))


@trick
def pgconn_of_ctypes_started(url: str) -> str:
    module: Any = importlib.import_module("psycopg.pq.pq_ctypes")
    pgconn = module.PGconn.connect_start(url.encode())
    while pgconn.connect_poll() != psycopg.pq.PollingStatus.OK:
        assert pgconn.status != psycopg.pq.ConnStatus.BAD, pgconn.get_error_message()
    return tell_libpq(pgconn)


@trick
def functions_of_ctypes(url: str) -> str:
    wrapped: Any = importlib.import_module("psycopg.pq.pq_ctypes")
    functions: Any = importlib.import_module("psycopg.pq._pq_ctypes")
    return tell_libpq(wrapped.PGconn(functions.PQconnectdb(url.encode())))


@trick
def functions_of_the_library_of_ctypes(url: str) -> str:
    wrapped: Any = importlib.import_module("psycopg.pq.pq_ctypes")
    functions: Any = importlib.import_module("psycopg.pq._pq_ctypes")
    return tell_libpq(wrapped.PGconn(functions.pq.PQconnectdb(url.encode())))


@trick
def psycopg_in_pure_python(url: str) -> str:
    return in_python("os.environ['PSYCOPG_IMPL'] = 'python'; import psycopg; print(tell(psycopg.connect(URL)))", url)


@trick
def psycopg_async_in_pure_python(url: str) -> str:
    code = "os.environ['PSYCOPG_IMPL'] = 'python'; from tricks_psycopg import *; print(awaited(_async(URL)))"
    return in_python(code.replace("_async(", "__import__('tricks_psycopg')._async("), url)


@trick
def psycopg_pool_of_threads(url: str) -> str:
    with psycopg_pool.ConnectionPool(url, min_size=1, timeout=20) as pool, pool.connection() as connection:
        row = connection.execute(SAYS.encode()).fetchone()
    assert row is not None
    return str(row[0])


@trick
def psycopg_pool_with_a_function(url: str) -> str:
    with psycopg_pool.ConnectionPool(lambda: url, min_size=1, timeout=20) as pool, pool.connection() as connection:
        row = connection.execute(SAYS.encode()).fetchone()
    assert row is not None
    return str(row[0])


@trick
def psycopg_null_pool(url: str) -> str:
    with psycopg_pool.NullConnectionPool(kwargs=libpq(url), timeout=20) as pool, pool.connection() as connection:
        row = connection.execute(SAYS.encode()).fetchone()
    assert row is not None
    return str(row[0])


@trick
def psycopg_async_pool(url: str) -> str:
    async def pooled() -> str:
        async with (
            psycopg_pool.AsyncConnectionPool(url, min_size=1, timeout=20, open=False) as pool,
            pool.connection() as connection,
        ):
            row = await (await connection.execute(SAYS.encode())).fetchone()
        assert row is not None
        return str(row[0])

    return awaited(pooled())


@trick_alone
def psycopg_reloaded(url: str) -> str:
    importlib.reload(psycopg.generators)
    importlib.reload(sys.modules["psycopg._connection_base"])
    return tell(importlib.reload(psycopg).connect(url))


@trick_alone
def psycopg_imported_again(url: str) -> str:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("psycopg", "psycopg_binary")]:
        del sys.modules[name]
    return tell(importlib.import_module("psycopg").connect(url))


@trick_alone
def psycopg_put_back(url: str) -> str:
    """Put what C has in the place of what was wrapped."""
    module: Any = importlib.import_module("psycopg_binary._psycopg")
    for value in vars(psycopg.generators).values():
        for cell in getattr(value, "__closure__", None) or ():
            if callable(cell.cell_contents):
                vars(psycopg.generators)["connect"] = vars(module)["connect"] = cell.cell_contents
    return tell(psycopg.connect(url))
