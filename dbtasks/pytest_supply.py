"""The databases of one process of pytest: the clone that its tests run on, and those of single tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbtasks.pin import PIN

if TYPE_CHECKING:
    from dbtasks.testing import Database, Databases
    from dbtasks.testing.ahead import Ahead

# The fixtures of single tests.
LENT = ("fresh_database", "empty_database")


class Supply:
    """What the fixtures are filled from. `kept` are the names of those that a failed test leaves behind."""

    def __init__(self) -> None:
        self.databases: Databases | None = None
        self.clone: Database | None = None
        self.kept: set[str] = set()
        self._before = ""  # where the variables led, which a session inside of another's test gives back
        self._ahead: dict[str, Ahead] = {}

    def open(self) -> Databases:
        """Return what makes databases; where it is not at hand this process is let in now. Raises what that raises."""
        if self.databases is None:
            from dbtasks.project import open_project
            from dbtasks.testing import Databases
            from dbtasks.testing.way_in import let_in

            self.databases = Databases(let_in(open_project(Path(PIN.root))))
        return self.databases

    def own(self) -> Database:
        """Return this process's clone, to which every variable leads from now on."""
        if self.clone is None:
            self.clone = self.open().clone()
            self._before = PIN.url
            PIN.point(self.clone.url, {})
        return self.clone

    @contextmanager
    def lend(self, fixture: str) -> Iterator[Database]:
        """Lend a database to one test. It is dropped afterwards, unless it is kept."""
        ahead = self._of(fixture)
        database = ahead.take()
        yield database
        if database.name not in self.kept:
            ahead.drop(database)

    def expect(self, items: Iterable[pytest.Item]) -> None:
        """Start making what these tests will ask for."""
        asked = [name for item in items for name in LENT if name in getattr(item, "fixturenames", ())]
        for fixture in set(asked):
            self._of(fixture).expect(asked.count(fixture))

    def close(self) -> None:
        """Drop everything but what is kept, and what workers left that were killed."""
        for ahead in self._ahead.values():
            ahead.close()
        if self.clone is not None and self.clone.url == PIN.url:
            PIN.point(self._before, {})
        made, self.databases = self.databases, None
        if made is None:
            return
        try:
            for name in self.kept:
                made.keep(name)
            if self.clone is None:
                made.sweep()
        finally:
            made.close()

    def _of(self, fixture: str) -> Ahead:
        if fixture not in self._ahead:
            from dbtasks.testing.ahead import Ahead

            made = self.open()
            self._ahead[fixture] = Ahead(made.clone if fixture == "fresh_database" else made.empty)
        return self._ahead[fixture]


SUPPLY = pytest.StashKey[Supply]()
