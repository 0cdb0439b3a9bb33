"""One load under way: set by set, table by table in the order of the foreign keys, in few round trips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from psycopg import sql

from dbtasks.errors import Mistake, SeedError
from dbtasks.seeders import catalogue as catalogue_of
from dbtasks.seeders import diagnosis, losses, scripts, sizes, straight
from dbtasks.seeders.batch import Batch, Connection, StatementFailedError
from dbtasks.seeders.catalogue import Catalogue, Table
from dbtasks.seeders.checksum import Held
from dbtasks.seeders.copying import Copy
from dbtasks.seeders.days import Days
from dbtasks.seeders.files import RowFormat, SeedFile, Seeds, Source
from dbtasks.seeders.filling import Filling
from dbtasks.seeders.folder import nearest
from dbtasks.seeders.manifest import Manifest, worth_it
from dbtasks.seeders.order import CycleError, Order, order
from dbtasks.seeders.phrases import sentence
from dbtasks.seeders.queries import constraints, forward
from dbtasks.seeders.reading import FileReader, watch
from dbtasks.seeders.recognition import Known, Recognition
from dbtasks.seeders.results import LoadResult, Progress, TableResult
from dbtasks.seeders.shapes import Group
from dbtasks.seeders.sql_file import Script
from dbtasks.seeders.statements import Purpose, Query, Statement, Watch

# How much waits to be sent together where the load is large.
_MOST_WAITING_CHARACTERS = 1 << 20
# How often the server may be asked whether small files are unchanged.
_ROUNDS = 3


@dataclass(slots=True, kw_only=True)
class Loading:
    """The state of one load: what is under way and what was counted."""

    connection: Connection
    catalogue: Catalogue
    manifest: Manifest
    seeds: Seeds
    formats: Mapping[str, RowFormat]
    report: Callable[[Progress], None]
    scripts: Mapping[SeedFile, Script]
    large: bool = False
    alone: bool = False
    filling: Filling = field(init=False)
    recognition: Recognition = field(init=False)
    totals: dict[tuple[str, int], int] = field(default_factory=dict)
    added: dict[tuple[str, int], int] = field(default_factory=dict)
    changed: dict[tuple[str, int], int] = field(default_factory=dict)
    recognised: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.filling = Filling(batch=Batch(connection=self.connection))
        known = dict(_known(self.manifest, self.catalogue, self.seeds))
        self.recognition = Recognition(known=known, rounds=None if self.large else _ROUNDS)

    @property
    def batch(self) -> Batch:
        return self.filling.batch

    def load_set(self, sources: Sequence[Source]) -> None:
        """Fill the tables of one set, then run its scripts."""
        by_table = _tables(self.connection, self.catalogue, sources)
        plan = _ordered(sources, [table for table, _ in by_table.values()])
        if plan.deferred:
            self.batch.other(constraints(plan.deferred, deferred=True))
        for table in plan.tables:
            self._load_file(by_table[table.oid][1], table, plan)
        if self.filling.complete():
            self.recognition.written(None)
        if plan.deferred:
            self.batch.add(Statement(query=constraints(plan.deferred, deferred=False), purpose=Purpose.DEFERRED))
        for table in plan.tables:
            for column in table.columns:
                if column.sequence is not None and column.name in self.filling.given.get(table.oid, ()):
                    self.batch.other(forward(table, column, alone=self.alone))
        mine = [self.scripts[source.file] for source in sources if source.file in self.scripts]
        for statement in scripts.statements(mine):
            self.batch.add(statement)
        if mine:
            self.recognition.written(None)

    def finish(self) -> tuple[LoadResult, losses.Counts]:
        """Check what was put off; return the counts and, where scripts ran, what they did to tables."""
        self.filling.clear()
        every = Query(text=sql.SQL("SET CONSTRAINTS ALL IMMEDIATE"))
        self.batch.add(Statement(query=every, purpose=Purpose.DEFERRED))
        looked = Statement(query=Query(text=sql.SQL(losses.LOOK)))
        if self.scripts:
            self.batch.add(looked)
        self._run()
        result = LoadResult(tables=tuple(self._result(name, table) for name, table in self.totals))
        return result, losses.counts(looked.returned)

    def _result(self, name: str, table: int) -> TableResult:
        added, changed = self.added.get((name, table), 0), self.changed.get((name, table), 0)
        kept = self.totals[name, table] - added - changed
        shown = str(self.catalogue.tables[table])
        recognised = (name, table) in self.recognised
        return TableResult(set=name, table=shown, added=added, changed=changed, kept=kept, recognised=recognised)

    def _load_file(self, source: Source, table: Table, plan: Order) -> None:
        where = source.file.set, table.oid
        if (known := self._unchanged(source.file)) is not None:
            self.totals[where] = known.remembered.file_rows
            self.recognised.add(where)
            self.filling.given.setdefault(table.oid, set()).update(known.remembered.columns)
            self._report_all(*where)
            return
        self.recognition.written(table)
        reader = FileReader(source=source, form=self.formats[source.file.format], table=table, catalogue=self.catalogue)
        mode = self.seeds.mode(source.file.set)
        if self.large and source.file.format == "csv" and source.file.size_bytes >= sizes.WORTH_COPYING_BYTES:
            # What waits for the end keeps tables, and those that they refer to, from being altered.
            self._copy_file(*reader.copied(plan, mode), alone=self.alone and not plan.deferred)
            return
        groups = reader.groups(plan, mode)
        rows = self.totals[where] = sum(len(group.documents) for group in groups)
        watched = self._watch(groups)
        for group in groups:
            self.filling.fill(group, replace(watched, rows=rows) if watched and group is groups[-1] else None)
        if self.large and self.batch.weight > _MOST_WAITING_CHARACTERS:
            self._run()

    def _unchanged(self, file: SeedFile) -> Known | None:
        """Return what is known of a file that need not be loaded; the server is asked where it can still be asked."""
        if (known := self.recognition.of(file)) is not None or file not in self.recognition.known:
            return known
        if self.large and file.size_bytes < sizes.WORTH_COPYING_BYTES:
            return None
        if not (asked := self.recognition.questions([file] if self.large else self.seeds.files)):
            return None
        for statement in asked:
            self.batch.add(statement)
        self._run()
        self.recognition.hear()
        return self.recognition.of(file)

    def _watch(self, groups: Sequence[Group]) -> Watch | None:
        """Return what to remember of a file, `None` where that cannot be, or would cost more than it saves."""
        if not groups or not self.manifest.usable or not worth_it(groups[0].source.file, groups[0].table):
            return None
        return watch(groups)

    def _copy_file(self, group: Group, names: Sequence[str], *, alone: bool) -> None:
        """Bring a CSV file's bytes into its table."""
        self._run()
        where = group.source.file.set, group.table.oid
        watched = self._watch([group])
        days = Days() if watched and any(column.dated for column in watched.hashed) else None
        copy = Copy(connection=self.connection, group=group, names=names, report=self.report, days=days)
        rows = straight.copy_straight(copy, alone=alone)
        if rows is not None:
            self.totals[where] = self.added[where] = rows
            self.filling.count_given(group)
            if watched and not copy.dated:
                self.filling.look(replace(watched, rows=rows))
            self._report_all(*where)
            return
        stage = self.filling.stage(group)
        self._run()
        self.totals[where] = rows = copy.to_stage(stage)
        self.filling.from_stage(group, stage, replace(watched, rows=rows) if watched and not copy.dated else None)
        self._run()

    def _report_all(self, name: str, table: int) -> None:
        total = self.totals[name, table]
        self.report(Progress(set=name, table=str(self.catalogue.tables[table]), rows_done=total, rows_total=total))

    def _run(self) -> None:
        """Run what waits, count it, report it; a failure becomes a `SeedError` that names rows."""
        try:
            self.batch.run()
        except StatementFailedError as failure:
            if self.connection.broken:
                raise failure.error from None
            raise SeedError(self._explain(failure)) from failure.error
        if mistakes := self.filling.complaints():
            raise SeedError(mistakes)
        done: dict[tuple[str, int], None] = {}
        for statement in self.batch.take_finished():
            self._note(statement)
            if statement.rows is not None and statement.purpose in (Purpose.ADD, Purpose.CHANGE, Purpose.MERGE):
                group = statement.rows.group
                where = group.source.file.set, group.table.oid
                added, changed = statement.outcome
                self.added[where] = self.added.get(where, 0) + added
                self.changed[where] = self.changed.get(where, 0) + changed
                done[where] = None
        for where in done:
            self._report_all(*where)

    def _note(self, statement: Statement) -> None:
        """Note for the manifest what a table holds after its file."""
        if statement.watch is not None:
            *_, rows, checksum = statement.returned[0]
            self.manifest.note(statement.watch, Held(rows=cast(int, rows), checksum=int(cast(int, checksum))))

    def _explain(self, failure: StatementFailedError) -> list[Mistake]:
        if mistakes := self.filling.complaints():
            return mistakes
        statement, error = failure.statement, failure.error
        if statement.told is not None:
            return statement.told(error)
        if statement.purpose is Purpose.DEFERRED and self.filling.every:
            return diagnosis.explain_deferred(self.connection, self.catalogue, self.filling.every, error)
        found = diagnosis.explain(self.connection, self.catalogue, statement, error)
        return found or [Mistake(file=self.seeds.files[0].path.parent.as_posix(), text=sentence(error))]


