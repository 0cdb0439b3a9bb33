"""What loading seeds did, as values."""

from __future__ import annotations

from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a table is. `rows_total` is `None` while a large file streams and nobody has counted it."""

    set: str
    table: str
    rows_done: int
    rows_total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult:
    """`kept` rows were there already and stay as they are; `changed` ones were made to follow the file.

    `recognised` says that the table holds what it held after the same file was loaded, so that nothing was sent.
    """

    set: str
    table: str
    added: int
    changed: int
    kept: int
    recognised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """One result a table, in the order in which tables were filled."""

    tables: tuple[TableResult, ...]

    @property
    def added(self) -> int:
        return sum(table.added for table in self.tables)

    @property
    def changed(self) -> int:
        return sum(table.changed for table in self.tables)

    @property
    def kept(self) -> int:
        return sum(table.kept for table in self.tables)
