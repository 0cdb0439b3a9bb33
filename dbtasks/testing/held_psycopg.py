"""psycopg connections, plain and asynchronous, in a transaction that never stays: see `held`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, LiteralString, Self

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from dbtasks.database import without_pg_environment
from dbtasks.errors import TransactionEndedError
from dbtasks.testing.held import COMMIT, HOLD, READ_ONLY_AFTERWARDS, ROLLBACK

_IN_A_BLOCK = (
    "commit() and rollback() are forbidden inside of a transaction() block: leave the block, or raise Rollback"
)


class HeldConnection(psycopg.Connection[Any]):
    """A psycopg connection in a transaction that never stays."""

    _blocks = 0

    @classmethod
    def hold(cls, url: str) -> Self:
        with without_pg_environment():
            connection = cls.connect(url, autocommit=True)
        connection.execute(READ_ONLY_AFTERWARDS)
        connection.autocommit = False
        connection._say(HOLD)
        return connection

    def commit(self) -> None:
        self._leave(COMMIT)

    def rollback(self) -> None:
        self._leave(ROLLBACK)

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        self._blocks += 1
        try:
            with super().transaction(savepoint_name, force_rollback) as transaction:
                yield transaction
        finally:
            self._blocks -= 1

    def _leave(self, statements: tuple[LiteralString, ...]) -> None:
        if self._blocks:
            raise psycopg.ProgrammingError(_IN_A_BLOCK)
        failed = self.info.transaction_status is TransactionStatus.INERROR
        try:
            self._say(ROLLBACK if failed else statements)
        except psycopg.Error:
            if statements is COMMIT:  # a deferred constraint: the server, too, would roll back
                with suppress(psycopg.Error):
                    self._say(ROLLBACK)
            raise

    def _say(self, statements: tuple[LiteralString, ...]) -> None:
        for text in _messages(self, statements):
            psycopg.Cursor(self).execute(text)


class AsyncHeldConnection(psycopg.AsyncConnection[Any]):
    """The same for asyncio."""

    _blocks = 0

    @classmethod
    async def hold(cls, url: str) -> Self:
        with without_pg_environment():
            connection = await cls.connect(url, autocommit=True)
        await connection.execute(READ_ONLY_AFTERWARDS)
        await connection.set_autocommit(False)
        await connection._say(HOLD)
        return connection

    async def commit(self) -> None:
        await self._leave(COMMIT)

    async def rollback(self) -> None:
        await self._leave(ROLLBACK)

    @asynccontextmanager
    async def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        self._blocks += 1
        try:
            async with super().transaction(savepoint_name, force_rollback) as transaction:
                yield transaction
        finally:
            self._blocks -= 1

    async def _leave(self, statements: tuple[LiteralString, ...]) -> None:
        if self._blocks:
            raise psycopg.ProgrammingError(_IN_A_BLOCK)
        failed = self.info.transaction_status is TransactionStatus.INERROR
        try:
            await self._say(ROLLBACK if failed else statements)
        except psycopg.Error:
            if statements is COMMIT:
                with suppress(psycopg.Error):
                    await self._say(ROLLBACK)
            raise

    async def _say(self, statements: tuple[LiteralString, ...]) -> None:
        for text in _messages(self, statements):
            await psycopg.AsyncCursor(self).execute(text)


def _messages(connection: psycopg.BaseConnection[Any], statements: tuple[LiteralString, ...]) -> tuple[bytes, ...]:
    """Return the statements in one round trip, which a pipeline makes of single ones."""
    if connection.pgconn.pipeline_status is PipelineStatus.OFF:
        return ("; ".join(statements).encode(),)
    return tuple(statement.encode() for statement in statements)


@contextmanager
def connection(url: str) -> Iterator[HeldConnection]:
    """Yield a psycopg connection; what is done with it is gone when the block ends.

    TransactionEndedError when the code has ended the transaction by SQL.
    """
    held = HeldConnection.hold(url)
    try:
        yield held
        if not held.closed:
            try:
                held._say(ROLLBACK)
            except psycopg.Error:
                raise TransactionEndedError from None
    finally:
        held.close()


@asynccontextmanager
async def async_connection(url: str) -> AsyncIterator[AsyncHeldConnection]:
    """Yield an asynchronous psycopg connection; what is done with it is gone when the block ends."""
    held = await AsyncHeldConnection.hold(url)
    try:
        yield held
        if not held.closed:
            try:
                await held._say(ROLLBACK)
            except psycopg.Error:
                raise TransactionEndedError from None
    finally:
        await held.close()
