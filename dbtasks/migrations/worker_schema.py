"""What the catalogue says of the relations that a rehearsal began with, and what differs afterwards.

Everything goes by oid and column number, so that a new name is no loss. Part of the worker: standard library only; the
statements hold no percent sign, which some drivers would take for a placeholder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'dbtasks') AND n.nspname !~ '^pg_temp'"

RELATIONS = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.relispartition
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v', 'i', 'I') AND {_OURS}
"""  # noqa: S608 - our own text
FILES = """
SELECT oid::bigint, coalesce(pg_relation_filenode(oid), 0)::bigint FROM pg_class
 WHERE relkind IN ('r', 'm') AND oid::bigint >= 16384
"""
INDEXES = "SELECT indexrelid::bigint, indrelid::bigint FROM pg_index WHERE indrelid::bigint >= 16384"

# A NOT NULL that is yet to be validated demands nothing of the rows that are there (PostgreSQL 18).
COLUMNS = """
SELECT a.attrelid::bigint, a.attnum::int, a.attname::text, format_type(a.atttypid, a.atttypmod),
       a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n'
                                     AND NOT k.convalidated AND k.conkey = ARRAY[a.attnum]),
       a.atthasmissing OR a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> ''
  FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN ({oids})
"""
# Through JSON, because PostgreSQL 14 does not know that NULLs can be counted as equal.
UNIQUES = """
SELECT i.indrelid::bigint, i.indexrelid::bigint, i.indexrelid::regclass::text,
       array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' '), coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
  FROM pg_index i WHERE i.indisunique AND i.indrelid IN ({oids})
"""


class Relation(NamedTuple):
    """`name` is schema.name as it was before the run, `kind` pg_class.relkind."""

    name: str
    kind: str
    partition: bool

    @property
    def is_table(self) -> bool:
        return self.kind not in ("i", "I")


class Shape:
    """One relation's columns by number, and its unique indexes by oid."""

    def __init__(self) -> None:
        self.columns: dict[int, tuple[str, str, bool, bool]] = {}
        self.uniques: dict[int, tuple[str, str, str, bool]] = {}

    def add_column(self, number: int, column: tuple[str, str, bool, bool]) -> None:
        self.columns[number] = column

    def add_unique(self, index: int, unique: tuple[str, str, str, bool]) -> None:
        self.uniques[index] = unique


Shapes = tuple[Mapping[int, Shape], Mapping[int, Shape], Mapping[int, Shape]]


def differences(relations: Mapping[int, Relation], shapes: Shapes, written: set[int]) -> Iterator[dict[str, Any]]:
    """Yield what a revision takes away or newly demands. `shapes`: before the run, before the revision, after it.

    `written` are the relations whose rows the run has written so far: what is counted before it says little of them.
    """
    before, last, now = shapes
    for oid, shape in sorted(now.items()):
        if oid not in last:
            continue
        relation, rewritten = relations[oid], {"written": oid in written}
        if not shape.columns and last[oid].columns:
            yield {"kind": "drops_view" if relation.kind in "mv" else "drops_table", "table": relation.name}
        elif not relation.partition and relation.kind in ("r", "p"):
            for change in _of_columns(before[oid], last[oid], shape):
                yield {**change, "table": relation.name, **rewritten}
            for change in _of_uniques(before[oid], last[oid], shape):
                yield {**change, "table": relation.name, **rewritten}


def _of_columns(before: Shape, last: Shape, now: Shape) -> Iterator[dict[str, Any]]:
    for number, (_, type_, required, _filled) in last.columns.items():
        if number not in before.columns:
            continue  # made by the run itself: nothing of the target's is in it
        old, found = before.columns[number][0], now.columns.get(number)
        if found is None:
            yield {"kind": "drops_column", "columns": [old]}
            continue
        if found[1] != type_:
            yield {"kind": "changes_type", "columns": [old], "to": found[1]}
        if found[2] and not required:
            yield {"kind": "requires_value", "columns": [old]}
    for number, (name, _, required, filled) in now.columns.items():
        was_free = number not in last.columns or not last.columns[number][2]
        if number not in before.columns and required and was_free and not filled:
            yield {"kind": "adds_required", "columns": [name]}


def _of_uniques(before: Shape, last: Shape, now: Shape) -> Iterator[dict[str, Any]]:
    for index, (name, keys, condition, nulls_count) in now.uniques.items():
        if index in last.uniques:
            continue
        numbers = [int(number) for number in keys.split()]
        # An expression has the number 0; what it yields is not counted, nor are columns that the run has made.
        columns = [before.columns[number][0] for number in numbers if number in before.columns]
        if len(columns) == len(numbers) and not condition:
            yield {"kind": "requires_unique", "columns": columns, "to": name, "nulls_count": nulls_count}
