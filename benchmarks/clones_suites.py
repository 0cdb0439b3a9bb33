"""Suites of tests that each use a database of their own, run by pytest: by our fixtures, and by pytest-postgresql's.

A suite tells how long its tests took from the end of the first one, which pays for what is built once, to the end of
the process's clean-up: what a fixture does behind the tests' back counts.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measured import scrubbed
from benchmarks.reset_places import Place
from benchmarks.reset_project import Generated

TESTS = 31

_CLOCK = '''\
"""Measures the suite; see benchmarks/clones_suites.py."""

import time
from pathlib import Path

import pytest

moments = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish():
    moments.append(time.perf_counter())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_unconfigure():
    yield
    if len(moments) > 1:
        Path("taken").write_text(str((time.perf_counter() - moments[0]) / (len(moments) - 1)))
'''

_TEST = """\
import time

import pytest


@pytest.mark.parametrize("turn", range({tests}))
def test_it({fixture}, turn):
    connection = {connect}
    connection.execute("INSERT INTO part_01 (id, name) VALUES (8000000, 'mine')")
    connection.commit()
    time.sleep({seconds})
    {close}
"""

# Of pytest-postgresql: its template is filled once, by psql, with the dump of ours.
_THEIRS = """\
import subprocess

from pytest_postgresql import factories


def fill(*, host, port, user, dbname, password, **_):
    place = ["-h", host, "-p", str(port), "-U", user, "-d", dbname]
    command = [{psql!r}, "-qX", "-v", "ON_ERROR_STOP=1", "-f", {dump!r}, *place]
    subprocess.run(command, check=True, env={{"PGPASSWORD": password}}, stdout=subprocess.DEVNULL)


server = factories.postgresql_noproc(
    host={host!r}, port={port}, user={user!r}, password={password!r}, dbname="theirs", load=[fill]
)
theirs = factories.postgresql("server")
"""

# The fixture, how a test gets its connection, and what it does with it in the end.
_OURS = {
    "fresh_database": ("fresh_database.connect()", "connection.close()"),
    "db": ("db", "pass"),
}


class Suites:
    """The suites on one server. Each is run in a folder of its own; ours are in the project's."""

    def __init__(self, place: Place, made: Generated, folder: Path) -> None:
        self.place, self.made = place, made
        self.theirs = folder
        folder.mkdir(parents=True)
        dump = folder / "dump.sql"
        program = place.psql.with_name("pg_dump")
        subprocess.run([program, "-N", "dbtasks", "-f", dump, place.url(made.database)], check=True)
        url = urlsplit(place.base_url)
        fixture = _THEIRS.format(
            psql=str(place.psql),
            dump=str(dump),
            host=url.hostname,
            port=url.port,
            user=url.username,
            password=url.password,
        )
        (folder / "conftest.py").write_text(_CLOCK + fixture)
        (made.root / "conftest.py").write_text(_CLOCK)

    def ours(self, fixture: str, seconds: float) -> float:
        """Return the milliseconds of one test with a fixture of ours."""
        connect, close = _OURS[fixture]
        return self._run(self.made.root, (fixture, connect, close), seconds)

    def pytest_postgresql(self, seconds: float) -> float:
        """Return the milliseconds of one test with pytest-postgresql's."""
        return self._run(self.theirs, ("theirs", "theirs", "pass"), seconds)

    def _run(self, folder: Path, words: Iterable[str], seconds: float) -> float:
        fixture, connect, close = words
        text = _TEST.format(tests=TESTS, fixture=fixture, connect=connect, close=close, seconds=seconds)
        (folder / "test_it.py").write_text(text)
        environ = scrubbed() | {"test_database_url": self.place.url(self.made.database)}
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", str(folder)]
        command = [sys.executable, "-m", "pytest", *options, "test_it.py"]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
        return float((folder / "taken").read_text()) * 1000
