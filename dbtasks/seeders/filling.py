"""Which statements fill a table from a group of rows, and in which order they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dbtasks.errors import Mistake
from dbtasks.seeders.batch import Batch
from dbtasks.seeders.checksum import held
from dbtasks.seeders.files import Mode
from dbtasks.seeders.merging import merge
from dbtasks.seeders.queries import (
    create_stage,
    drop_stage,
    fill_stage,
    forget_present,
    insert,
    rows_in_parameter,
    rows_in_stage,
    unresolved,
    update,
    without_key,
)
from dbtasks.seeders.shapes import Documents, Group, Reference, identifies
from dbtasks.seeders.statements import Purpose, Query, Rows, Statement, Watch

_CHUNK_CHARACTERS = 1 << 20
_MOST_DIRECT_CHARACTERS = 4 << 20


@dataclass(slots=True, kw_only=True)
class Filling:
    """Writes statements into a batch and remembers what must be completed when all tables have their rows."""

    batch: Batch
    given: dict[int, set[str]] = field(default_factory=dict)
    every: list[Rows] = field(default_factory=list)
    _late: list[Rows] = field(default_factory=list)
    _stages: list[str] = field(default_factory=list)
    _checks: list[tuple[Statement, tuple[Reference, ...]]] = field(default_factory=list)

    def fill(self, group: Group, watch: Watch | None) -> None:
        """Send a group's rows: in the statement itself, or through a table of their own where they are used twice."""
        size = sum(len(text) for _, text in group.documents)
        twice = group.late or group.shape.references or (group.table.rules and group.mode is Mode.MATCH)
        if not twice and size <= _MOST_DIRECT_CHARACTERS:
            rows = rows_in_parameter(group, group.documents)
            self._remember(rows)
            self._bring(rows, watch, group.documents)
            return
        stage = self.stage(group)
        for chunk in _chunks(group.documents):
            rows = rows_in_parameter(group, chunk)
            self._add(fill_stage(rows, stage), Purpose.OTHER, rows, chunk)
        self.from_stage(group, stage, watch)

    def stage(self, group: Group) -> str:
        """Create a temporary table for the group's rows, and return its name."""
        name = f"dbtasks_seed_{len(self._stages)}"
        self._stages.append(name)
        self.batch.other(create_stage(group, name))
        return name

    def from_stage(self, group: Group, stage: str, watch: Watch | None) -> None:
        """Bring what lies in the temporary table into the group's table."""
        rows = rows_in_stage(group, stage)
        self._remember(rows)
        if group.copied and not identifies(group.table, group.key):
            self._check(without_key(rows), Purpose.KEYLESS, rows)
        now = tuple(one for one in group.shape.references if one.column.name not in group.late)
        if now:
            missing = group.mode is Mode.MISSING
            self._check(unresolved(rows, now, only_absent=missing), Purpose.UNRESOLVED, rows, now)
        if not group.late:
            self._bring(rows, watch)
            return
        if group.mode is Mode.MATCH:
            names = {column.name for column in group.shape.given} - group.late
            self._add_update(rows, names, Purpose.CHANGE)
        else:
            self.batch.other(forget_present(rows, stage))
        open_ = replace(rows, hold=group.late)
        self._add(insert(open_), Purpose.ADD, open_)
        self._late.append(rows)

    def _bring(self, rows: Rows, watch: Watch | None, documents: Documents = ()) -> None:
        """Add and change rows in one statement, or in two, which is all that a table with rules can do."""
        group = rows.group
        if not group.table.rules:
            query = merge(rows, watch.hashed if watch else ())
            merged = Statement(query=query, purpose=Purpose.MERGE, rows=rows, documents=documents, bounded=merge)
            merged.watch = watch
            self.batch.add(merged)
            return
        if group.mode is Mode.MATCH:
            self._add_update(rows, {column.name for column in group.shape.given}, Purpose.CHANGE)
        self._add(insert(rows), Purpose.ADD, rows, documents)

    def look(self, watch: Watch) -> None:
        """Ask what a table holds into which a file has just been copied whole."""
        self.batch.add(Statement(query=Query(text=held(watch.table, watch.hashed)), watch=watch))

    def complete(self) -> bool:
        """Fill in the columns that had to wait for other tables; return whether there were any."""
        waited_for = bool(self._late)
        for rows in self._late:
            group = rows.group
            waited = tuple(one for one in group.shape.references if one.column.name in group.late)
            if waited:
                self._check(unresolved(rows, waited, only_absent=False), Purpose.UNRESOLVED, rows, waited)
            self._add_update(rows, group.late, Purpose.OTHER)
        self._late.clear()
        return waited_for

    def clear(self) -> None:
        """Drop the temporary tables."""
        for stage in self._stages:
            self.batch.other(drop_stage(stage))
        self._stages.clear()

    def count_given(self, group: Group) -> None:
        """Note which columns of a table were given, for its sequences."""
        names = {column.name for column in group.shape.given}
        self.given.setdefault(group.table.oid, set()).update(names)

    def complaints(self) -> list[Mistake]:
        """Return the rows whose references lead nowhere, or that have no key, as far as statements have run."""
        mistakes: list[Mistake] = []
        for statement, references in self._checks:
            if statement.rows is None:
                continue
            group = statement.rows.group
            for number, *empty in statement.returned:
                row = number if isinstance(number, int) else None
                if statement.purpose is Purpose.KEYLESS:
                    name = group.key.columns[0]
                    text = f"a value is required in ({', '.join(group.key.columns)}), which tells rows apart."
                    mistakes.append(group.mistake(text, row, name))
                mistakes += [
                    _leads_nowhere(group, row, one)
                    for one, is_empty in zip(references, empty, strict=False)
                    if is_empty
                ]
        return mistakes

    def _remember(self, rows: Rows) -> None:
        self.count_given(rows.group)
        self.every.append(rows)

    def _add(self, query: Query, purpose: Purpose, rows: Rows, documents: Documents = ()) -> None:
        bounded = insert if purpose is Purpose.ADD else None
        self.batch.add(Statement(query=query, purpose=purpose, rows=rows, documents=documents, bounded=bounded))

    def _add_update(self, rows: Rows, names: frozenset[str] | set[str], purpose: Purpose) -> None:
        query = update(rows, names)
        if query is not None:
            bounded = _Update(names=frozenset(names))
            self.batch.add(Statement(query=query, purpose=purpose, rows=rows, bounded=bounded))

    def _check(self, query: Query, purpose: Purpose, rows: Rows, references: tuple[Reference, ...] = ()) -> None:
        statement = Statement(query=query, purpose=purpose, rows=rows)
        self._checks.append((statement, references))
        self.batch.add(statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Update:
    """The same update for fewer rows."""

    names: frozenset[str]

    def __call__(self, rows: Rows) -> Query:
        query = update(rows, self.names)
        assert query is not None  # noqa: S101  # the same columns made the first one
        return query


def _chunks(documents: Documents) -> Iterator[Documents]:
    chunk: list[tuple[int, str]] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document[1])
        if size >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _leads_nowhere(group: Group, number: int | None, reference: Reference) -> Mistake:
    by = ", ".join(column.name for column in reference.by)
    return group.mistake(f"no row of {reference.target} has the {by} asked for.", number, reference.column.name)
