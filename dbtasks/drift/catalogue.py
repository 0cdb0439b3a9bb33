"""Reading a schema from the catalogue: every query in one round trip, in one snapshot."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from dbtasks.database import Connection, several
from dbtasks.drift.queries import QUERIES, SETTINGS
from dbtasks.drift.schema import Schema, Thing


def read_schema(
    connection: Connection, version_tables: Iterable[tuple[str, str]] = (), roles: Iterable[str] = ()
) -> Schema:
    """Return the schema of the connected database, without these version tables, each behind a prefix. Reads only.

    What `roles` have is left out as well, and what they own is the owner's: those are given by `roles.apply`.

    Definitions are printed by functions that look past the snapshot: where somebody drops an object meanwhile, one of
    them may fail. psycopg.Error then, and where a role may not read the catalogue.
    """
    queries = [sql.SQL(query) for _, query in QUERIES]
    tables = "\n".join(table for _, table in version_tables)
    _, *found = several(connection, sql.SQL(SETTINGS).format(tables, "\n".join(roles)), *queries)
    things = [
        Thing(kind=kind, name=_text(name), within=_text(within), definition=_text(definition))
        for (kind, _), rows in zip(QUERIES, found, strict=True)
        for name, within, definition in rows
    ]
    return Schema(major=connection.info.server_version // 10000, things=tuple(things))


def _text(value: object) -> str:
    """Return a value as text; of a database without an encoding, psycopg gives the bytes."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value or "")


# What a function of the catalogue says of an object that has gone since the snapshot.
GONE = (
    psycopg.errors.InternalError_,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
)
