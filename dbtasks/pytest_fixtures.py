"""The fixtures: databases of their own for tests.

They are part of the pin's plugin, so that `-p no:dbtasks` does not take them out. Nothing here imports a driver before
a test asks for a database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from dbtasks.pin import PIN
from dbtasks.pytest_supply import SUPPLY

if TYPE_CHECKING:
    from dbtasks.testing import Database


@pytest.fixture(scope="session")
def database_url() -> str:
    """The URL of the database that tests run on, with its password."""
    if not PIN.url:
        pytest.fail("dbtasks: this run has no database; the header says why", pytrace=False)
    return PIN.url


@pytest.fixture(scope="session")
def int_database(request: pytest.FixtureRequest) -> Database:
    """This process's own clone of the default tier: what is committed in it stays for the tests after."""
    with _told():
        return request.config.stash[SUPPLY].own()


@pytest.fixture
def fresh_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of this test's own, as a reset of the default tier would build it."""
    with _lent(request, "fresh_database") as database:
        yield database


@pytest.fixture
def empty_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of this test's own that holds nothing but its stamp, for tests of migrations and loaders."""
    with _lent(request, "empty_database") as database:
        yield database


@contextmanager
def _lent(request: pytest.FixtureRequest, fixture: str) -> Iterator[Database]:
    with ExitStack() as stack:
        with _told():
            database = stack.enter_context(request.config.stash[SUPPLY].lend(fixture))
        yield database


@contextmanager
def _told() -> Iterator[None]:
    """End the test with a sentence instead of a traceback where no database can be made for it."""
    from dbtasks.errors import ClonesImpossibleError

    try:
        yield
    except ClonesImpossibleError as impossible:
        pytest.fail(f"dbtasks: {impossible}\nThe fixture database_url gives the tier's own database.", pytrace=False)
