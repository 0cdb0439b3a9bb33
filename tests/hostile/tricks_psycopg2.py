"""psycopg2: its functions, its types, its pools, its replication, and what C has of them."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
from tricks import SAYS, libpq, tell, trick, trick_alone

C: Any = importlib.import_module("psycopg2._psycopg")
Connection: Any = psycopg2.extensions.connection


@trick
def psycopg2_connect(url: str) -> str:
    return tell(psycopg2.connect(url))


@trick
def psycopg2_keywords(url: str) -> str:
    return tell(psycopg2.connect(**libpq(url)))


@trick
def psycopg2_function_of_c(url: str) -> str:
    return tell(C._connect(url))


@trick
def psycopg2_function_of_the_package(url: str) -> str:
    return tell(vars(psycopg2)["_connect"](url))


@trick
def psycopg2_type(url: str) -> str:
    return tell(psycopg2.extensions.connection(url))


class Plain(Connection):  # type: ignore[misc]  # psycopg2 has no types
    """As many projects have one."""


class Own(Connection):  # type: ignore[misc]  # as above
    """One that takes something else than a dsn."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__(settings["dsn"])


class Direct(Connection):  # type: ignore[misc]  # as above
    """One that calls the type of C itself."""

    def __init__(self, dsn: str, *_: object) -> None:
        C.connection.__init__(self, dsn)


@trick
def psycopg2_subclass(url: str) -> str:
    return tell(Plain(url))


@trick
def psycopg2_subclass_with_settings(url: str) -> str:
    return tell(Own({"dsn": url}))


@trick
def psycopg2_subclass_by_c(url: str) -> str:
    return tell(Direct(url))


@trick
def psycopg2_factory(url: str) -> str:
    return tell(psycopg2.connect(url, connection_factory=Plain))


@trick
def psycopg2_factory_that_is_a_function(url: str) -> str:
    return tell(psycopg2.connect("dbname=somewhere", connection_factory=lambda *_: C.connection(url)))


@trick
def psycopg2_logging(url: str) -> str:
    connection = psycopg2.connect(url, connection_factory=psycopg2.extras.LoggingConnection)
    connection.initialize(sys.stderr)
    return tell(connection)


@trick
def psycopg2_asynchronous(url: str) -> str:
    connection = psycopg2.connect(url, async_=True)
    psycopg2.extras.wait_select(connection)
    cursor = connection.cursor()
    cursor.execute(SAYS)
    psycopg2.extras.wait_select(connection)
    (name,) = cursor.fetchone()
    connection.close()
    return str(name)


@trick_alone
def psycopg2_connected_again(url: str) -> str:
    """Lead a session that was let in to another place. psycopg2 forgets to close the first one."""
    from tricks import victims

    connection = psycopg2.connect(victims()["int"])
    connection.__init__(url)
    return tell(connection)


@trick
def psycopg2_pool(url: str) -> str:
    pool = psycopg2.pool.SimpleConnectionPool(1, 2, url)
    return tell(pool.getconn())


@trick
def psycopg2_threaded_pool(url: str) -> str:
    pool = psycopg2.pool.ThreadedConnectionPool(1, 2, **libpq(url))
    return tell(pool.getconn())


@trick
def psycopg2_logical_replication(url: str) -> str:
    connection = psycopg2.connect(url, connection_factory=psycopg2.extras.LogicalReplicationConnection)
    return tell(connection)


@trick
def psycopg2_physical_replication(url: str) -> str:
    """Stream a whole server. It speaks no SQL, so the server's word for itself must do."""
    connection = psycopg2.connect(url, connection_factory=psycopg2.extras.PhysicalReplicationConnection)
    cursor = connection.cursor()
    cursor.execute("IDENTIFY_SYSTEM")
    assert cursor.fetchone()
    connection.close()
    return str(libpq(url)["dbname"])


@trick
def psycopg2_replication_type(url: str) -> str:
    return tell(C.ReplicationConnection(url, replication_type=C.REPLICATION_LOGICAL))


@trick_alone
def psycopg2_reloaded(url: str) -> str:
    importlib.reload(sys.modules["psycopg2.extensions"])
    return tell(importlib.reload(psycopg2).connect(url))


@trick_alone
def psycopg2_imported_again(url: str) -> str:
    for name in [name for name in sys.modules if name.partition(".")[0] == "psycopg2"]:
        del sys.modules[name]
    return tell(importlib.import_module("psycopg2").connect(url))


@trick_alone
def psycopg2_module_of_c_again(url: str) -> str:
    del sys.modules["psycopg2._psycopg"]
    module: Any = importlib.import_module("psycopg2._psycopg")
    return tell(module._connect(url))
