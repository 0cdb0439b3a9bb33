"""What Python tells before it happens (https://docs.python.org/3/library/audit_events.html): the ways around a driver.

A socket to a server that is known to be another tier's is refused, and so is libpq by ctypes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from dbtasks.reach.door import DOOR, ground_of
from dbtasks.reach.ground import Why
from dbtasks.reach.speaking import hold_sockets
from dbtasks.reach.wanted import Wanted, place

_CONNECTS = ("PQconnect", "PQsetdb")
_HOME = "psycopg.pq._pq_ctypes"  # psycopg looks its functions up while this module is loaded; they are held then


def hear(event: str, arguments: Sequence[Any]) -> None:
    """Raise RefusedError where the event is a way around."""
    __tracebackhide__ = True
    if event == "socket.connect":
        hold_sockets()
        _judge(_address(arguments[1]))
    elif event == "socket.getaddrinfo":
        _judge((arguments[0], arguments[1]))
    else:  # ctypes.dlsym
        name = arguments[1]
        if isinstance(name, str) and name.startswith(_CONNECTS) and not _is_psycopgs_own():
            DOOR.refuse(Why.BYPASS, driver=name)


def _judge(address: tuple[Any, Any] | None) -> None:
    __tracebackhide__ = True
    if address is None or not DOOR.pin.elsewhere:
        return
    host = address[0].decode("utf-8", "replace") if isinstance(address[0], bytes) else str(address[0] or "")
    where, here = place(host, str(address[1])), ground_of(DOOR.pin)
    if where in here.elsewhere and where != here.place and where not in here.entered:
        wanted = Wanted(host=host, port=str(address[1]), database="")
        DOOR.refuse(Why.OTHER_TIERS_SERVER, wanted=wanted)


def _address(address: Any) -> tuple[Any, Any] | None:
    return (address[0], address[1]) if isinstance(address, tuple) and len(address) >= 2 else None


def _is_psycopgs_own() -> bool:
    module = sys.modules.get(_HOME)
    return module is not None and bool(getattr(module.__spec__, "_initializing", False))
