"""One statement that brings rows into their table: it changes those that differ, adds those that are missing.

It also tells what the table holds afterwards, from one snapshot: the rows that were there, less what was changed, plus
what was written. So what is remembered of a file is what this statement saw and did, whatever others do meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from dbtasks.seeders.catalogue import Column
from dbtasks.seeders.checksum import held, row_hash
from dbtasks.seeders.files import Mode
from dbtasks.seeders.queries import absent, differ, identifiers, in_order, resolved, same_key, table_name
from dbtasks.seeders.statements import Query, Rows

_NEW = sql.Identifier("#new")
_OLD = sql.Identifier("#old")


def merge(rows: Rows, watched: Sequence[Column] = ()) -> Query:
    """Return the statement; its one row: how many were added, changed, and, if columns are watched, what is held."""
    group = rows.group
    changing = [column for column in group.shape.given if column.name not in group.key.columns]
    follow = bool(changing) and group.mode is Mode.MATCH
    parts = [*(_differing(rows, changing, watched) if follow else ()), _added(rows, watched, met=follow)]
    changes = sql.SQL("(SELECT count(*) FROM changed)" if follow else "0")
    if watched:
        taken = sql.SQL(" + (SELECT coalesce(sum(new) - sum(old), 0) FROM changed)" if follow else "")
        told = sql.SQL(
            "b.rows + a.rows, b.checksum + a.checksum{taken}"
            " FROM (SELECT count(*) AS rows, coalesce(sum(new), 0) AS checksum FROM added) a, ({before}) b"
        ).format(taken=taken, before=held(group.table, watched))
    else:
        told = sql.Composed([sql.SQL("NULL, NULL")])
    text = sql.SQL("WITH {parts} SELECT (SELECT count(*) FROM added), {changes}, {told}")
    query = text.format(parts=sql.SQL(", ").join(parts), changes=changes, told=told)
    return Query(text=query, parameters=rows.parameters)


def _differing(rows: Rows, changing: Sequence[Column], watched: Sequence[Column]) -> tuple[sql.Composed, sql.Composed]:
    """Return the rows that differ or are new, each with the hash of what is there, and the update by them."""
    group = rows.group
    met = sql.SQL(
        "met AS MATERIALIZED (SELECT s.*, t.ctid IS NULL AS {new}, {hash} AS {old}"
        " FROM ({rows}) s LEFT JOIN {table} t ON {same} WHERE t.ctid IS NULL OR {differ})"
    ).format(
        new=_NEW,
        old=_OLD,
        hash=_hash_or_nothing(watched),
        rows=resolved(rows),
        table=table_name(group.table),
        same=same_key(group),
        differ=differ(changing),
    )
    changed = sql.SQL(
        "changed AS (UPDATE {table} t SET {changes} FROM met s WHERE {same} AND NOT s.{is_new}"
        " RETURNING s.{was} AS old, {hash} AS new)"
    ).format(
        table=table_name(group.table),
        changes=sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column.name), sql.Identifier("s", column.name))
            for column in changing
        ),
        same=same_key(group),
        is_new=_NEW,
        was=_OLD,
        hash=_hash_or_nothing(watched),
    )
    return met, changed


def _added(rows: Rows, watched: Sequence[Column], *, met: bool) -> sql.Composed:
    """Return the insert. After an update it waits for it: a unique value may have to be given up first."""
    group = rows.group
    source: sql.Composable = sql.SQL("met") if met else sql.SQL("({})").format(resolved(rows))
    after = sql.SQL("s.{} AND (SELECT count(*) FROM changed) >= 0").format(_NEW)
    return sql.SQL(
        "added AS (INSERT INTO {table} AS t ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {source} s"
        " WHERE {wanted}{order} RETURNING {hash} AS new)"
    ).format(
        table=table_name(group.table),
        names=identifiers(group.shape.given),
        source=source,
        wanted=after if met else absent(group),
        order=in_order(group),
        hash=_hash_or_nothing(watched),
    )


def _hash_or_nothing(watched: Sequence[Column]) -> sql.Composable:
    return row_hash("t", watched) if watched else sql.SQL("0::bigint")
