"""Approvals that were used, in the database that they were used on: each of them once.

Beside the stamp, and not in the coordination database: an approval is for one database, whoever can be reached besides.
What takes that database's place has another identity, for which no old approval holds.
"""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import cast

import psycopg

from dbtasks.brought import Brought
from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, look
from dbtasks.errors import RefusedError

CREATE = """
DO $create$
BEGIN
    IF to_regclass('dbtasks.spent') IS NULL THEN
        CREATE TABLE dbtasks.spent (
            id           text PRIMARY KEY,
            plan         text NOT NULL,
            requested_by text,
            approved_by  text[] NOT NULL,
            spent_at     timestamptz NOT NULL DEFAULT now(),
            spent_by     text NOT NULL,
            entry        bigint NOT NULL
        );
        COMMENT ON TABLE dbtasks.spent IS 'Approved plans that were run here, each once; kept by dbtasks.';
    END IF;
END
$create$
"""

# Whoever comes second waits for the first one's row and then has none. The clock is the server's.
_SPEND = """
INSERT INTO dbtasks.spent (id, plan, requested_by, approved_by, spent_by, entry)
SELECT %(id)s, %(plan)s, %(requester)s, %(approvers)s, %(person)s, %(entry)s
 WHERE statement_timestamp() < %(expires)s
    ON CONFLICT (id) DO NOTHING
RETURNING spent_at
"""

_BY = """
SELECT spent_by, entry, to_char(spent_at AT TIME ZONE 'UTC', 'DD Mon YYYY HH24:MI') FROM dbtasks.spent WHERE id = %s
"""


def look_up(conninfo: Conninfo, id_: str) -> tuple[datetime, str]:
    """Return the server's clock, and who has used this approval; empty where nobody has."""
    with closing(look(conninfo)) as connection:
        row = connection.execute("SELECT statement_timestamp(), to_regclass('dbtasks.spent') IS NOT NULL").fetchone()
        clock, exists = cast("tuple[datetime, bool]", row)
        return clock.astimezone(UTC), _used(connection, id_) if exists else ""


def spend(connection: Connection, brought: Brought, *, person: str, entry: int) -> None:
    """Use an approval up. RefusedError where it was used before, or its time is over; nothing is changed then."""
    # Whoever adopted the database has made it, or somebody does just now.
    errors = psycopg.errors
    made_meanwhile = (errors.DuplicateTable, errors.DuplicateObject, errors.UniqueViolation)
    with suppress(errors.InsufficientPrivilege, *made_meanwhile):
        connection.execute(CREATE)
    values = {
        "id": brought.id,
        "plan": brought.plan,
        "requester": str(brought.requester) if brought.requester else None,
        "approvers": [str(each) for each in brought.approvers],
        "person": person,
        "entry": entry,
        "expires": brought.expires_at,
    }
    if connection.execute(_SPEND, values).fetchone() is not None:
        return
    used = _used(connection, brought.id)
    raise RefusedError(
        code="E-REPLAYED" if used else "E-ENDED",
        saw=f"It was run before: {used}." if used else f"It ended {brought.expires_at:%d %b %Y %H:%M} UTC.",
        why="An approval is good for one run. Nothing was changed.",
        instead="Ask for it anew: invoke plan <operation> --tier=<tier> --out=plan.json",
    )


def _used(connection: Connection, id_: str) -> str:
    row = connection.execute(_BY, [id_]).fetchone()
    return f"by {row[0]}, entry {row[1]} of their trail, {row[2]} UTC" if row else ""
