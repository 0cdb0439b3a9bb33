"""The order in which tables are filled, from their foreign keys, and what to do about cycles. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbtasks.errors import DbtasksError
from dbtasks.seeders.catalogue import ForeignKey, Table
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Tables in the order to fill them. `deferred` are checked at the end, `late` filled in by an update."""

    tables: tuple[Table, ...]
    deferred: tuple[ForeignKey, ...] = ()
    late: tuple[ForeignKey, ...] = ()


class CycleError(DbtasksError):
    """Tables that need each other, none of which can come first."""

    def __init__(self, tables: Sequence[Table], keys: Sequence[ForeignKey]) -> None:
        self.tables, self.keys = tuple(tables), tuple(keys)
        names = " and ".join(str(table) for table in tables)
        constraints = ", ".join(key.name for key in keys)
        super().__init__(
            f"tables {names} need each other's rows (foreign keys {constraints}), so none can be filled first. "
            f"Make one of the constraints deferrable (ALTER TABLE ... ALTER CONSTRAINT {keys[0].name} DEFERRABLE), "
            "or its column nullable."
        )


def order(tables: Sequence[Table]) -> Order:
    """Return an order in which every row finds what it refers to; tables without a reason to move stay put.

    Where tables need each other, the one is taken first whose open foreign keys can best wait: deferrable ones,
    else those whose columns may be empty. Raises `CycleError` where neither is there. A key from a table to itself
    is among `late` when its column may be empty, and whoever fills the table decides whether it matters.
    """
    by_oid = {table.oid: table for table in tables}
    remaining = list(tables)
    done: list[Table] = []
    to_itself = [(table, key) for table in tables for key in table.foreign_keys if key.target == table.oid]
    late = [key for table, key in to_itself if table.nullable(key)]
    deferred = [key for table, key in to_itself if key.deferrable and not table.nullable(key)]
    while remaining:
        table, waiting = _next(remaining, by_oid)
        deferred += [key for key in waiting if key.deferrable]
        late += [key for key in waiting if not key.deferrable]
        remaining.remove(table)
        done.append(table)
    return Order(tables=tuple(done), deferred=tuple(deferred), late=tuple(late))


def _next(remaining: Sequence[Table], by_oid: Mapping[int, Table]) -> tuple[Table, list[ForeignKey]]:
    """Return the table to fill next and its foreign keys that must wait."""
    open_oids = {table.oid for table in remaining}
    best: tuple[tuple[int, int], Table, list[ForeignKey]] | None = None
    for table in remaining:
        waiting = [key for key in table.foreign_keys if key.target in open_oids - {table.oid}]
        if not waiting:
            return table, []
        if not _on_a_cycle(table, remaining) or not all(_can_wait(table, key) for key in waiting):
            continue
        cost = (sum(not key.deferrable for key in waiting), len(waiting))
        if best is None or cost < best[0]:
            best = cost, table, waiting
    if best is None:
        stuck = [table for table in remaining if _on_a_cycle(table, remaining)]
        oids = {table.oid for table in stuck}
        keys = [key for table in stuck for key in table.foreign_keys if key.target in oids - {table.oid}]
        raise CycleError(stuck, [key for key in keys if not _can_wait(by_oid[key.table], key)] or keys)
    return best[1], best[2]


def _can_wait(table: Table, key: ForeignKey) -> bool:
    return key.deferrable or bool(table.nullable(key))


def _on_a_cycle(table: Table, remaining: Sequence[Table]) -> bool:
    by_oid = {other.oid: other for other in remaining}
    seen: set[int] = set()
    ahead = [key.target for key in table.foreign_keys if key.target != table.oid]
    while ahead:
        oid = ahead.pop()
        if oid == table.oid:
            return True
        if oid in by_oid and oid not in seen:
            seen.add(oid)
            ahead += [key.target for key in by_oid[oid].foreign_keys if key.target != oid]
    return False
