"""Connections of looks that are kept for the next look at the same place: connecting costs more than looking does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import psycopg

from dbtasks.conninfo import Conninfo

Connection = psycopg.Connection[tuple[object, ...]]

_KEPT: ContextVar[dict[Conninfo, list[Connection]] | None] = ContextVar("kept", default=None)


@contextmanager
def keeping(*places: Conninfo) -> Iterator[None]:
    """Keep the connections of looks at these places while the block runs.

    Each look has a transaction and a snapshot of its own all the same. Nothing is to be kept while a person is asked,
    or something is written: by then the same address may lead elsewhere.
    """
    kept: dict[Conninfo, list[Connection]] = {place: [] for place in places}
    before = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(before)
        for idle_there in kept.values():
            for connection in idle_there:
                psycopg.Connection.close(connection)
        kept.clear()


def idle(conninfo: Conninfo) -> list[Connection] | None:
    """Return what is kept for a place just now; `None` where nothing is to be."""
    return (_KEPT.get() or {}).get(conninfo)


def give_back(connection: Connection, conninfo: Conninfo) -> None:
    """Close a connection, or keep it."""
    there = idle(conninfo)
    if there is None or connection.closed:
        psycopg.Connection.close(connection)
        return
    try:
        connection.rollback()
        there.append(connection)
    except psycopg.Error:
        psycopg.Connection.close(connection)
