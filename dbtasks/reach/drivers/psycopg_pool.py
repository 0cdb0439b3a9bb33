"""psycopg's pools connect in workers of their own, which try again for minutes: the refusal must reach who waits.

So one connection is tried before the workers start, and a refusal later on is handed to every waiting client.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from dbtasks.errors import RefusedError
from dbtasks.reach.inplace import is_marked, marked

_PATIENCE_S = 5
# Of `connect`, and no parameters of the connection itself.
_OF_PYTHON = frozenset({"autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory"})


def hold_pool(module: ModuleType) -> None:
    """Hold the opening and the connecting of `ConnectionPool`, and so of what is derived from it."""
    pool = module.ConnectionPool
    if is_marked(vars(pool)["_open"]):
        return
    original = pool._connect

    def _connect(self: Any, *arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        try:
            return original(self, *arguments, **options)
        except RefusedError as refusal:
            for client in tuple(self._waiting):
                client.fail(refusal)
            raise

    pool._open, pool._connect = marked(_trying(pool._open)), marked(_connect)


def hold_async_pool(module: ModuleType) -> None:
    """Hold `AsyncConnectionPool` likewise."""
    pool = module.AsyncConnectionPool
    if is_marked(vars(pool)["_open"]):
        return
    original = pool._connect

    async def _connect(self: Any, *arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        try:
            return await original(self, *arguments, **options)
        except RefusedError as refusal:
            for client in tuple(self._waiting):
                await client.fail(refusal)
            raise

    pool._open, pool._connect = marked(_trying(pool._open)), marked(_connect)


def _trying(begin: Any) -> Any:
    def _open(self: Any) -> None:
        __tracebackhide__ = True
        if self._closed and not callable(self.conninfo) and not callable(self.kwargs):
            _try(self.conninfo or "", self.kwargs or {})
        begin(self)

    return _open


def _try(conninfo: str, options: dict[str, Any]) -> None:
    __tracebackhide__ = True
    psycopg = import_module("psycopg")
    said = {name: value for name, value in options.items() if name not in _OF_PYTHON}
    try:
        if "connect_timeout" not in psycopg.conninfo.conninfo_to_dict(conninfo, **said):
            said["connect_timeout"] = _PATIENCE_S
        psycopg.Connection.connect(conninfo, **said).close()
    except psycopg.Error:
        pass  # for the pool to say
