"""Where lies what several people must agree on: the server's database `dbtasks`, else the target's schema `dbtasks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, Tally, look, open_to_write
from dbtasks.errors import ServerUnreachableError
from dbtasks.guard import Clearance
from dbtasks.registry import COORDINATION

_THERE = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"


@contextmanager
def looking(conninfo: Conninfo) -> Iterator[Connection]:
    """Yield a read-only connection."""
    with closing(_enter(look, conninfo)) as connection:
        yield connection


@contextmanager
def writing(clearance: Clearance, conninfo: Conninfo) -> Iterator[Connection]:
    """Yield a connection for a cleared plan."""
    with _enter(lambda place: open_to_write(clearance, place), conninfo) as connection:
        yield connection


@contextmanager
def tightening(conninfo: Conninfo) -> Iterator[Connection | None]:
    """Yield a connection for what can only take away what somebody may do: that needs no clearance.

    `None`: the server has no database `dbtasks`, and a tier's own is not written to without one, not even beside the
    stamp.
    """
    try:
        connection = open_to_write(Tally(), conninfo.with_database(COORDINATION))
    except ServerUnreachableError:
        with closing(look(conninfo)) as found:
            if _is_there(found):
                raise
        yield None
        return
    with connection:
        yield connection


def _enter(connect: Callable[[Conninfo], Connection], conninfo: Conninfo) -> Connection:
    """Return a connection to where it lies. What is there and lets nobody in has no second place: an error."""
    try:
        return connect(conninfo.with_database(COORDINATION))
    except ServerUnreachableError:
        connection = connect(conninfo.as_login())
        if _is_there(connection):
            connection.close()
            raise
        return connection


def _is_there(connection: Connection) -> bool:
    return connection.execute(_THERE, [COORDINATION]).fetchone() != (False,)