def _known(manifest: Manifest, catalogue: Catalogue, seeds: Seeds) -> Iterator[tuple[SeedFile, Known]]:
    """Yield the files of which something is remembered that may still be so."""
    for file in seeds.files:
        table = catalogue.find(file.table) if file.table is not None else None
        remembered = manifest.of(file, table, seeds.mode(file.set)) if table is not None else None
        if table is not None and remembered is not None:
            yield file, Known(file=file, table=table, remembered=remembered)


def _tables(connection: Connection, catalogue: Catalogue, sources: Sequence[Source]) -> dict[int, tuple[Table, Source]]:
    """Return the table of each file that holds rows, by the server's number."""
    found: dict[int, tuple[Table, Source]] = {}
    mistakes: list[Mistake] = []
    for source in sources:
        if source.file.table is None:
            continue
        table = catalogue.find(source.file.table)
        if table is None:
            known = [str(row[0]) for row in connection.execute(catalogue_of.TABLE_NAMES)]
            text = f"the database has no table {source.file.table}.{nearest(source.file.table, known)}"
            mistakes.append(source.mistake(text))
        elif table.oid in found:
            first = found[table.oid][1].file.name
            mistakes.append(source.mistake(f"table {table} has a second file in this set, {first}. Join the two."))
        else:
            found[table.oid] = table, source
    if mistakes:
        raise SeedError(mistakes)
    return found


def _ordered(sources: Sequence[Source], tables: Sequence[Table]) -> Order:
    try:
        return order(tables)
    except CycleError as error:
        raise SeedError([Mistake(file=sources[0].file.path.parent.as_posix(), text=str(error))]) from error
