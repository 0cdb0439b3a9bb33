"""The fixtures: databases of their own for tests.

They are part of the pin's plugin, so that `-p no:dbtasks` does not take them out. Nothing here imports a driver before
a test asks for a database.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbtasks.pin import PIN

if TYPE_CHECKING:
    from dbtasks.testing import Database, Databases


class Supply:
    """What one process of pytest has: the clone that its tests run on, and what makes more databases."""

    def __init__(self) -> None:
        self.databases: Databases | None = None
        self.clone: Database | None = None

    def open(self) -> Databases:
        """Return what makes databases, which is let in when a test first asks. Raises what the road raises."""
        if self.databases is None:
            from dbtasks.testing import Databases
            from dbtasks.testing.way_in import let_in

            self.databases = Databases(let_in(Path(PIN.root)))
        return self.databases

    def close(self) -> None:
        """Drop everything."""
        if self.databases is not None:
            self.databases.close()


SUPPLY = pytest.StashKey[Supply]()


@pytest.fixture(scope="session")
def database_url() -> str:
    """The URL of the database that tests run on, with its password."""
    if not PIN.url:
        pytest.fail("dbtasks: this run has no database; the header says why", pytrace=False)
    return PIN.url


@pytest.fixture(scope="session")
def int_database(request: pytest.FixtureRequest) -> Database:
    """This process's own clone of the default tier: what is committed in it stays for the tests after."""
    supply = request.config.stash[SUPPLY]
    if supply.clone is None:
        supply.clone = supply.open().clone()
        PIN.point(supply.clone.url, {})
    return supply.clone


@pytest.fixture
def fresh_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of this test's own, as a reset of the default tier would build it."""
    database = request.config.stash[SUPPLY].open().clone()
    yield database
    database.drop()


@pytest.fixture
def empty_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of this test's own that holds nothing but its stamp, for tests of migrations and loaders."""
    database = request.config.stash[SUPPLY].open().empty()
    yield database
    database.drop()
