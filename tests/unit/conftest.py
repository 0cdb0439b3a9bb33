"""Unit tests open no socket: whatever connects, in this process and through the socket module, fails at once."""

from __future__ import annotations

import socket
from typing import Any, NoReturn

import psycopg
import pytest


def refuse(*address: Any, **_: Any) -> NoReturn:
    """Fail the test that is running."""
    pytest.fail(f"a unit test connects to {address}: it belongs into tests/server")


@pytest.fixture(autouse=True)
def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing connect, unix sockets included. pytest-xdist talks to its workers through pipes."""
    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(psycopg.generators, "connect", refuse)  # libpq does not use Python's sockets
