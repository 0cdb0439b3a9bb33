"""Tables copied back from a recovered database into the live one, all of them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from psycopg import sql

from dbtasks.database import Connection, several
from dbtasks.errors import RefusedError
from dbtasks.recovery.tables import ALIKE, READ_ALIKE, Table, listed, row_text, tables_of
from dbtasks.values import dataclass
from dbtasks.way_back import Back


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    table: str
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One table on its way. `stage_name` is a temporary table of the live database with the old rows."""

    table: Table
    columns: tuple[str, ...]
    stage_name: str

    @property
    def stage(self) -> sql.Identifier:
        return sql.Identifier("pg_temp", self.stage_name)


def copy_back(
    there: Connection,
    here: Connection,
    names: Sequence[str],
    back: Back,
    *,
    report: Callable[[str], None] = lambda _line: None,
) -> tuple[Copied, ...]:
    """Copy these tables back, and return what was done to each.

    `there` looks at the recovered database, `here` may write to the live one and is in no transaction. Parents come
    before children; constraints that can be deferred are. RefusedError where it cannot be done; then, as with any other
    error, nothing was.
    """
    several(there, *READ_ALIKE)
    with here.transaction():
        several(here, *ALIKE, sql.SQL("SET CONSTRAINTS ALL DEFERRED"))
        jobs = _jobs(tables_of(there), tables_of(here), names, back)
        links = _links(here)
        if back is Back.WHOLE:
            _hold_cascades(here, [job.table for job in jobs])
        for job in jobs:
            report(f"copying {job.table.shown}")
            here.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(job.table.identifier))
            _staged(there, here, job)
        ordered = _parents_first(jobs, links)
        deleted = {job.table.shown: _deleted(here, job) for job in reversed(ordered)} if back is Back.WHOLE else {}
        done = []
        for job in ordered:
            updated = _updated(here, job) if back is not Back.MISSING else 0
            done.append(
                Copied(
                    table=job.table.shown,
                    inserted=_inserted(here, job),
                    updated=updated,
                    deleted=deleted.get(job.table.shown, 0),
                )
            )
    return tuple(sorted(done, key=lambda each: each.table))


def _jobs(recovered: Mapping[str, Table], live: Mapping[str, Table], names: Sequence[str], back: Back) -> list[_Job]:
    jobs = []
    for number, name in enumerate(dict.fromkeys(names)):
        old, new = recovered.get(name), live.get(name)
        if old is None or new is None:
            where = "the recovered database" if old is None else "the live database"
            raise _refused(f"There is no table {name} in {where}.")
        if back is Back.CHANGED and not (new.key and new.key == old.key):
            raise _refused(f"{name} has no primary key by which a row could be known again.")
        if set(old.written) - set(new.columns):
            lost = ", ".join(sorted(set(old.written) - set(new.columns)))
            raise _refused(f"{name} has lost columns since: {lost}. What they held would have no place.")
        columns = tuple(column for column in old.written if column in new.written)
        jobs.append(_Job(table=new, columns=columns, stage_name=f"dbtasks_back_{number}"))
    return jobs


def _staged(there: Connection, here: Connection, job: _Job) -> None:
    columns = listed(job.columns)
    here.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.Identifier(job.stage_name), columns, job.table.identifier
        )
    )
    out = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(columns, job.table.identifier)
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(job.stage, columns)
    with there.cursor().copy(out) as reading, here.cursor().copy(into) as writing:
        for data in reading:
            writing.write(data)
    here.execute(sql.SQL("ANALYZE {}").format(job.stage))


def _inserted(here: Connection, job: _Job) -> int:
    table, columns = job.table, job.columns
    if table.key:
        query = sql.SQL(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} s"
            " WHERE NOT EXISTS (SELECT FROM {} t WHERE {})"
        ).format(table.identifier, listed(columns), listed(columns, "s"), job.stage, table.identifier, _same_key(table))
    else:
        query = sql.SQL(
            "WITH have AS (SELECT {} AS dbtasks_had, count(*) AS dbtasks_times FROM {} GROUP BY 1),"
            " want AS (SELECT *, {} AS dbtasks_text, row_number() OVER (PARTITION BY {}) AS dbtasks_turn FROM {})"
            " INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM want"
            " LEFT JOIN have ON dbtasks_had = dbtasks_text WHERE dbtasks_turn > coalesce(dbtasks_times, 0)"
        ).format(
            row_text(columns),
            table.identifier,
            row_text(columns),
            row_text(columns),
            job.stage,
            table.identifier,
            listed(columns),
            listed(columns),
        )
    return here.execute(query).rowcount


