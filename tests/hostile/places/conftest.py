"""Places of a test run other than a test: each tries to reach the victims."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from attempts import attempt

attempt("conftest, imported")
atexit.register(attempt, "atexit")
threading.Thread(target=attempt, args=("a thread of a conftest",)).start()


def pytest_configure() -> None:
    attempt("pytest_configure")


def pytest_collection_finish() -> None:
    attempt("pytest_collection_finish")


@pytest.fixture(scope="session", autouse=True)
def session() -> Iterator[None]:
    attempt("a session's fixture")
    yield
    attempt("a session's fixture, at its end")


def pytest_unconfigure() -> None:
    attempt("pytest_unconfigure")
