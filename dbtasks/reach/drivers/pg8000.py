"""pg8000: every connection is a `CoreConnection`, which is Python's own and asks for itself."""

from __future__ import annotations

import inspect
import struct
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

from dbtasks.reach.door import DOOR
from dbtasks.reach.ground import Why
from dbtasks.reach.inplace import is_marked, marked
from dbtasks.reach.speaking import judged
from dbtasks.reach.wanted import Wanted, from_address, from_socket


def hold_core(module: ModuleType) -> None:
    """Hold the class that makes the connection in its `__init__`."""
    core = module.CoreConnection
    original = core.__init__
    if is_marked(original):
        return
    signature = inspect.signature(original)

    def begin(self: Any, *arguments: Any, **options: Any) -> None:
        __tracebackhide__ = True
        call = signature.bind(self, *arguments, **options)
        call.apply_defaults()
        errand = DOOR.before(_wanted(call.arguments))
        with judged():
            original(self, *arguments, **options)
        key = self._backend_key_data
        pid = struct.unpack("!i", key[:4])[0] if key else 0
        if DOOR.knows(errand, pid):
            return
        try:
            DOOR.after(errand, _answer(self), pid)
        except BaseException:
            core.close(self)
            raise

    core.__init__ = marked(begin)


def _wanted(said: dict[str, Any]) -> Wanted:
    """Return where a call goes. A socket that was opened before tells the place itself."""
    __tracebackhide__ = True
    replication, database = said.get("replication"), said.get("database") or said.get("user")
    sock = said.get("sock")
    if said.get("unix_sock") is not None:
        return from_socket(said["unix_sock"], database, replication=replication)
    if sock is None:
        return from_address(said.get("host"), said.get("port"), database, replication=replication)
    peer: Any = None
    with suppress(OSError, AttributeError):
        peer = sock.getpeername()
    if isinstance(peer, (str, bytes)):
        return from_socket(peer, database, replication=replication)
    if not peer:
        DOOR.refuse(Why.UNREADABLE)
    return from_address(peer[0], peer[1], database, replication=replication)


def _answer(connection: Any) -> object:
    try:
        rows = connection.execute_simple(DOOR.question).rows
    except import_module("pg8000.exceptions").Error:
        return None
    return rows[0][0] if rows else None
