# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2026.8"]
# ///
"""What must hold of this repository. `nox` runs everything, `nox -s tests -- -k guard` some tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # `uvx nox` runs this without dbtasks being installed
from dbtasks import nox_sessions  # it needs nothing but Nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
DEV = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev")
BROWSER = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "browser")
BENCH = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "bench")
TYPED = ("dbtasks", "noxfile.py", "tasks.py", "tests", "benchmarks", "migrations", "examples")

nox.needs_version = ">=2026.8"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False


def install(session: nox.Session) -> None:
    """Install this project and what its development needs. The group is read here: older pips know no `--group`."""
    session.install("-e", ".[embedded,nox]", *DEV)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, on INT and servers of their own, with each Python that is there."""
    install(session)
    nox_sessions.tests(session, "-n", "auto", "--dist", "loadfile")


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """SIGKILL of commands and servers at every statement, write and child, and at random; prints how many."""
    install(session)
    session.run("python", "-m", "tests.faults", *session.posargs, env=nox_sessions.scrubbed_env(session))
    nox_sessions.tests(session, "-m", "kills", "-s", "tests/server/test_kills.py")


@nox.session
def kills_quick(session: nox.Session) -> None:
    """The same at every fortieth point, in about three minutes on two cores."""
    install(session)
    options = ("--every=40", "--moments=10", *session.posargs)
    session.run("python", "-m", "tests.faults", *options, env=nox_sessions.scrubbed_env(session))


@nox.session
def thorough(session: nox.Session) -> None:
    """What the fast suite tries in part, whole: every sample, each way of a claim; a seventh of the guard's table."""
    install(session)
    nox_sessions.tests(session, "-m", "thorough and not pgbackrest", "-n", "auto", "--dist", "loadfile")


@nox.session(default=False)
def guard_table(session: nox.Session) -> None:
    """Every cell of the guard's table against the promises: some forty million, in about eight minutes."""
    install(session)
    nox_sessions.tests(session, "-m", "table", "-n", "auto", "tests/unit")


@nox.session(default=False)
def drill(session: nox.Session) -> None:
    """The drill, whole, and on packages that lack a layer each: it must tell which; some ten minutes on two cores."""
    install(session)
    nox_sessions.tests(session, "-m", "drill", "-n", "2", "tests/server/test_drill_layers.py")


@nox.session(default=False)
def public_projects(session: nox.Session) -> None:
    """Public projects from PyPI, each in its own environment, migrated through every tier; keeps the environments."""
    install(session)
    nox_sessions.tests(session, "-m", "public", "-n", "0", "tests/public")


@nox.session
def pgbackrest(session: nox.Session) -> None:
    """Backups and recovery by pgBackRest, which root gets by apt-get; `-- -m pgbackrest` has PROD's drill as well."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        session.skip("no PostgreSQL of the system's own below /usr/lib/postgresql, which pgBackRest would know")
    if not (shutil.which("pgbackrest") or _provided("pgbackrest")):
        session.skip("pgBackRest is not installed: apt-get install pgbackrest, which only root can do")
    install(session)
    options = ("-n", "auto", "--dist", "loadfile", "-o", "dbtasks_build=false")
    nox_sessions.tests(session, "-m", "pgbackrest and not thorough", *options, "tests/server")


@nox.session
def report(session: nox.Session) -> None:
    """The report in a real browser, which root gets by apt-get: no scrolling sideways, no request, nothing for axe."""
    if not (any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))) or _provided("chromium")):
        session.skip("no Chromium is installed: apt-get install chromium, which only root can do")
    install(session)
    session.install(*BROWSER)
    nox_sessions.tests(session, "-m", "browser", "-o", "dbtasks_build=false", "tests/server/test_report_browser.py")


def _provided(package: str) -> bool:
    """Return whether a package of the system's could be installed."""
    if not (shutil.which("apt-get") and os.geteuid() == 0):
        return False
    commands = (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "--yes", package])
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    codes = [subprocess.run(command, env=environ, check=False).returncode for command in commands]
    return codes[-1] == 0


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, and who may import whom."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, over everything that is Python here."""
    install(session)
    session.run("mypy", "--strict", *(name for name in TYPED if Path(name).exists()))


@nox.session
def docs(session: nox.Session) -> None:
    """The examples in docstrings, and that every task, setting and refusal has its page."""
    install(session)
    session.run("python", "tests/docs_check.py")
    options = ("--doctest-modules", "-o", "dbtasks_build=false")
    session.run("python", "-m", "pytest", *options, "dbtasks", env=nox_sessions.pinned_env(session))


@nox.session
def coverage(session: nox.Session) -> None:
    """Every branch of the core is taken by a unit test."""
    install(session)
    options = ("-p", "no:cacheprovider", "-o", "dbtasks_build=false")
    environ = nox_sessions.scrubbed_env(session)  # pytest's own import pins, once coverage is measuring
    session.run("coverage", "run", "-m", "pytest", "-q", *options, "tests/unit", *session.posargs, env=environ)
    session.run("coverage", "report")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The measurements, printed as a table; `-- --write` puts them into docs/performance.md."""
    install(session)
    session.install(*BENCH)
    session.run("python", "-m", "benchmarks", *session.posargs, env=nox_sessions.scrubbed_env(session))
