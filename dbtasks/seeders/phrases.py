"""What the server said of a row, as sentences for whoever wrote the file."""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

from dbtasks.seeders.batch import Connection, fetch
from dbtasks.seeders.catalogue import Column
from dbtasks.seeders.files import LONGEST_QUOTE, shorten
from dbtasks.seeders.shapes import Group
from dbtasks.seeders.statements import Query

_LONG_QUOTE = re.compile(rf'"([^"]{{{LONGEST_QUOTE + 1},}})"')
# Codes of the manual's appendix A.
_NOT_OF_TYPE = ("22P02", "22007")


def sentence(error: psycopg.Error) -> str:
    """Return what the server said, long values shortened."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return _LONG_QUOTE.sub(lambda match: f'"{match[1][: LONGEST_QUOTE - 1]}…"', text) + "."


def unfit(column: Column, value: str | None, error: psycopg.Error) -> str:
    if value is None:
        return f"a value is required: {sentence(error)}"
    if error.sqlstate in _NOT_OF_TYPE:
        return f"expected {column.type}, found {shorten(value)}."
    return f"{shorten(value)} does not fit {column.type}: {sentence(error)}"


def constraint(connection: Connection, group: Group, error: psycopg.Error) -> tuple[str, str | None]:
    """Return what the broken constraint demands, and its column where it has one only."""
    query = Query(
        text=sql.SQL(
            "SELECT pg_get_constraintdef(o.oid), a.attname FROM pg_catalog.pg_constraint o"
            " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND o.conkey = ARRAY[a.attnum]"
            " WHERE o.conrelid = $1 AND o.conname = $2"
        ),
        parameters=(group.table.oid, error.diag.constraint_name),
    )
    found = fetch(connection, query) if error.diag.constraint_name else []
    if not found:
        return sentence(error), None
    definition, column = found[0]
    known = column if isinstance(column, str) and group.table.column(column) in group.shape.given else None
    return f"the row breaks constraint {error.diag.constraint_name}: {definition}.", known
