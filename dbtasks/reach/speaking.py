"""Code that speaks PostgreSQL's protocol itself, through Python's sockets: a driver nobody knows, a copy of one.

It says where it goes in its first packet (https://www.postgresql.org/docs/current/protocol-message-formats.html), or
asks for encryption before. Nobody could ask such a session for its stamp, so the server must be the default tier's own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from dbtasks.reach.door import DOOR, ground_of
from dbtasks.reach.ground import Why
from dbtasks.reach.inplace import is_marked, marked
from dbtasks.reach.wanted import Wanted, from_address, from_socket, place

_ENCRYPTION = {b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"\x00\x00\x00\x08\x04\xd2\x16\x30"}  # SSLRequest, GSSENCRequest
_VERSION = b"\x00\x03"
_LONGEST = 10_000
_judged: ContextVar[bool] = ContextVar("dbtasks_judged", default=False)
_addresses: dict[str, frozenset[str]] = {}


@contextmanager
def judged() -> Iterator[None]:
    """Let a driver speak whose text was judged, and whose session will be asked."""
    token = _judged.set(True)
    try:
        yield
    finally:
        _judged.reset(token)


def hold_sockets() -> None:
    """Look at what a socket sends first."""
    for name in ("send", "sendall"):
        original = getattr(socket.socket, name)
        if not is_marked(original):
            setattr(socket.socket, name, marked(_looking(original)))


def _looking(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(self: Any, data: Any, *flags: int) -> Any:
        __tracebackhide__ = True
        if data[4:6] == _VERSION or len(data) == 8:
            _judge(self, bytes(data))
        return original(self, data, *flags)

    return send


def _judge(speaker: Any, packet: bytes) -> None:
    __tracebackhide__ = True
    database = _database(packet)
    if database is None or _judged.get():
        return
    wanted = _peer(speaker, database)
    here = ground_of(DOOR.pin)
    own = wanted.place in _own_addresses(here.place)
    if not own or (database and not here.is_own(database)):
        DOOR.refuse(Why.RAW, wanted=wanted)


def _database(packet: bytes) -> str | None:
    """Return the database that a start-up packet names, empty for a request to encrypt, `None` for anything else."""
    if packet in _ENCRYPTION:
        return ""
    length = int.from_bytes(packet[:4], "big")
    if packet[4:6] != _VERSION or length != len(packet) or length > _LONGEST:
        return None
    words = packet[8:].split(b"\0")
    said = dict(zip(words[::2], words[1::2], strict=False))
    if b"user" not in said:
        return None
    return said.get(b"database", said[b"user"]).decode("utf-8", "replace")


def _peer(speaker: Any, database: str) -> Wanted:
    peer: Any = None
    with suppress(OSError):
        peer = speaker.getpeername()
    if isinstance(peer, (str, bytes)):
        return from_socket(peer, database)
    return from_address(peer[0], peer[1], database) if peer else from_address("", "", database)


def _own_addresses(own: str) -> frozenset[str]:
    """Return the spellings of the default tier's server, its host's addresses among them."""
    if own not in _addresses:
        host, _, port = own.rpartition(":")
        found = {own}
        if host and not host.startswith(("/", "@")):
            with suppress(OSError):
                answers = socket.getaddrinfo(host.strip("[]"), int(port), proto=socket.IPPROTO_TCP)
                found |= {place(str(answer[4][0]), port) for answer in answers}
        _addresses[own] = frozenset(found)
    return _addresses[own]
