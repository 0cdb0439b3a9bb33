"""Where lies what several people must agree on: the server's database `dbtasks`, else the target's schema `dbtasks`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import LiteralString

from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, Tally, look, open_to_write
from dbtasks.errors import ServerUnreachableError
from dbtasks.guard import Clearance
from dbtasks.registry import COORDINATION

_THERE = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"


class Tightening(enum.Enum):
    """What is written without a clearance: it can only take away what somebody may do."""

    DISARMED = "disarmed"


_TIGHTENING: dict[Tightening, LiteralString] = {
    Tightening.DISARMED: """
UPDATE dbtasks.armed SET until = clock_timestamp()
 WHERE project = %(project)s AND tier = %(tier)s AND person = %(person)s AND until > clock_timestamp()
RETURNING host
""",
}


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


def tighten(conninfo: Conninfo, what: Tightening, values: Mapping[str, object]) -> list[tuple[object, ...]] | None:
    """Write one thing that tightens, and return its rows; `None`: the server has no database `dbtasks`.

    A tier's own database is not written to without a clearance, not even beside the stamp.
    """
    try:
        connection = open_to_write(Tally(), conninfo.with_database(COORDINATION))
    except ServerUnreachableError:
        with closing(look(conninfo)) as found:
            if _is_there(found):
                raise
        return None
    with connection:
        return connection.execute(_TIGHTENING[what], values).fetchall()


def _enter(connect: Callable[[Conninfo], Connection], conninfo: Conninfo) -> Connection:
    """Return a connection to where it lies. What is there and lets nobody in has no second place: an error."""
    try:
        return connect(conninfo.with_database(COORDINATION))
    except ServerUnreachableError:
        connection = connect(conninfo)
        if _is_there(connection):
            connection.close()
            raise
        return connection


def _is_there(connection: Connection) -> bool:
    return connection.execute(_THERE, [COORDINATION]).fetchone() != (False,)
