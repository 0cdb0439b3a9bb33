"""The worker's gate: a connection of its own that holds the database's migration lock while anything runs.

Part of the worker: standard library only, and whichever driver the project has.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

_POLL_S = 0.1


class LockTimeout(Exception):  # noqa: N818 - it is reported, not raised to a person
    """The lock was not free in time; the text names who holds it."""


class Gate:
    """A connection in autocommit mode, over one function that runs a statement and returns its rows."""

    def __init__(self, run: Callable[[str], list[Any]]) -> None:
        self.run = run

    def text(self, statement: str) -> str | None:
        """Return the first column of the first row."""
        rows = self.run(statement)
        return str(rows[0][0]) if rows else None

    def texts(self, statement: str) -> list[str]:
        """Return the first column of every row."""
        return [str(row[0]) for row in self.run(statement)]


def open_gate(driver: str, parameters: Mapping[str, Any]) -> Gate:
    """Return a gate over `parameters` as libpq names them, through the first driver that can be imported."""
    for name in dict.fromkeys([driver, *_OPENERS]):
        if name in _OPENERS:
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            return Gate(_OPENERS[name](module, dict(parameters)))
    raise ImportError("none of psycopg, psycopg2 and asyncpg can be imported by this Python")


def hold(gate: Gate, sql: Mapping[str, str], wait_s: float, waiting: Callable[[str], None]) -> None:
    """Take the database's migration lock and see the last statement of an earlier worker end, both within `wait_s`.

    `waiting` is called once, with the holder. `LockTimeout` names the holder.
    """
    end = time.monotonic() + wait_s
    told = False
    for take, holder in (("take_gate", "gate_holder"), ("take_statements", "statements_holder")):
        while gate.text(sql[take]) != "true":
            name = gate.text(sql[holder]) or "somebody who has just gone"
            if time.monotonic() >= end:
                raise LockTimeout(name)
            if not told:
                waiting(name)
                told = True
            time.sleep(_POLL_S)
    gate.run(sql["release_statements"])


def _open_psycopg(module: Any, parameters: dict[str, Any]) -> Callable[[str], list[Any]]:
    connection = module.connect(autocommit=True, **parameters)

    def run(statement: str) -> list[Any]:
        cursor = connection.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []

    return run


def _open_psycopg2(module: Any, parameters: dict[str, Any]) -> Callable[[str], list[Any]]:
    connection = module.connect(**parameters)
    connection.autocommit = True

    def run(statement: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    return run


def _open_asyncpg(module: Any, parameters: dict[str, Any]) -> Callable[[str], list[Any]]:
    # A loop of its own in a thread of its own: env.py may be inside another loop when the gate is asked something.
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    parameters["database"] = parameters.pop("dbname")
    parameters["ssl"] = parameters.pop("sslmode", None)
    known = {key: value for key, value in parameters.items() if key in ("host", "port", "user", "password", "ssl")}
    opening = module.connect(database=parameters["database"], **known)
    connection = asyncio.run_coroutine_threadsafe(_awaited(opening), loop).result()

    def run(statement: str) -> list[Any]:
        return list(asyncio.run_coroutine_threadsafe(connection.fetch(statement), loop).result())

    return run


async def _awaited(opening: Any) -> Any:
    return await opening


_OPENERS: dict[str, Callable[[Any, dict[str, Any]], Callable[[str], list[Any]]]] = {
    "psycopg": _open_psycopg,
    "psycopg2": _open_psycopg2,
    "asyncpg": _open_asyncpg,
}
