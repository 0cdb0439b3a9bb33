"""What is different between a recovered database and the live one, table by table, in bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import cast

import psycopg
from psycopg import sql

from dbtasks.database import Connection, several
from dbtasks.recovery.tables import READ_ALIKE, Table, row_text, tables_of
from dbtasks.values import dataclass

PATIENCE_S = 120.0
_SAMPLES, _FETCHED = 5, 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One table. `there` is the recovered database, `here` the live one.

    Counts are `None` where the table was not compared to its end, which `why` tells. `by_key`: rows with one primary
    key are one row, and may be `changed`; else a changed row is one that is only there and one that is only here.
    `samples` are keys, or rows where there is no key, each with a sign: `-` only there, `+` only here, `~` changed.
    """

    table: str
    only_there: int | None = 0
    only_here: int | None = 0
    changed: int | None = 0
    by_key: bool = False
    columns_there: tuple[str, ...] = ()
    columns_here: tuple[str, ...] = ()
    gone: bool = False
    new: bool = False
    samples: tuple[str, ...] = ()
    why: str = ""

    @property
    def is_none(self) -> bool:
        counts = (self.only_there, self.only_here, self.changed)
        return counts == (0, 0, 0) and not (self.columns_there or self.columns_here or self.gone or self.new)


def differences(
    there: Connection,
    here: Connection,
    *,
    patience_s: float = PATIENCE_S,
    report: Callable[[str], None] = lambda _line: None,
) -> tuple[Difference, ...]:
    """Return every table with what is different in it, those that are alike included.

    Both connections are read-only ones, each in a transaction with one snapshot; what takes longer than `patience_s`
    altogether is not compared to its end.
    """
    deadline = time.monotonic() + patience_s
    for connection in (there, here):
        several(connection, *READ_ALIKE)
    recovered, live = tables_of(there), tables_of(here)
    found = []
    for name in sorted({*recovered, *live}):
        report(name)
        pair = recovered.get(name), live.get(name)
        try:
            with _bounded(there, deadline), _bounded(here, deadline):
                found.append(_compared((there, here), pair, deadline))
        except (psycopg.errors.QueryCanceled, TimeoutError):
            found.append(_uncompared(name, "there was no time for it"))
        except psycopg.Error as error:
            found.append(_uncompared(name, _why(error, there, here)))
    return tuple(found)


@contextmanager
def _bounded(connection: Connection, deadline: float) -> Iterator[None]:
    left_ms = int((deadline - time.monotonic()) * 1000)
    if left_ms <= 0:
        raise TimeoutError
    several(connection, sql.SQL("SET LOCAL statement_timeout = {}").format(left_ms))
    with connection.transaction():
        yield


def _compared(
    both: tuple[Connection, Connection], pair: tuple[Table | None, Table | None], deadline: float
) -> Difference:
    there, here = both
    match pair:
        case Table() as old, None:
            return Difference(table=old.shown, only_there=_count(there, old), gone=True)
        case None, Table() as new:
            return Difference(table=new.shown, only_here=_count(here, new), new=True)
        case Table() as old, Table() as new:
            return _of_a_table((there, old), (here, new), deadline)
    raise AssertionError(pair)


def _of_a_table(there: tuple[Connection, Table], here: tuple[Connection, Table], deadline: float) -> Difference:
    old, new = there[1], here[1]
    shared = tuple(name for name in old.columns if name in new.columns)
    key = old.key if old.key == new.key else ()
    counts, samples = (0, 0, 0), tuple[str, ...]()
    if _digest(*there, shared) != _digest(*here, shared):
        # Closed while their transactions are open: what fails on one server must not spoil the other one's.
        with closing(_rows(*there, shared, key)) as rows_there, closing(_rows(*here, shared, key)) as rows_here:
            counts, samples = _merged(rows_there, rows_here, deadline, keyed=bool(key))
    lost, added, changed = counts
    return Difference(
        table=old.shown,
        only_there=lost,
        only_here=added,
        changed=changed,
        by_key=bool(key),
        columns_there=tuple(name for name in old.columns if name not in shared),
        columns_here=tuple(name for name in new.columns if name not in shared),
        samples=samples,
    )


def _why(error: psycopg.Error, there: Connection, here: Connection) -> str:
    for connection, server in ((there, "recovered"), (here, "live")):
        if connection.closed:
            return f"the {server} server went away"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _uncompared(name: str, why: str) -> Difference:
    return Difference(table=name, only_there=None, only_here=None, changed=None, why=why)


def _count(connection: Connection, table: Table) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
    return cast(int, row[0]) if row else 0


def _digest(connection: Connection, table: Table, columns: tuple[str, ...]) -> tuple[object, ...] | None:
    """Return the number of rows and a sum over them that does not depend on their order."""
    text = sql.SQL("SELECT count(*), sum(hashtextextended({}, 0)::numeric) FROM {}")
    return connection.execute(text.format(row_text(columns), table.identifier)).fetchone()


def _rows(
    connection: Connection, table: Table, columns: tuple[str, ...], key: tuple[str, ...]
) -> Generator[tuple[str, int], None, None]:
    """Yield key and hash of each row, by key in the order of its bytes; a row without a key is its own."""
    query = sql.SQL("SELECT {}, hashtextextended({}, 0) FROM {} ORDER BY convert_to({}, 'UTF8')").format(
        row_text(key or columns), row_text(columns), table.identifier, row_text(key or columns)
    )
    with connection.cursor(name="dbtasks_rows") as cursor:
        cursor.itersize = _FETCHED
        yield from cast("Iterator[tuple[str, int]]", cursor.execute(query))


def _merged(
    there: Iterator[tuple[str, int]], here: Iterator[tuple[str, int]], deadline: float, *, keyed: bool
) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    lost = added = changed = seen = 0
    samples: dict[str, list[str]] = {"-": [], "+": [], "~": []}
    old, new = next(there, None), next(here, None)
    while old is not None or new is not None:
        seen += 1
        if seen % _FETCHED == 0 and time.monotonic() > deadline:
            raise TimeoutError
        if new is None or (old is not None and old[0] < new[0]):
            lost, kept, text, old = lost + 1, samples["-"], cast("tuple[str, int]", old)[0], next(there, None)
        elif old is None or new[0] < old[0]:
            added, kept, text, new = added + 1, samples["+"], new[0], next(here, None)
        else:
            differs = keyed and old[1] != new[1]
            changed += differs
            kept, text = samples["~"], old[0]
            old, new = next(there, None), next(here, None)
            if not differs:
                continue
        if len(kept) < _SAMPLES:
            kept.append(text[:100])
    return (lost, added, changed), tuple(f"{sign}{text}" for sign, texts in samples.items() for text in texts)
