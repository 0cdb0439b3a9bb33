"""Databases for tests, with pytest or without: clones of what a reset builds, and empty ones.

    with dbtasks.testing.databases() as made:
        clone = made.clone()
        with clone.connect() as connection:
            ...

Each is registered on its server before it is made and dropped when the block ends. What a killed process leaves is
dropped by the next one that makes any. Only the default tier's server is ever touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbtasks.errors import ClonesImpossibleError
from dbtasks.project import open_project
from dbtasks.testing.clones import Database, Databases
from dbtasks.testing.way_in import let_in

__all__ = ["ClonesImpossibleError", "Database", "Databases", "databases"]


@contextmanager
def databases(start: str | Path | None = None, *, keep: bool = False) -> Iterator[Databases]:
    """Yield what makes databases for the tests of one process, and drop them all as the block ends, however it ends.

    `start` is a folder in the project; by default the working directory. `keep` leaves the databases on the server
    for some days instead, to be looked at. Raises ClonesImpossibleError where the server gives no right to make any.
    """
    made = Databases(let_in(open_project(start)))
    try:
        made.sweep()
        yield made
    finally:
        made.close(keep=keep)
