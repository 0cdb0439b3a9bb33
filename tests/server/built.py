"""The full example, built once for all tests of databases for tests: their files run in one process, see conftest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

import pytest

from dbtasks import embedded
from dbtasks.database import Inspection
from tests import outside
from tests.outside import Finished, Sandbox, environment, sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A sandbox whose INT is built, and the way to its server."""

    box: Sandbox
    server: embedded.Server

    def python(self, code: str) -> Finished:
        return self.box.python(f"import dbtasks.testing\n{dedent(code)}")

    def start(self, code: str) -> subprocess.Popen[str]:
        """Start Python and return once it has said so."""
        process = subprocess.Popen(
            [sys.executable, "-c", f"import dbtasks.testing\n{dedent(code)}"],
            cwd=self.box.root,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def sql(self, statement: str, database: str = "dbtasks") -> list[tuple[object, ...]]:
        conninfo = self.server.conninfo(database)
        with outside.connect(conninfo.url(Inspection()), autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def clones(self) -> set[object]:
        """Return the names of what tests have made, and hold the server to having what is registered, and no more."""
        registered = self.sql("SELECT name, kind FROM dbtasks.registry")
        there = {name for (name,) in self.sql("SELECT datname FROM pg_database WHERE datname LIKE 'dbtasks\\_%'")}
        assert {name for name, kind in registered if kind != "live"} == there
        return {name for name, kind in registered if kind in ("clone", "building")}


@pytest.fixture(scope="session")
def built() -> Iterator[Built]:
    with sandbox() as box:
        assert box.run("invoke", "reset").code == 0
        yield Built(box=box, server=embedded.ensure(box.root, embedded.Kind.THROWAWAY))
