"""One of many processes that want to use up the same approvals at the same moments. Run as a program.

`spend` is what the runner does. `without` is a look before a write, on a table that lets both write: what it would be
without the lock.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import psycopg

from dbtasks import spent
from dbtasks.brought import Brought
from dbtasks.database import Connection
from dbtasks.errors import RefusedError

ROUNDS = 12
GATE = 0x72616365


def approval(number: int) -> Brought:
    return Brought(
        id=f"{number:032x}",
        plan="7f3a" * 16,
        server=1,
        oid=1,
        requester=None,
        approvers=(),
        signers="",
        requested_at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )


def spend(connection: Connection, number: int) -> bool:
    try:
        spent.spend(connection, approval(number), person="racer", entry=1)
    except RefusedError as refused:
        if refused.code != "E-REPLAYED":
            raise
        return False
    return True


def without(connection: Connection, number: int) -> bool:
    seen = connection.execute("SELECT 1 FROM used WHERE id = %s", [number]).fetchone()
    if seen is None:
        connection.execute("INSERT INTO used VALUES (%s)", [number])
    return seen is None


WAYS = {"spend": spend, "without": without}


def race(url: str, way: str) -> str:
    """Return which rounds this process has won; each begins when the gate is opened for it."""
    with psycopg.connect(url, autocommit=True) as connection:
        won = ""
        for number in range(ROUNDS):
            connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", [GATE, number])
            won += "1" if WAYS[way](connection, number) else "0"
    return won


if __name__ == "__main__":
    sys.stdout.write(race(*sys.argv[1:]))
