"""What a tier last failed to prove besides being at head, in its own database, so that whoever asks it is told.

The table is made when something is first to be said, and holds one row while it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from psycopg import Connection

_CREATE: LiteralString = """
DO $create$
BEGIN
    IF to_regclass('dbtasks.unproven') IS NULL THEN
        CREATE TABLE dbtasks.unproven (
            said text NOT NULL,
            at timestamptz NOT NULL DEFAULT now(),
            person text NOT NULL,
            entry bigint NOT NULL
        );
        COMMENT ON TABLE dbtasks.unproven IS 'What this tier last failed to prove; empty where it failed at nothing.';
    END IF;
END
$create$
"""
_IS_MADE: LiteralString = "SELECT to_regclass('dbtasks.unproven') IS NOT NULL"


def read(connection: Connection) -> str:
    """Return what was not proven, in words; empty where nothing is known to be amiss."""
    if connection.execute(_IS_MADE).fetchone() != (True,):
        return ""
    return "; ".join(str(row[0]) for row in connection.execute("SELECT said FROM dbtasks.unproven").fetchall())


def put(connection: Connection, said: str, person: str, entry: int) -> None:
    """Remember what was not proven, in place of what was before."""
    with connection.transaction():
        connection.execute(_CREATE)
        connection.execute("DELETE FROM dbtasks.unproven")
        row = [said, person, entry]
        connection.execute("INSERT INTO dbtasks.unproven (said, person, entry) VALUES (%s, %s, %s)", row)


def clear(connection: Connection) -> None:
    """Forget it: what is asked for was proven."""
    if read(connection):
        connection.execute("DELETE FROM dbtasks.unproven")
