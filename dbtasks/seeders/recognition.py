"""Which files need not be loaded, since their tables hold what they held right after the last time.

The manifest says what that was; here the server is asked whether it is so. An answer holds until something else of the
same load may have written to the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from dbtasks.seeders.catalogue import Table
from dbtasks.seeders.checksum import Held, held
from dbtasks.seeders.files import SeedFile
from dbtasks.seeders.manifest import Remembered
from dbtasks.seeders.statements import Query, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A file of which something is remembered, and its table."""

    file: SeedFile
    table: Table
    remembered: Remembered


@dataclass(slots=True, kw_only=True)
class Recognition:
    """`rounds` is how often the server may still be asked; `None` for as often as it takes."""

    known: dict[SeedFile, Known]
    rounds: int | None = None
    _unchanged: set[SeedFile] = field(default_factory=set)
    _asked: list[tuple[Known, Statement]] = field(default_factory=list)

    def of(self, file: SeedFile) -> Known | None:
        """Return what is known of a file, if nothing has been written since the server said that it is unchanged."""
        return self.known[file] if file in self._unchanged else None

    def questions(self, files: Iterable[SeedFile]) -> list[Statement]:
        """Return what to ask about those of the files that are known and undecided; nothing after the last time."""
        undecided = [self.known[file] for file in files if file in self.known and file not in self._unchanged]
        if not undecided or self.rounds == 0:
            return []
        if self.rounds is not None:
            self.rounds -= 1
        self._asked = [(one, Statement(query=_question(one))) for one in undecided]
        return [statement for _, statement in self._asked]

    def hear(self) -> None:
        """Take in the answers: what is not as it was is loaded like any other file."""
        for one, statement in self._asked:
            rows, checksum = statement.returned[0]
            if Held(rows=cast(int, rows), checksum=int(cast(int, checksum))) == one.remembered.held:
                self._unchanged.add(one.file)
            else:
                del self.known[one.file]
        self._asked.clear()

    def written(self, table: Table | None) -> None:
        """Forget the answers that may no longer hold, after a write to a table; `None` for who knows which."""
        if table is None or table.ripples:
            self._unchanged.clear()
        else:
            self._unchanged = {file for file in self._unchanged if self.known[file].table.oid != table.oid}


def _question(known: Known) -> Query:
    columns = [column for column in known.table.columns if column.name in known.remembered.hashed]
    return Query(text=held(known.table, columns))
