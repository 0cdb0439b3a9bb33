"""The catalogue, read: tables, columns, constraints, indexes, and what decides whether a change rewrites. No row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import LiteralString, cast

from psycopg import sql

from dbtasks.database import Connection, several
from dbtasks.lint.catalogue import Catalogue, Column, Constraint, Index, Name, Table, Type
from dbtasks.lint.evolution import constraint_of, mentioned
from dbtasks.lint.parsing import parse, parse_constraint

# Rows that were never counted are bounded by the room that the smallest ones take.
_SMALLEST_ROW_BYTES = 28

_OURS: LiteralString = "nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'dbtasks')"

_TABLES: LiteralString = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relrowsecurity,
       CASE WHEN c.relkind = 'p' THEN NULL ELSE pg_relation_size(c.oid) END,
       CASE WHEN c.relkind = 'p' THEN NULL
            ELSE greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), -1)::bigint END,
       c.reltuples < 0 AND pg_stat_get_live_tuples(c.oid) = 0,
       (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid),
       (SELECT partdefid::bigint FROM pg_partitioned_table WHERE partrelid = c.oid),
       (SELECT inhparent::bigint FROM pg_inherits WHERE inhrelid = c.oid AND c.relispartition)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'v') AND {_OURS}
"""  # noqa: S608 - our own text

_COLUMNS: LiteralString = f"""
SELECT a.attrelid::bigint, a.attname::text, t.typname::text, a.atttypmod, a.attnotnull
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm') AND {_OURS}
 ORDER BY a.attrelid, a.attnum
"""  # noqa: S608 - as above

_CONSTRAINTS: LiteralString = f"""
SELECT o.conrelid::bigint, o.conname::text, o.contype::text, o.convalidated, pg_get_constraintdef(o.oid),
       (SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = o.conrelid AND attnum = ANY (o.conkey))
  FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE o.contype IN ('c', 'f', 'p', 'u', 'x', 'n') AND {_OURS}
"""  # noqa: S608 - as above

_INDEXES: LiteralString = f"""
SELECT i.indrelid::bigint, c.relname::text, i.indisunique,
       (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = i.indrelid AND attnum = ANY (i.indkey)),
       CASE WHEN i.indexprs IS NOT NULL OR i.indpred IS NOT NULL THEN pg_get_indexdef(i.indexrelid) END
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {_OURS}
"""  # noqa: S608 - as above

_VIEWED: LiteralString = """
SELECT DISTINCT d.refobjid::bigint, a.attname::text
  FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND r.ev_class <> d.refobjid
"""

_DOMAINS: LiteralString = """
SELECT t.typname::text, b.typname::text,
       t.typnotnull OR EXISTS (SELECT FROM pg_constraint WHERE contypid = t.oid)
  FROM pg_type t JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd'
"""

_RELAXED: LiteralString = """
SELECT s.typname::text, t.typname::text
  FROM pg_cast JOIN pg_type s ON s.oid = castsource JOIN pg_type t ON t.oid = casttarget WHERE castmethod = 'b'
"""

_OTHER: LiteralString = """
SELECT (SELECT array_agg(DISTINCT proname::text) FROM pg_proc WHERE provolatile = 'v'),
       current_schemas(false)::text[], current_setting('TimeZone'), current_setting('server_version_num')::int
"""

_UTC = frozenset(("utc", "etc/utc", "gmt", "etc/gmt", "zulu", "etc/zulu", "universal", "etc/universal"))

_Rows = Iterable[tuple[object, ...]]


def read_catalogue(connection: Connection) -> Catalogue:
    """Return what the catalogue of the connected database says. Eight queries in one round trip."""
    connection.execute("SET LOCAL client_encoding = 'UTF8'")  # a database without an encoding gives bytes otherwise
    queries = (_TABLES, _COLUMNS, _CONSTRAINTS, _INDEXES, _VIEWED, _DOMAINS, _RELAXED, _OTHER)
    tables, columns, constraints, indexes, viewed, domains, relaxed, other = several(connection, *map(sql.SQL, queries))
    volatile, search_path, zone, version = other[0]
    names = {cast(int, row[0]): (str(row[1]), str(row[2])) for row in tables}
    constraints_of, indexes_of = _constraints(constraints), _indexes(indexes)
    viewed_of: dict[int, set[str]] = defaultdict(set)
    for number, column in viewed:
        viewed_of[cast(int, number)].add(str(column))
    columns_of = _columns(columns, constraints_of)
    read = {
        names[cast(int, row[0])]: _table(row, names, columns_of, (constraints_of, indexes_of, viewed_of))
        for row in tables
        if row[3] != "v"
    }
    parents = [(cast(int, row[0]), cast(int, row[11])) for row in tables if row[11] is not None]
    return Catalogue(
        tables=_with_sums(read, names, parents),
        views=frozenset(names[cast(int, row[0])] for row in tables if row[3] == "v"),
        indexes={(name[0], each.name): name for name, table in read.items() for each in table.indexes},
        search_path=tuple(cast("list[str]", search_path)),
        relaxed=frozenset((str(source), str(target)) for source, target in relaxed),
        volatile=frozenset(cast("list[str]", volatile)),
        domains=frozenset(str(name) for name, _, constrained in domains if constrained),
        plain_domains={str(name): str(base) for name, base, constrained in domains if not constrained},
        utc=str(zone).lower() in _UTC,
        version_number=cast(int, version),
    )


