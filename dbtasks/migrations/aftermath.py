"""What a run of the worker really left in the database, read when the worker has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbtasks.errors import DbtasksError
from dbtasks.migrations import ledger
from dbtasks.values import dataclass

if TYPE_CHECKING:
    from psycopg import Connection

_ROLLBACK_S = 5.0
_IDENTITY = (
    "SELECT (SELECT system_identifier FROM pg_control_system()), oid "
    "FROM pg_database WHERE datname = current_database()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """`committed` are the revisions of this run that stand; `leftovers` what no rollback took back, in words.

    `torn` left their transaction and did not come back: nothing goes on before a person says that it is put right.
    """

    committed: frozenset[str]
    leftovers: tuple[str, ...]
    torn: tuple[str, ...] = ()


def read(
    connection: Connection, *, entry: int, person: str, version_table: tuple[str, str] | None, backends: Sequence[int]
) -> Aftermath:
    """Return what stands, after waiting a few seconds for the worker's connections to be gone from the server.

    `version_table` comes with what stands before its revisions. Without it the ledger alone tells: what was taken back
    stands in no version table.
    """
    still = _wait(connection, backends)
    rows = [row for row in ledger.applied(connection) if row.entry == entry and row.person == person]
    committed = {row.revision for row in rows if row.duration_ms is not None}
    if version_table:
        with contextlib.suppress(DbtasksError):  # several tables of that name: the ledger alone tells
            # Where env.py runs everything in autocommit mode, the version row can stand without its ledger row.
            committed |= ledger.standing(connection, [version_table])
    leftovers = [f"a statement that the server still runs (pid {pid})" for pid in still]
    torn = ledger.torn(connection)
    if torn:
        leftovers += [
            f"index {index}, invalid. Remove it: DROP INDEX CONCURRENTLY {index};"
            for index in ledger.invalid_indexes(connection)
        ]
        leftovers = leftovers or [f"whatever {', '.join(torn)} did outside of a transaction; no index is invalid"]
    return Aftermath(committed=frozenset(committed), leftovers=tuple(leftovers), torn=tuple(torn))


def is_target(connection: Connection, system_identifier: int, oid: int) -> bool:
    """Return whether the connection stands on that database of that server."""
    return connection.execute(_IDENTITY).fetchone() == (system_identifier, oid)


def _wait(connection: Connection, backends: Sequence[int]) -> list[int]:
    end = time.monotonic() + _ROLLBACK_S
    while True:
        query = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s) AND datname = current_database() ORDER BY pid"
        still = [int(row[0]) for row in connection.execute(query, (list(backends),)).fetchall()] if backends else []
        if not still or time.monotonic() >= end:
            return still
        time.sleep(0.05)
