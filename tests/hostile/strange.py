"""A driver that nobody knows: just enough of the protocol to log in and ask one question, by raw sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from typing import Any

apilevel, threadsafety, paramstyle = "2.0", 1, "format"
going_to: dict[str, Any] = {}


class Error(Exception):
    """Anything."""


InterfaceError = DatabaseError = OperationalError = ProgrammingError = Error
IntegrityError = DataError = InternalError = NotSupportedError = Error


class Connection:
    """A session; it is its own cursor."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.socket = socket.create_connection((said["host"], said["port"]))
        self.stream = self.socket.makefile("rb")
        self.rows: list[tuple[str, ...]] = []
        pairs = f"user\0{said['user']}\0database\0{said['database']}\0\0".encode()
        self.socket.sendall(struct.pack("!ii", 8 + len(pairs), 196608) + pairs)
        self._authenticate(said["password"])
        self._answers()

    def _send(self, kind: bytes, body: bytes) -> None:
        self.socket.sendall(kind + struct.pack("!i", 4 + len(body)) + body)

    def _read(self) -> tuple[bytes, bytes]:
        kind, length = struct.unpack("!ci", self.stream.read(5))
        body = self.stream.read(length - 4)
        if kind == b"E":
            raise Error(body)
        return kind, body

    def _authenticate(self, password: str) -> None:
        self._read()
        nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        first = f"n=,r={nonce}"
        data = f"n,,{first}".encode()
        self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(data)) + data)
        challenge = self._read()[1][4:].decode()
        said = dict(part.split("=", 1) for part in challenge.split(","))
        last = f"c=biws,r={said['r']}"
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(said["s"]), int(said["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{challenge},{last}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        self._send(b"p", f"{last},p={proof}".encode())

    def _answers(self) -> None:
        while True:
            kind, body = self._read()
            if kind == b"D":
                (length,) = struct.unpack("!i", body[2:6])
                self.rows.append((body[6 : 6 + length].decode(),))
            if kind == b"Z":
                return

    def cursor(self, *_: Any) -> Connection:
        return self

    def execute(self, statement: str, _parameters: object = None) -> None:
        self.rows = []
        self._send(b"Q", statement.encode() + b"\0")
        self._answers()

    def fetchone(self) -> tuple[str, ...]:
        return self.rows[0]

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def connect(*_: Any, **__: Any) -> Connection:
    return Connection(going_to)