def _updated(here: Connection, job: _Job) -> int:
    table = job.table
    settable = tuple(name for name in job.columns if name not in {*table.key, *table.fixed})
    if not (table.key and settable):
        return 0
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("s", name)) for name in settable
    )
    query = sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {} AND {} IS DISTINCT FROM {}").format(
        table.identifier, assignments, job.stage, _same_key(table), row_text(settable, "t"), row_text(settable, "s")
    )
    return here.execute(query).rowcount


def _deleted(here: Connection, job: _Job) -> int:
    table, columns = job.table, job.columns
    if table.key:
        query = sql.SQL("DELETE FROM {} t WHERE NOT EXISTS (SELECT FROM {} s WHERE {})").format(
            table.identifier, job.stage, _same_key(table)
        )
    else:
        query = sql.SQL(
            "WITH want AS (SELECT {} AS was, count(*) AS times FROM {} GROUP BY 1),"
            " have AS (SELECT tableoid AS part, ctid AS place, {} AS now,"
            "                 row_number() OVER (PARTITION BY {}) AS turn FROM {})"
            " DELETE FROM {} t USING have LEFT JOIN want ON want.was = have.now"
            " WHERE t.tableoid = have.part AND t.ctid = have.place AND have.turn > coalesce(want.times, 0)"
        ).format(row_text(columns), job.stage, row_text(columns), row_text(columns), table.identifier, table.identifier)
    return here.execute(query).rowcount


def _same_key(table: Table) -> sql.Composed:
    return sql.SQL("({}) = ({})").format(listed(table.key, "t"), listed(table.key, "s"))


def _links(here: Connection) -> list[tuple[str, str]]:
    return cast("list[tuple[str, str]]", here.execute(_LINKS).fetchall())


def _hold_cascades(here: Connection, tables: Sequence[Table]) -> None:
    """Refuse to delete rows on which rows of other tables hang that would go, or change, with them."""
    chosen = {table.shown for table in tables}
    for child, parent in here.execute(_CASCADES).fetchall():
        if str(parent) in chosen and str(child) not in chosen:
            raise _refused(
                f"Rows of {child} hang on rows of {parent} and would go or change with them. Name {child}, too."
            )


def _parents_first(jobs: Sequence[_Job], links: Sequence[tuple[str, str]]) -> list[_Job]:
    """Order tables by their foreign keys; within a circle, as they were named."""
    left = {job.table.shown: job for job in jobs}
    ordered = []
    while left:
        waiting = {child for child, parent in links if child in left and parent in left and child != parent}
        free = next((name for name in left if name not in waiting), next(iter(left)))
        ordered.append(left.pop(free))
    return ordered


def _refused(saw: str) -> RefusedError:
    return RefusedError(
        code="E-COPY-BACK",
        saw=saw,
        why="Nothing was changed.",
        instead="Name other tables, or let all of it come back beside what is there: leave out --table.",
    )


_NAMED = "CASE n{0}.nspname WHEN 'public' THEN '' ELSE n{0}.nspname || '.' END || c{0}.relname"
_FROM = """
  FROM pg_constraint f
  JOIN pg_class c1 ON c1.oid = f.conrelid JOIN pg_namespace n1 ON n1.oid = c1.relnamespace
  JOIN pg_class c2 ON c2.oid = f.confrelid JOIN pg_namespace n2 ON n2.oid = c2.relnamespace
 WHERE f.contype = 'f' AND f.conparentid = 0
"""
_LINKS = f"SELECT {_NAMED.format(1)}, {_NAMED.format(2)} {_FROM}".encode()
_CASCADES = (
    f"SELECT {_NAMED.format(1)}, {_NAMED.format(2)} {_FROM} AND f.confdeltype <> 'a' AND f.confdeltype <> 'r'".encode()
)