def _table(
    row: tuple[object, ...],
    names: Mapping[int, Name],
    columns: Mapping[int, dict[str, Column]],
    more: tuple[Mapping[int, list[Constraint]], Mapping[int, list[Index]], Mapping[int, set[str]]],
) -> Table:
    number, schema, name, kind, persistence, security, size, rows, uncounted, policies, default, _ = row
    oid, size_bytes = cast(int, number), cast("int | None", size)
    if uncounted and size_bytes is not None:
        rows = size_bytes // _SMALLEST_ROW_BYTES
    return Table(
        schema=str(schema),
        name=str(name),
        rows=cast("int | None", rows),
        size_bytes=size_bytes,
        columns=columns.get(oid, {}),
        constraints=tuple(more[0].get(oid, ())),
        indexes=tuple(more[1].get(oid, ())),
        viewed=frozenset(more[2].get(oid, ())),
        partitioned=kind == "p",
        default_partition=names.get(cast(int, default)) if default else None,
        persistence=str(persistence),
        row_security=bool(security),
        policies=cast(int, policies),
    )


def _constraints(rows: _Rows) -> dict[int, list[Constraint]]:
    found: dict[int, list[Constraint]] = defaultdict(list)
    for number, name, kind, validated, definition, columns in rows:
        text = str(definition)
        read = constraint_of(parse_constraint(text), str(name))
        found[cast(int, number)].append(
            Constraint(
                name=str(name),
                kind=str(kind),
                validated=bool(validated),
                about=read.about | frozenset(cast("list[str] | None", columns) or ()),
                proves=read.proves,
                definition=text,
            )
        )
    return found


def _columns(rows: _Rows, constraints: Mapping[int, list[Constraint]]) -> dict[int, dict[str, Column]]:
    found: dict[int, dict[str, Column]] = defaultdict(dict)
    for number, name, type_name, modifier, not_null in rows:
        oid = cast(int, number)
        # Since PostgreSQL 18 a column is marked before its NOT NULL is validated.
        open_ = any(each.kind == "n" and not each.validated and name in each.about for each in constraints.get(oid, ()))
        type_ = Type(name=str(type_name), mods=_modifiers(str(type_name), cast(int, modifier)))
        found[oid][str(name)] = Column(name=str(name), type=type_, not_null=bool(not_null) and not open_)
    return found


def _modifiers(name: str, modifier: int) -> tuple[int, ...]:
    """Return what stands in the parentheses of a type, from `atttypmod`.

    >>> _modifiers("varchar", 54), _modifiers("numeric", (10 << 16) + 2 + 4), _modifiers("text", -1)
    ((50,), (10, 2), ())
    """
    if modifier < 0:
        return ()
    match name:
        case "varchar" | "bpchar":
            return (modifier - 4,)
        case "numeric":
            return (((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF)
        case _:
            return (modifier,)


def _indexes(rows: _Rows) -> dict[int, list[Index]]:
    found: dict[int, list[Index]] = defaultdict(list)
    for number, name, unique, columns, definition in rows:
        index = Index(
            name=str(name),
            columns=tuple(cast("list[str] | None", columns) or ()),
            unique=bool(unique),
            partly=_mentioned(str(definition)) if definition else frozenset(),
        )
        found[cast(int, number)].append(index)
    return found


def _mentioned(definition: str) -> frozenset[str]:
    """Return the columns of an index whose change of type builds it anew: all that it has, if it has an expression."""
    parsed = parse(definition)
    if not parsed:
        return frozenset()
    node = parsed[0].node
    plain = {each.text("name") for each in node.children("index_params")} - {""}
    return frozenset(plain | mentioned(node))


def _with_sums(
    tables: dict[Name, Table], names: Mapping[int, Name], parents: list[tuple[int, int]]
) -> dict[Name, Table]:
    """Give each partitioned table the rows and bytes of its partitions, however deep they lie."""
    children: dict[Name, list[Name]] = defaultdict(list)
    for child, parent in parents:
        if child in names and parent in names:
            children[names[parent]].append(names[child])

    def leaves(name: Name) -> Iterable[Table]:
        below = children.get(name, [])
        yield from (each for child in below for each in leaves(child))
        if not below and not tables[name].partitioned:
            yield tables[name]

    return {
        name: replace(
            table,
            rows=sum(each.rows or 0 for each in leaves(name)),
            size_bytes=sum(each.size_bytes or 0 for each in leaves(name)),
        )
        if table.partitioned
        else table
        for name, table in tables.items()
    }
