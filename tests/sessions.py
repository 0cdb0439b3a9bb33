"""Database sessions outside of the test process, which is held to the default tier of this repository.

Tests look at the databases of their sandboxes through these: one process, started in the environment of
`tests/outside.py`, has all of them, each in a thread of its own. Run as a program, this file is that process.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Query = str | bytes | sql.Composable

Row = tuple[Any, ...]
T = TypeVar("T")
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a statement returned, all of it."""

    rows: list[Row] | None
    rowcount: int

    def fetchall(self) -> list[Row]:
        assert self.rows is not None, "the statement returned no rows"
        return self.rows

    def fetchone(self) -> Row | None:
        return next(iter(self.fetchall()), None)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchall())


class Session:
    """A psycopg connection in the other process. Its errors are raised here as they were raised there."""

    def __init__(self, way: Connection, conninfo: str, parameters: Mapping[str, Any]) -> None:
        self._way, self._lock, self.closed = way, threading.Lock(), False
        self.backend_pid: int = self._do("start", conninfo, parameters)

    def execute(self, query: Query, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> Result:
        rows, rowcount = self._do("execute", query, parameters)
        return Result(rows=rows, rowcount=rowcount)

    def copy(self, statement: Query, data: bytes) -> None:
        """Send data to a `COPY ... FROM STDIN`."""
        self._do("copy", statement, data)

    def commit(self) -> None:
        self._do("commit")

    def rollback(self) -> None:
        self._do("rollback")

    def close(self) -> None:
        if not self.closed:
            self._do("close")
            self._way.close()
            self.closed = True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction or savepoint of its own."""
        self._do("enter")
        try:
            yield
        except BaseException as error:
            self._do("leave", failed=True)
            raise error from None
        self._do("leave", failed=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Commit, or roll back after an error, and close, as psycopg does."""
        if self.closed:
            return
        if kind is None:
            self.commit()
        else:
            with suppress(Exception):  # the block's own error is what counts
                self.rollback()
        self.close()

    def _do(self, verb: str, *arguments: Any, **options: Any) -> Any:
        with self._lock:
            self._way.send((verb, arguments, options))
            failed, answer = self._way.recv()
        if failed:
            raise answer
        return answer


def open_session(conninfo: str, environ: Mapping[str, str], **parameters: Any) -> Session:
    """Return a session; the process that has it is started when it is first needed."""
    return Session(_process(environ).way(), conninfo, parameters)


def call(environ: Mapping[str, str], function: Callable[..., T], *arguments: Any) -> T:
    """Return what a function of ours returns over there. Nothing that it imports may import pytest."""
    way = _process(environ).way()
    try:
        way.send(("call", (function.__module__, function.__name__, arguments), {}))
        failed, answer = way.recv()
    finally:
        way.close()
    if failed:
        raise answer
    return cast(T, answer)


def _process(environ: Mapping[str, str]) -> _Process:
    with _starting:
        if not _running:
            _running.append(_Process(environ))
        return _running[0]


class _Process:
    """The other process. It ends when its standard input closes, and so with this one whatever happens."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dbtasks-sessions-"))
        self.address = str(self.folder / "way")
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__, self.address],
            env={**environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            cwd="/",  # in no project
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()  # it listens
        atexit.register(self.end)

    def way(self) -> Connection:
        way: Connection = Client(self.address, "AF_UNIX")
        return way

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(_PATIENCE_S)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_starting = threading.Lock()
_running: list[_Process] = []


class _Served:
    """One session on the other side."""

    def __init__(self, way: Connection) -> None:
        self.way = way
        self.connection: psycopg.Connection[Row] | None = None
        self.blocks: list[Any] = []

    def serve(self) -> None:
        with suppress(EOFError, OSError):  # the test is over
            while True:
                verb, arguments, options = self.way.recv()
                try:
                    answer = (False, getattr(self, verb)(*arguments, **options))
                except Exception as error:
                    answer = (True, error)
                self.way.send(answer)
        if self.connection is not None:
            self.connection.close()

    def start(self, conninfo: str, parameters: dict[str, Any]) -> int:
        import psycopg

        self.connection = psycopg.connect(conninfo, **parameters)
        return self.connection.info.backend_pid

    def execute(self, query: Any, parameters: Any) -> tuple[list[Row] | None, int]:
        cursor = self.its.execute(query, parameters)
        return (cursor.fetchall() if cursor.description else None), cursor.rowcount

    def copy(self, statement: Any, data: bytes) -> None:
        with self.its.cursor().copy(statement) as stream:
            stream.write(data)

    def call(self, module: str, function: str, arguments: tuple[Any, ...]) -> Any:
        return getattr(import_module(module), function)(*arguments)

    def commit(self) -> None:
        self.its.commit()

    def rollback(self) -> None:
        self.its.rollback()

    def close(self) -> None:
        self.its.close()

    def enter(self) -> None:
        self.blocks.append(self.its.transaction())
        self.blocks[-1].__enter__()

    def leave(self, *, failed: bool) -> None:
        error = RuntimeError("the block failed") if failed else None
        self.blocks.pop().__exit__(type(error) if error else None, error, None)

    @property
    def its(self) -> Any:
        return self.connection


def main(address: str) -> None:
    """Serve sessions until standard input closes."""
    listener = Listener(address, "AF_UNIX")
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    print("listening", flush=True)  # noqa: T201
    sys.stdin.read()


def _accept(listener: Listener) -> None:
    while True:
        way = listener.accept()
        threading.Thread(target=_Served(way).serve, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
