"""What holds for every test here."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

from tests import warm
from tests.outside_runs import pytest_runtest_logreport as pytest_runtest_logreport
from tests.outside_runs import pytest_runtest_protocol as pytest_runtest_protocol

collect_ignore = ["hostile"]  # tried in a sandbox: see server/test_reach.py

# The machine's load is no property of the code; a test that hangs ends by pytest-timeout.
hypothesis.settings.register_profile("dbtasks", deadline=None)
hypothesis.settings.load_profile("dbtasks")

# A worker takes a whole file, and one that takes a minute is not to be the last.
LONGEST_FIRST = (
    *("pin", "reach", "clones_pytest", "clones_held", "clones", "clones_at_once", "prod", "proof", "bad_input"),
    *("road_abroad", "rehearsal", "undo", "example_app", "schemas", "stock", "embedded", "drift_road", "road"),
    *("schemas_road", "counts", "kills", "losses"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start one worker more than there are cores: most tests wait for a process or a server half of the time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the files that share what is dear to one worker."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped] # it has no types

    class Together(LoadFileScheduling):  # type: ignore[misc] # as above
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "clones" if "/test_clones" in file else file

    return Together(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_configure(config: pytest.Config) -> None:
    """Before several workers run many tests, spare their processes what all of them would do again."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        config.option.loadscopereorder = False  # which puts the files of few tests last, and these are the long ones
        warm.up()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let pytest keep what it makes of these files for the next run: it takes as long as reading them does."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = before


@pytest.hookimpl(trylast=True)  # after pytest-randomly, whose order remains among the others
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first and those that start nothing last."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if "server" not in item.path.parts:
        return len(LONGEST_FIRST) + 1
    name = item.path.stem.removeprefix("test_")
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)
