"""What a database says of its own revisions, as the facts of `evidence.Database`. Part of the read-only look."""

from __future__ import annotations

from typing import Any

from dbtasks.database import Connection
from dbtasks.migrations import ledger, rights, unproven

VersionTables = tuple[tuple[str, str], ...]


def revision_facts(connection: Connection, tables: VersionTables) -> dict[str, Any]:
    """Return those fields. `tables` are the version tables, each with what stands before its revisions."""
    last, torn = ledger.last_words(connection), ledger.torn_for_good(connection)
    return {
        "revisions": ledger.standing(connection, tables),
        "ledger": tuple((row.revision, row.checksum) for row in last if row.direction != "downgrade"),
        "taken_back": frozenset(row.revision for row in last if row.direction == "downgrade"),
        "torn": torn,
        "leftovers": ledger.invalid_indexes(connection) if torn else (),
        "unproven": unproven.read(connection),
        "lacking": rights.lacking(connection, [table for _, table in tables]),
    }
