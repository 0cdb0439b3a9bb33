"""asyncpg connections in a transaction that never stays: see `held`. asyncpg is the team's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from dbtasks.errors import TransactionEndedError
from dbtasks.testing.held import HOLD, READ_ONLY_AFTERWARDS, ROLLBACK


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield an asyncpg connection; what is done with it is gone when the block ends.

    A `transaction()` is a savepoint. TransactionEndedError when the code has ended the transaction by SQL.
    """
    held = await asyncpg.connect(url)
    try:
        await held.execute(READ_ONLY_AFTERWARDS)
        # Known to asyncpg, so that `transaction()` makes savepoints.
        await held.transaction().start()
        await held.execute("; ".join(HOLD))
        yield held
        if not held.is_closed():
            try:
                await held.execute("; ".join(ROLLBACK))
            except asyncpg.PostgresError:
                raise TransactionEndedError from None
    finally:
        held.terminate()
