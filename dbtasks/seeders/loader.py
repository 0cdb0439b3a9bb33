"""Seeds into a database: set by set, table by table in the order of the foreign keys, in few round trips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import sql
from psycopg.rows import dict_row

from dbtasks.errors import Mistake, SeedError
from dbtasks.seeders import catalogue as catalogue_of
from dbtasks.seeders import copying, diagnosis, scripts
from dbtasks.seeders.batch import Batch, Connection, StatementFailedError
from dbtasks.seeders.catalogue import Catalogue, Table
from dbtasks.seeders.files import RowFormat, SeedFile, Seeds, Source
from dbtasks.seeders.filling import Filling
from dbtasks.seeders.folder import nearest
from dbtasks.seeders.order import CycleError, Order, order
from dbtasks.seeders.reading import FileReader
from dbtasks.seeders.results import LoadResult, Progress, TableResult
from dbtasks.seeders.shapes import Group, is_required
from dbtasks.seeders.sql_file import Script, script
from dbtasks.seeders.statements import Purpose, Query, Statement, constraints, forward

# Up to here everything travels as parameters in pipelines; above it, CSV files that are worth it are copied.
SMALL_BYTES = 4 << 20
_WORTH_COPYING_BYTES = 1 << 18
_SAVEPOINT = "dbtasks_seeds"


def load(
    connection: Connection, seeds: Seeds, formats: Mapping[str, RowFormat], report: Callable[[Progress], None]
) -> LoadResult:
    """Return what was done. See `dbtasks.seeders.load`."""
    if connection.autocommit:
        raise ValueError("seeds need a transaction: the connection must not be in autocommit mode")
    sources = [Source(file=file, root=seeds.root) for file in seeds.files]
    ready = {source.file: script(source) for source in sources if source.file.table is None}
    catalogue = _begin(connection, [file.table for file in seeds.files if file.table is not None])
    loading = _Loading(connection=connection, catalogue=catalogue, seeds=seeds, formats=formats, report=report)
    try:
        for name in dict.fromkeys(file.set for file in seeds.files):
            loading.load_set([source for source in sources if source.file.set == name], ready)
        return loading.finish()
    except SeedError:
        if not connection.broken:
            connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
            connection.execute(f"RELEASE {_SAVEPOINT}")
        raise


def _begin(connection: Connection, tables: Sequence[str]) -> Catalogue:
    """Return the catalogue, after a savepoint, in one round trip."""
    parameters = {"names": catalogue_of.names_of(tables)}
    cursors = []
    with connection.pipeline():
        connection.execute(f"SAVEPOINT {_SAVEPOINT}")
        # What a file says must not depend on who loads it.
        connection.execute("SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true)")
        for query in (catalogue_of.COLUMNS, catalogue_of.KEYS, catalogue_of.FOREIGN_KEYS):
            cursor = connection.cursor(row_factory=dict_row)
            cursors.append(cursor.execute(query, parameters, prepare=False))
    return catalogue_of.catalogue(*(cursor.fetchall() for cursor in cursors))


@dataclass(slots=True, kw_only=True)
class _Loading:
    """The state of one load: what is under way and what was counted."""

    connection: Connection
    catalogue: Catalogue
    seeds: Seeds
    formats: Mapping[str, RowFormat]
    report: Callable[[Progress], None]
    filling: Filling = field(init=False)
    totals: dict[tuple[str, int], int] = field(default_factory=dict)
    added: dict[tuple[str, int], int] = field(default_factory=dict)
    changed: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.filling = Filling(batch=Batch(connection=self.connection))

    @property
    def batch(self) -> Batch:
        return self.filling.batch

    @property
    def large(self) -> bool:
        return sum(file.size_bytes for file in self.seeds.files) > SMALL_BYTES

    def load_set(self, sources: Sequence[Source], ready: Mapping[SeedFile, Script]) -> None:
        """Fill the tables of one set, then run its scripts."""
        by_table = _tables(self.connection, self.catalogue, sources)
        plan = _ordered(sources, [table for table, _ in by_table.values()])
        if plan.deferred:
            self.batch.other(constraints(plan.deferred, deferred=True))
        for table in plan.tables:
            self._load_file(by_table[table.oid][1], table, plan)
        self.filling.complete()
        if plan.deferred:
            self.batch.add(Statement(query=constraints(plan.deferred, deferred=False), purpose=Purpose.DEFERRED))
        for table in plan.tables:
            for column in table.columns:
                if column.sequence is not None and column.name in self.filling.given.get(table.oid, ()):
                    self.batch.other(forward(table, column))
        mine = [ready[source.file] for source in sources if source.file in ready]
        if mine:
            self._run(scripts.BEFORE)
            scripts.run(self.connection, mine)

    def finish(self) -> LoadResult:
        """Check what was put off, and return the counts."""
        self.filling.clear()
        every = Query(text=sql.SQL("SET CONSTRAINTS ALL IMMEDIATE"))
        self.batch.add(Statement(query=every, purpose=Purpose.DEFERRED))
        # The savepoint is left to the caller's commit: releasing it would be a round trip more.
        self._run()
        return LoadResult(tables=tuple(self._result(name, table) for name, table in self.totals))

    def _result(self, name: str, table: int) -> TableResult:
        added, changed = self.added.get((name, table), 0), self.changed.get((name, table), 0)
        kept = self.totals[name, table] - added - changed
        shown = str(self.catalogue.tables[table])
        return TableResult(set=name, table=shown, added=added, changed=changed, kept=kept)

    def _load_file(self, source: Source, table: Table, plan: Order) -> None:
        reader = FileReader(source=source, form=self.formats[source.file.format], table=table, catalogue=self.catalogue)
        mode = self.seeds.mode(source.file.set)
        where = source.file.set, table.oid
        self.totals[where] = 0
        if self.large and source.file.format == "csv" and source.file.size_bytes >= _WORTH_COPYING_BYTES:
            self.totals[where] = self._copy_file(*reader.copied(plan, mode))
            return
        for group in reader.groups(plan, mode):
            self.totals[where] += len(group.documents)
            self.filling.fill(group)
        if self.large:
            self._run()

    def _copy_file(self, group: Group, names: Sequence[str]) -> int:
        """Return how many rows the file has, after bringing them into their table."""
        self._run()
        progress = self._progress(group.source, group.table)
        if not group.late and is_required(group.table, group.key):
            rows = copying.copy_straight(self.connection, group, names, progress)
            if rows is not None:
                self.filling.count_given(group)
                self.added[group.source.file.set, group.table.oid] = rows
                return rows
        stage = self.filling.stage(group)
        self._run()
        rows = copying.copy_to_stage(self.connection, group, names, stage, progress)
        self.totals[group.source.file.set, group.table.oid] = rows
        self.filling.from_stage(group, stage)
        self._run()
        return rows

    def _progress(self, source: Source, table: Table) -> Callable[[int], None]:
        def report(rows: int) -> None:
            self.report(Progress(set=source.file.set, table=str(table), rows_done=rows, rows_total=None))

        return report

    def _run(self, *after: str) -> None:
        """Run what waits, count it, report it; a failure becomes a `SeedError` that names rows."""
        try:
            self.batch.run(*after)
        except StatementFailedError as failure:
            if self.connection.broken:
                raise failure.error from None
            raise SeedError(self._explain(failure)) from failure.error
        if mistakes := self.filling.complaints():
            raise SeedError(mistakes)
        done: dict[tuple[str, int], None] = {}
        for statement in self.batch.take_finished():
            if statement.rows is None or statement.purpose not in (Purpose.ADD, Purpose.CHANGE):
                continue
            group = statement.rows.group
            where = group.source.file.set, group.table.oid
            counts = self.added if statement.purpose is Purpose.ADD else self.changed
            counts[where] = counts.get(where, 0) + statement.affected
            done[where] = None
        for name, table in done:
            total = self.totals[name, table]
            shown = str(self.catalogue.tables[table])
            self.report(Progress(set=name, table=shown, rows_done=total, rows_total=total))

    def _explain(self, failure: StatementFailedError) -> list[Mistake]:
        if mistakes := self.filling.complaints():
            return mistakes
        statement, error = failure.statement, failure.error
        if statement.purpose is Purpose.DEFERRED and self.filling.every:
            return diagnosis.explain_deferred(self.connection, self.catalogue, self.filling.every, error)
        found = diagnosis.explain(self.connection, self.catalogue, statement, error)
        return found or [Mistake(file=self.seeds.files[0].path.parent.as_posix(), text=diagnosis.sentence(error))]


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
