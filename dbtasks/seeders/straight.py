"""A large CSV file straight into its own table, where that is empty: nothing can be there already."""

from __future__ import annotations

import psycopg
from psycopg import sql

from dbtasks.errors import SeedError
from dbtasks.seeders import copy_diagnosis, rebuilding, sizes
from dbtasks.seeders.batch import StatementFailedError, plain, run
from dbtasks.seeders.copying import Copy
from dbtasks.seeders.queries import table_name
from dbtasks.seeders.shapes import identifies
from dbtasks.seeders.statements import Query, Statement

_SAVEPOINT = "dbtasks_seed_copy"


def copy_straight(copy: Copy, *, alone: bool) -> int | None:
    """Return how many rows went into the group's own table, or `None` where it was not empty or did not take them.

    Nothing is left of an attempt that failed; the way through a temporary table then finds out why. Where nobody else
    uses the database, indexes and foreign keys are built after the rows have come.
    """
    group = copy.group
    table = table_name(group.table)
    if group.late or not identifies(group.table, group.key):
        return None
    look = Statement(query=Query(text=sql.SQL("SELECT FROM {} LIMIT 1").format(table)))
    run(copy.connection, [look, plain(f"SAVEPOINT {_SAVEPOINT}")])
    if look.affected:
        return None
    rebuilt = alone and group.source.file.size_bytes >= sizes.WORTH_REBUILDING_BYTES
    try:
        parts = rebuilding.take_down(copy.connection, group.table) if rebuilt else ()
        rows = copy.into(table)
        rebuilding.put_up(copy.connection, parts)
        run(copy.connection, [plain(f"RELEASE {_SAVEPOINT}")])
    except (psycopg.Error, StatementFailedError) as failure:
        error = failure.error if isinstance(failure, StatementFailedError) else failure
        if copy.connection.broken:
            raise error from None
        copy.connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
        if copy_diagnosis.tells_its_row(error):
            raise SeedError(copy_diagnosis.explain_row(copy.connection, group, error)) from error
        return None
    return rows
