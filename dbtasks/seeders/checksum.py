"""What a table holds, as two numbers that the server computes: how many rows, and a sum over their hashes.

The sum does not depend on the order of rows. Each row's hash is hashed once more, because the server combines the
hashes of its columns linearly: two rows that exchange a value would leave the sum as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from dbtasks.seeders.catalogue import Column, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a table holds in the columns looked at."""

    rows: int
    checksum: int


def row_hash(alias: str, columns: Sequence[Column]) -> sql.Composed:
    """Return the expression for a row's hash, a bigint. Values are hashed as the server compares them, else as text."""
    values = (
        sql.SQL("{}" if column.comparable else "{}::text").format(sql.Identifier(alias, column.name))
        for column in columns
    )
    text = sql.SQL("pg_catalog.hashint8extended(pg_catalog.hash_record_extended(ROW({}), 0), 0)")
    return text.format(sql.SQL(", ").join(values))


def held(table: Table, columns: Sequence[Column]) -> sql.Composed:
    """Return the query for one row: how many rows the table holds, and the sum of their hashes."""
    text = sql.SQL("SELECT count(*) AS rows, coalesce(sum({}), 0) AS checksum FROM {} t")
    return text.format(row_hash("t", columns), sql.Identifier(table.schema, table.name))
