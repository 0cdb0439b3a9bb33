"""asyncpg: every way in ends in one coroutine that opens one address, on any event loop."""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

from dbtasks.reach.door import DOOR
from dbtasks.reach.inplace import CannotHoldError, is_marked, marked, replace
from dbtasks.reach.speaking import judged
from dbtasks.reach.wanted import Wanted, from_address, from_socket

_INNER, _OUTER = "__connect_addr", "_connect_addr"  # the first since 0.25


def hold_connecting(module: ModuleType) -> None:
    """Hold the coroutine of `asyncpg.connect_utils`."""
    name = _INNER if hasattr(module, _INNER) else _OUTER
    original = vars(module)[name]
    if is_marked(original):
        return
    signature = inspect.signature(original)
    if not {"addr", "params"} <= set(signature.parameters):
        raise CannotHoldError("asyncpg connects in another way than is known")

    async def connect(*arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        said = signature.bind(*arguments, **options).arguments
        errand = DOOR.before(_wanted(said["addr"], said["params"]))
        with judged():
            connection = await original(*arguments, **options)
        pid = connection.get_server_pid()
        if DOOR.knows(errand, pid):
            return connection
        try:
            DOOR.after(errand, await _answer(connection), pid)
        except BaseException:
            connection.terminate()
            raise
        return connection

    vars(module)[name] = marked(connect)


def hold_protocol(module: ModuleType) -> None:
    """Judge the text of a protocol that somebody puts on a transport of their own."""
    protocol = module.Protocol
    original = protocol.__init__
    if is_marked(original):
        return

    def begin(self: Any, addr: Any, connected: Any, params: Any, *arguments: Any, **options: Any) -> None:
        __tracebackhide__ = True
        DOOR.before(_wanted(addr, params))
        original(self, addr, connected, params, *arguments, **options)

    replace(protocol, "__init__", marked(begin))


def _wanted(addr: Any, params: Any) -> Wanted:
    settings = params.server_settings or {}
    replication = settings.get("replication")
    # What is said twice in a start-up packet counts as it was said last.
    database = settings.get("database", params.database)
    if isinstance(addr, (str, bytes)):
        return from_socket(os.fsdecode(addr), database, replication=replication)
    return from_address(addr[0], addr[1], database, replication=replication)


async def _answer(connection: Any) -> object:
    try:
        answer = await import_module("asyncpg").Connection.fetchval(connection, DOOR.question)
    except Exception as error:
        if not hasattr(error, "sqlstate"):  # it is not the server that says so
            raise
        return None
    with suppress(AttributeError):  # else our statement stays prepared
        connection._drop_local_statement_cache()
    return answer
