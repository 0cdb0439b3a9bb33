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
from typing import TYPE_CHECKING, Any

import pytest

from dbtasks import pytest_fixture_db, pytest_fixtures, pytest_fixtures_held, pytest_keeping, pytest_masking
from dbtasks.pin import PIN, driver, project_around
from dbtasks.pytest_supply import SUPPLY, Supply

if TYPE_CHECKING:
    from dbtasks.project import Project
    from dbtasks.readiness import Ready
    from dbtasks.testing.way_in import WayIn

# What pytest does without running a test, by the names of its options.
_TELLING = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")
_COLLECTING = ("collectonly", "setupplan")
_ALONE = "Workers that share one database would disturb each other. Run the tests in one process: pytest -n 0"


class Wanted(enum.Enum):
    """What a run of pytest needs of the database."""

    NOTHING = enum.auto()
    WHAT_IS_THERE = enum.auto()
    WHAT_IS_BUILT = enum.auto()
    UP_TO_DATE = enum.auto()


def join(manager: pytest.PytestPluginManager) -> None:
    """Register our plugin, once, under names that nobody can have put after `-p no:`."""
    if not any(isinstance(plugin, Pinned) for plugin in manager.get_plugins()):
        manager.register(Pinned(), name=f"dbtasks pin {secrets.token_hex(8)}")
        for module in (pytest_keeping, pytest_masking):
            manager.register(module, name=f"{module.__name__} {secrets.token_hex(8)}")


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Join where the entry point is installed and `dbtasks.pth` is not."""
    join(pluginmanager)


class Pinned:
    """The plugin itself. In a folder without `config/tiers.yaml` it does nothing."""

    def __init__(self) -> None:
        self.wanted = Wanted.NOTHING
        self.told = ""  # what the header says of the database
        self.refused = ""  # why no clone can be made
        self.supply = Supply()

    # Before anything of the project runs

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        text = "whether dbtasks builds the default tier's database, or brings it up to date, before the tests"
        parser.addini("dbtasks_build", text, type="bool", default=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> Generator[None, object, object]:
        early_config.stash[SUPPLY] = self.supply
        self.pin(early_config)
        _offer_fixtures(early_config.pluginmanager)
        if self.wanted is not Wanted.NOTHING:
            self.make_ready(hands_on=_distributes(early_config.known_args_namespace))
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

    def make_ready(self, *, hands_on: bool = False) -> None:
        """Make the default tier ready and lead every variable to a clone of it. UsageError with why that cannot be.

        `hands_on`: the tests run in workers of pytest-xdist, each of which takes a clone of its own.
        """
        # Late, and dear: other projects in the same virtual environment never get here.
        from dbtasks import readiness
        from dbtasks.errors import DbtasksError
        from dbtasks.project import open_project

        try:
            project = open_project(Path(PIN.root))
            if self.wanted is Wanted.WHAT_IS_THERE and not readiness.is_at_hand(project):
                return
            if self.wanted is not Wanted.UP_TO_DATE:
                self._use(project, readiness.let_in(project))
                return
            self._use(project, (way_in := self._way_in(project)).ready)
            self._clone(way_in, hands_on=hands_on)
        except DbtasksError as error:
            if self.wanted is Wanted.UP_TO_DATE:
                raise pytest.UsageError(_sentence(error)) from None
            self.told = f"no database: {_sentence(error).splitlines()[0]}"
            return
        except KeyboardInterrupt:  # pytest catches it only later
            raise SystemExit(130) from None

    def _way_in(self, project: Project) -> WayIn:
        from dbtasks import readiness
        from dbtasks.console import Console
        from dbtasks.testing.way_in import WayIn, let_in

        # The controller of pytest-xdist has made the tier ready for its workers, and said so.
        if "PYTEST_XDIST_WORKER" in os.environ:
            return let_in(project)
        console = Console()
        ready = readiness.make_ready(project, console, readiness.PURPOSE)
        return WayIn(project=project, ready=ready, console=console)

    def _use(self, project: Project, ready: Ready) -> None:
        """Lead every variable to the default tier itself."""
        names = PIN.names.others if PIN.names else ()
        values = {name: project.variables.get(name) for name in names}
        PIN.point(ready.url, {name: driver(value.text) for name, value in values.items() if value is not None})
        self.told = f"tests run on [{ready.label}] {ready.masked}"

    def _clone(self, way_in: WayIn, *, hands_on: bool) -> None:
        """Lead every variable to a clone of this process's own, where clones can be made."""
        from dbtasks.testing import ClonesImpossibleError, Databases

        ready, made = way_in.ready, Databases(way_in)
        try:
            made.sweep()
        except ClonesImpossibleError as impossible:
            self.told, self.refused = f"{self.told} itself: {impossible.reason}", str(impossible)
            return
        self.supply.databases = made
        if hands_on:
            made.template()
            self.told = f"each worker runs on a clone of its own of [{ready.label}] {ready.masked}"
            return
        self.supply.own()
        self.told = f"tests run on a clone of [{ready.label}] {ready.masked}"

    # While tests run

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        if self.wanted is not Wanted.UP_TO_DATE or self.supply.clone is not None:
            return
        workers = _workers(session.config.option)
        if self.refused and workers > 1:
            raise pytest.UsageError(f"dbtasks: {self.refused}\n{_ALONE}")
        if not self.refused and not workers:  # they were asked for, and something else has taken them back
            self.make_ready()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self.supply.clone is not None and not session.config.option.collectonly:
            self.supply.expect(session.items)

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

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        # Workers of pytest-xdist that are not done ten seconds after they said so are killed: before they say so, then.
        if "PYTEST_XDIST_WORKER" in os.environ:
            self._end()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self._end()

    def _end(self) -> None:
        from dbtasks.errors import DbtasksError

        try:
            self.supply.close()
        except DbtasksError as error:
            from dbtasks.console import Console  # late: most runs have nothing to say, in most folders none ever

            Console().say(f"! {_sentence(error)}\n  What is left of this run goes with the next one.")

    def _said(self) -> str:
        flags = ", ".join(f"{name}={value}" for name, value in PIN.ignored.items())
        return f"{self.told} ({flags} {'are' if len(PIN.ignored) > 1 else 'is'} ignored here)" if flags else self.told


def _offer_fixtures(manager: pytest.PytestPluginManager) -> None:
    """Register the fixtures, in a project alone: elsewhere their names are free."""
    if not PIN.root:
        return
    modules = [pytest_fixtures, pytest_fixtures_held]
    if not manager.hasplugin("django"):
        modules.append(pytest_fixture_db)
    for module in modules:
        if not manager.is_registered(module):
            manager.register(module, name=f"dbtasks fixtures {secrets.token_hex(8)}")


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


def _distributes(options: argparse.Namespace) -> bool:
    """Whether pytest-xdist will run the tests in workers, as far as the command line tells."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return False
    return bool(getattr(options, "numprocesses", None)) or bool(getattr(options, "tx", None))


def _workers(options: argparse.Namespace) -> int:
    """Return how many processes pytest-xdist will run tests in, once it has made up its mind; 0 for this one."""
    if getattr(options, "dist", "no") == "no":
        return 0
    counts = (spec.partition("*")[0] for spec in getattr(options, "tx", None) or ())
    return sum(int(count) if count.isdigit() else 1 for count in counts)


def _sentence(error: Exception) -> str:
    """Return an error as people may read it."""
    from dbtasks.conninfo import mask_exception
    from dbtasks.errors import DbtasksError

    return f"dbtasks: {error}" if isinstance(error, DbtasksError) else f"dbtasks: {mask_exception(error)}"
