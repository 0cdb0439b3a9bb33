"""One seed file as groups of rows, ready to be filled into its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dbtasks.errors import SeedError
from dbtasks.seeders import csv_file
from dbtasks.seeders.catalogue import Catalogue, Table
from dbtasks.seeders.days import Days
from dbtasks.seeders.files import Mode, RowFormat, Source
from dbtasks.seeders.order import Order
from dbtasks.seeders.shapes import Documents, Group, Shape, Sorter
from dbtasks.seeders.statements import Watch


@dataclass(slots=True, kw_only=True)
class FileReader:
    """Reads one file for one table."""

    source: Source
    form: RowFormat
    table: Table
    catalogue: Catalogue
    sorter: Sorter = field(init=False)

    def __post_init__(self) -> None:
        self.sorter = Sorter(source=self.source, form=self.form, table=self.table, catalogue=self.catalogue)

    def groups(self, plan: Order, mode: Mode) -> list[Group]:
        """Return the file's rows by shape; `SeedError` with everything that can be seen without the server."""
        sorted_rows = list(self.sorter.sort(self.form.records(self.source)))
        late = self._late(plan, itself=self._needs_itself([shape for shape, _ in sorted_rows]))
        groups = [self._group(shape, documents, late, mode) for shape, documents in sorted_rows]
        found = [group for group in groups if group is not None]
        self.sorter.check_keys(found)
        return found

    def copied(self, plan: Order, mode: Mode) -> tuple[Group, tuple[str, ...]]:
        """Return a CSV file as one group that is copied as it is, and its columns in the order of the file."""
        names = csv_file.header(self.source)
        columns = self.sorter.columns(names, 0)
        group = None
        if columns is not None:
            group = self._group(Shape(columns=columns), (), self._late(plan, itself=False), mode, copied=True)
        if group is None:
            raise SeedError(self.sorter.mistakes)
        return group, names

    def _group(
        self, shape: Shape, documents: Documents, late: frozenset[str], mode: Mode, *, copied: bool = False
    ) -> Group | None:
        number = documents[0][0] if documents else 0
        key = self.sorter.key(shape, number)
        if key is None:
            return None
        mine = late & {column.name for column in shape.given}
        if stuck := sorted(mine.intersection(key.columns)):
            text = "this column tells rows apart, so it cannot be filled in after the table that it refers to."
            self.sorter.note(text, number, stuck[0])
        return Group(
            source=self.source,
            form=self.form,
            table=self.table,
            shape=shape,
            key=key,
            mode=mode,
            late=mine,
            values_are_text=self.source.file.format == "csv",
            copied=copied,
            documents=documents,
        )

    def _late(self, plan: Order, *, itself: bool) -> frozenset[str]:
        """Return the columns to fill in at the end; those that refer to the table itself only where they must."""
        keys = [key for key in plan.late if key.table == self.table.oid and (itself or key.target != self.table.oid)]
        return frozenset(name for key in keys for name in self.table.nullable(key))

    def _needs_itself(self, shapes: Sequence[Shape]) -> bool:
        """Return whether the rows come in several statements, or look up rows that come with them."""
        return len(shapes) > 1 or any(
            reference.target.oid == self.table.oid for shape in shapes for reference in shape.references
        )


def watch(groups: Sequence[Group]) -> Watch | None:
    """Return what to look at to know a file's table again, `None` where its rows may mean something else each time."""
    first = groups[0]
    table, mode = first.table, first.mode
    if table.rules or any(group.late for group in groups):
        return None
    given = {column.name for group in groups for column in group.shape.given}
    referring = {reference.column.name for group in groups for reference in group.shape.references}
    wanted = given if mode is Mode.MATCH else {name for group in groups for name in group.key.columns}
    hashed = tuple(column for column in table.columns if column.name in wanted)
    if referring & wanted or (any(column.dated for column in hashed) and _dated(groups)):
        return None
    columns = tuple(column for column in table.columns if column.name in given)
    return Watch(source=first.source, table=table, mode=mode, given=columns, hashed=hashed)


def _dated(groups: Sequence[Group]) -> bool:
    days = Days()
    for group in groups:
        for _, text in group.documents:
            days.feed(text.encode())
    return days.found
