"""What the database says about the tables to be seeded, in four queries that travel together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg import sql

from dbtasks.values import dataclass

_SEEN = sql.SQL("n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p')")

# The tables named and, since rows may be referred to by a natural key, those that their foreign keys lead to.
_WANTED = sql.SQL("""
WITH named AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY(%(names)s) AND {seen}
), wanted AS (
    SELECT oid FROM named
    UNION SELECT confrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid IN (SELECT oid FROM named)
)
""").format(seen=_SEEN)

# `ripples`: writing to a table may write to others, by triggers, rules, inheritance, keys that follow an update.
TABLES = sql.SQL("""{wanted}
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name,
    array_position(current_schemas(false), n.nspname) AS rank, c.relhasrules AS rules,
    c.relhasrules OR c.oid IN (SELECT unnest(ARRAY[inhrelid, inhparent]) FROM pg_catalog.pg_inherits)
        OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
                    AND t.tgname NOT LIKE 'dbtasks\\_guard\\_%%') -- which write nothing
        OR EXISTS (SELECT FROM pg_catalog.pg_constraint o
                   WHERE o.confrelid = c.oid AND o.contype = 'f' AND o.confupdtype IN ('c', 'n', 'd')) AS ripples,
    greatest(pg_relation_size(c.oid), (SELECT sum(pg_relation_size(p.relid)) FROM pg_partition_tree(c.oid) p))::bigint
        AS size_bytes
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (SELECT oid FROM wanted)
ORDER BY c.oid
""").format(wanted=_WANTED)

# The type that a domain, or a domain over domains, stands for, where it is one of the server's own.
_BASE = sql.SQL("""
    WITH RECURSIVE base AS (
        SELECT t.typname, t.typbasetype, t.typnamespace FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
        UNION ALL
        SELECT t.typname, t.typbasetype, t.typnamespace FROM base JOIN pg_catalog.pg_type t ON t.oid = base.typbasetype
    )
    SELECT typname FROM base WHERE typbasetype = 0 AND typnamespace = 'pg_catalog'::regnamespace
""")

COLUMNS = sql.SQL("""{wanted}
SELECT c.oid::bigint AS oid, a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type, ({base}) AS base,
    a.attnotnull AS required, a.attgenerated <> '' AS generated,
    coalesce(
        pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname),
        (SELECT quote_ident(sn.nspname) || '.' || quote_ident(s.relname)
         FROM pg_catalog.pg_attrdef f
         JOIN pg_catalog.pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
         JOIN pg_catalog.pg_class s ON d.refclassid = 'pg_class'::regclass AND s.oid = d.refobjid AND s.relkind = 'S'
         JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
         WHERE f.adrelid = c.oid AND f.adnum = a.attnum LIMIT 1)
    ) AS sequence
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (SELECT oid FROM wanted) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.oid, a.attnum
""").format(wanted=_WANTED, base=_BASE)

# Before version 15 there is no indnullsnotdistinct: asked through jsonb it is simply absent.
KEYS = sql.SQL("""{wanted}
SELECT i.indrelid::bigint AS oid, x.relname AS name, i.indisprimary AS primary,
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_equal,
    ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid IN (SELECT oid FROM wanted) AND i.indisunique AND i.indisvalid
    AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indrelid, i.indisprimary DESC, x.relname
""").format(wanted=_WANTED)

FOREIGN_KEYS = sql.SQL("""{wanted}
SELECT o.conname AS name, n.nspname AS schema, o.conrelid::bigint AS oid, o.confrelid::bigint AS target_oid,
    o.condeferrable AS deferrable,
    ARRAY(SELECT a.attname::text FROM unnest(o.conkey) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum
          ORDER BY k.place) AS columns,
    ARRAY(SELECT a.attname::text FROM unnest(o.confkey) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.attnum
          ORDER BY k.place) AS target_columns
FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_namespace n ON n.oid = o.connamespace
WHERE o.contype = 'f' AND o.conparentid = 0 AND o.conrelid IN (SELECT oid FROM wanted)
ORDER BY o.conrelid, o.conname
""").format(wanted=_WANTED)

TABLE_NAMES = sql.SQL("""
SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE {seen} ORDER BY c.relname
""").format(seen=_SEEN)


# Types of the server's own that compare and hash by themselves; all others do so as text.
_TEXTS = frozenset(("bpchar", "text", "varchar"))
_NUMBERS = frozenset(("float4", "float8", "int2", "int4", "int8", "numeric"))
_TIMELESS = _TEXTS | _NUMBERS | {"bool", "bytea", "jsonb", "uuid"}
_DATED = frozenset(("date", "time", "timestamp", "timestamptz", "timetz"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`type` is SQL text as the server writes it; `base` is the server's own type under domains, `None` for others'."""

    name: str
    type: str
    base: str | None = None
    required: bool = False
    generated: bool = False
    sequence: str | None = None

    @property
    def is_json(self) -> bool:
        return self.base in ("json", "jsonb")

    @property
    def comparable(self) -> bool:
        """Whether its values can be compared and hashed as they are; others are as text."""
        return self._element in _TIMELESS | _DATED

    @property
    def dated(self) -> bool:
        """Whether a text such as `tomorrow` may mean another value on another day."""
        return self._element not in _TIMELESS and not self.is_json

    @property
    def _element(self) -> str:
        return (self.base or "").removeprefix("_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A primary key or a unique index over plain columns."""

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    nulls_equal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """`table` and `target` are numbers that the server gives tables (oid)."""

    name: str
    schema: str
    table: int
    columns: tuple[str, ...]
    target: int
    target_columns: tuple[str, ...]
    deferrable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its columns in their order, its keys (the primary one first) and its foreign keys.

    `ripples` says that writing to it may write to other tables, `size_bytes` what it held when it was read.
    """

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    rank: int | None = 1
    rules: bool = False
    ripples: bool = False
    size_bytes: int = 0
    keys: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()

    def __str__(self) -> str:
        return self.name if self.rank is not None else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def nullable(self, key: ForeignKey) -> tuple[str, ...]:
        """Return the columns of a foreign key that may be left empty for a while."""
        primary = self.keys[0].columns if self.keys and self.keys[0].primary else ()
        required = {column.name for column in self.columns if column.required}
        return tuple(name for name in key.columns if name not in required and name not in primary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The tables read, by the server's number."""

    tables: Mapping[int, Table]

    def find(self, name: str) -> Table | None:
        """Return the table called `name` or `schema.name`; without a schema, the first on the search path."""
        exact = [table for table in self.tables.values() if table.name == name and table.rank is not None]
        if exact:
            return min(exact, key=lambda table: table.rank or 0)
        return next((table for table in self.tables.values() if f"{table.schema}.{table.name}" == name), None)


Rows = Iterable[Mapping[str, object]]


def names_of(wanted: Iterable[str]) -> list[str]:
    """Return what tables called so may be named in the catalogue, without their schema.

    >>> names_of(["users", "crm.people"])
    ['crm.people', 'people', 'users']
    """
    return sorted({part for name in wanted for part in (name, name.rpartition(".")[2])})


def catalogue(tables: Rows, columns: Rows, keys: Rows, foreign_keys: Rows) -> Catalogue:
    """Return the catalogue from the rows of the four queries."""
    by_oid = [_by_oid(rows) for rows in (columns, keys, foreign_keys)]
    return Catalogue(
        tables={_number(row["oid"]): _table(row, *(rows.get(row["oid"], []) for rows in by_oid)) for row in tables}
    )


def _by_oid(rows: Rows) -> dict[object, list[Mapping[str, object]]]:
    found: dict[object, list[Mapping[str, object]]] = {}
    for row in rows:
        found.setdefault(row["oid"], []).append(row)
    return found


def _table(row: Mapping[str, object], columns: Rows, keys: Rows, foreign_keys: Rows) -> Table:
    rank = row["rank"]
    return Table(
        oid=_number(row["oid"]),
        schema=str(row["schema"]),
        name=str(row["name"]),
        rank=None if rank is None else _number(rank),
        rules=bool(row["rules"]),
        ripples=bool(row["ripples"]),
        size_bytes=_number(row["size_bytes"]),
        columns=tuple(_column(column) for column in columns),
        keys=tuple(_key(key) for key in keys),
        foreign_keys=tuple(_foreign_key(key) for key in foreign_keys),
    )


def _column(row: Mapping[str, object]) -> Column:
    sequence, base = row["sequence"], row["base"]
    return Column(
        name=str(row["column"]),
        type=str(row["type"]),
        base=None if base is None else str(base),
        required=bool(row["required"]),
        generated=bool(row["generated"]),
        sequence=None if sequence is None else str(sequence),
    )


def _key(row: Mapping[str, object]) -> Key:
    return Key(
        name=str(row["name"]),
        columns=_names(row["columns"]),
        primary=bool(row["primary"]),
        nulls_equal=bool(row["nulls_equal"]),
    )


def _foreign_key(row: Mapping[str, object]) -> ForeignKey:
    return ForeignKey(
        name=str(row["name"]),
        schema=str(row["schema"]),
        table=_number(row["oid"]),
        columns=_names(row["columns"]),
        target=_number(row["target_oid"]),
        target_columns=_names(row["target_columns"]),
        deferrable=bool(row["deferrable"]),
    )


def _names(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)  # noqa: S101  # a query of ours: anything else is a bug
    return tuple(str(name) for name in value)


def _number(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101  # a query of ours: anything else is a bug
    return value
