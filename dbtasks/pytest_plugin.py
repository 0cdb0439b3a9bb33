"""The pin as pytest sees it: the default tier is made ready before any conftest is read, and the header says where
tests run.

pytest finds this module by its entry point; `dbtasks.pin` has joined it by then, where no option can take it out.
"""

from __future__ import annotations

import argparse
import enum
import os
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from dbtasks.pin import PIN, driver, project_around

# What pytest does without running a test, by the names of its options.
_TELLING = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")
_COLLECTING = ("collectonly", "setupplan")


class Wanted(enum.Enum):
    """What a run of pytest needs of the database."""

    NOTHING = enum.auto()
    WHAT_IS_THERE = enum.auto()
    WHAT_IS_BUILT = enum.auto()
    UP_TO_DATE = enum.auto()


def join(manager: pytest.PytestPluginManager) -> None:
    """Register our plugin, once, under a name that nobody can have put after `-p no:`."""
    if not any(isinstance(plugin, Pinned) for plugin in manager.get_plugins()):
        manager.register(Pinned(), name=f"dbtasks pin {secrets.token_hex(8)}")


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Join where the entry point is installed and `dbtasks.pth` is not."""
    join(pluginmanager)


@pytest.fixture(scope="session")
def database_url() -> str:
    """The URL of the database that tests run on, with its password."""
    if not PIN.url:
        pytest.fail("dbtasks: this run has no database; the header says why", pytrace=False)
    return PIN.url


class Pinned:
    """The plugin itself. In a folder without `config/tiers.yaml` it does nothing."""

    def __init__(self) -> None:
        self.wanted = Wanted.NOTHING
        self.told = ""  # what the header says of the database
        self.database_url = database_url  # also where `-p no:dbtasks` has taken the module out

    # Before anything of the project runs

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        text = "whether dbtasks builds the default tier's database, or brings it up to date, before the tests"
        parser.addini("dbtasks_build", text, type="bool", default=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> Generator[None, object, object]:
        self.pin(early_config)
        # The controller of pytest-xdist has made the database ready for its workers.
        if self.wanted is not Wanted.NOTHING and "PYTEST_XDIST_WORKER" not in os.environ:
            self.make_ready()
        return (yield)

    def pin(self, config: pytest.Config) -> None:
        """Pin this process to the project at hand. UsageError with what is wrong in its settings."""
        options = config.known_args_namespace
        root = next((root for start in _starts(config, options) if (root := project_around(start))), "")
        if root and root != PIN.root:
            PIN.hold(root)
        if not PIN.root:
            return
        self.wanted = _wanted(options, build=config.getini("dbtasks_build"))
        if PIN.problem is not None and self.wanted is not Wanted.NOTHING:
            raise pytest.UsageError(_sentence(PIN.problem))

    def make_ready(self) -> None:
        """Make the default tier ready and lead every variable to it. UsageError with why that cannot be."""
        # Late, and dear: other projects in the same virtual environment never get here.
        from dbtasks import readiness
        from dbtasks.console import Console
        from dbtasks.errors import DbtasksError
        from dbtasks.project import open_project

        try:
            project = open_project(Path(PIN.root))
            if self.wanted is Wanted.WHAT_IS_THERE and not readiness.is_at_hand(project):
                return
            may_build = self.wanted is Wanted.UP_TO_DATE
            ready = readiness.make_ready(project, Console()) if may_build else readiness.let_in(project)
        except DbtasksError as error:
            if self.wanted is Wanted.UP_TO_DATE:
                raise pytest.UsageError(_sentence(error)) from None
            self.told = f"no database: {_sentence(error).splitlines()[0]}"
            return
        except KeyboardInterrupt:  # pytest catches it only later
            raise SystemExit(130) from None
        names = PIN.names.others if PIN.names else ()
        values = {name: project.variables.get(name) for name in names}
        PIN.point(ready.url, {name: driver(value.text) for name, value in values.items() if value is not None})
        self.told = f"tests run on [{ready.label}] {ready.masked}"

    # While tests run

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        # Not ready, and no worker of pytest-xdist either: its variable was set by somebody else.
        if self.wanted is Wanted.UP_TO_DATE and not self.told and not hasattr(session.config, "workerinput"):
            self.make_ready()

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_header(self) -> str | None:
        return f"dbtasks: {self._said()}" if self.told else None

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if PIN.ignored and self.told and not terminalreporter.showheader:  # -q has hidden the header
            terminalreporter.write_line(f"dbtasks: {self._said()}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        PIN.again()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        value = yield
        if fixturedef.scope != "function":  # what a single test does to its environment is its own affair
            PIN.again()
        return value

    def _said(self) -> str:
        flags = ", ".join(f"{name}={value}" for name, value in PIN.ignored.items())
        return f"{self.told} ({flags} {'are' if len(PIN.ignored) > 1 else 'is'} ignored here)" if flags else self.told


def _starts(config: pytest.Config, options: argparse.Namespace) -> tuple[str, ...]:
    """Return where to look for the project: pytest's root, the working directory, and what was asked to run."""
    asked = [str(word).split("::", 1)[0] for word in getattr(options, "file_or_dir", None) or ()]
    return (str(config.rootpath), str(config.invocation_params.dir), *asked)


def _wanted(options: argparse.Namespace, *, build: bool) -> Wanted:
    if any(getattr(options, name, False) for name in _TELLING):
        return Wanted.NOTHING
    if any(getattr(options, name, False) for name in _COLLECTING):
        return Wanted.WHAT_IS_THERE
    return Wanted.UP_TO_DATE if build else Wanted.WHAT_IS_BUILT


def _sentence(error: Exception) -> str:
    """Return an error as people may read it."""
    from dbtasks.conninfo import mask_exception
    from dbtasks.errors import DbtasksError

    return f"dbtasks: {error}" if isinstance(error, DbtasksError) else f"dbtasks: {mask_exception(error)}"
