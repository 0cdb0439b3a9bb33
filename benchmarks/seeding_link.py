"""A link of a given delay: a relay that hands every byte on after half a round trip, in both directions."""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BLOCK_BYTES = 1 << 18


@contextmanager
def link(port: int, round_trip_s: float) -> Iterator[int]:
    """Run a relay to a local port, and yield its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, port, round_trip_s / 2), daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


def _accept(listener: socket.socket, port: int, delay_s: float) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", port))
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_relay, args=(client, server, delay_s), daemon=True).start()


def _relay(client: socket.socket, server: socket.socket, delay_s: float) -> None:
    other = {client: server, server: client}
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    number = 0
    with client, server, selectors.DefaultSelector() as selector:
        for one in other:
            selector.register(one, selectors.EVENT_READ)
        while True:
            timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            for key, _ in selector.select(timeout):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                data = source.recv(_BLOCK_BYTES)
                if not data:
                    return
                number += 1
                heapq.heappush(waiting, (time.monotonic() + delay_s, number, other[source], data))
            while waiting and waiting[0][0] <= time.monotonic():
                *_, target, data = heapq.heappop(waiting)
                target.sendall(data)
