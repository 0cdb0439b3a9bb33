"""Statements that travel together: one round trip for all of them, and the one that failed is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus

from dbtasks.seeders.statements import Purpose, Query, Statement

Connection = psycopg.Connection[tuple[object, ...]]

_SAVEPOINT = "dbtasks_seed_batch"
_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class StatementFailedError(Exception):
    """A statement failed, and the transaction stands just before it."""

    def __init__(self, statement: Statement, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.statement, self.error = statement, error


@dataclass(slots=True, kw_only=True)
class Batch:
    """Collects statements and runs them in a psycopg pipeline, inside a savepoint of their own."""

    connection: Connection
    waiting: list[Statement] = field(default_factory=list)
    finished: list[Statement] = field(default_factory=list)

    def add(self, statement: Statement) -> None:
        self.waiting.append(statement)

    def other(self, query: Query) -> None:
        """Add a statement whose result nobody looks at."""
        self.add(Statement(query=query))

    @property
    def weight(self) -> int:
        """How many characters wait to be sent, in parameters."""
        return sum(len(one) for statement in self.waiting for one in statement.query.parameters if isinstance(one, str))

    def run(self) -> None:
        """Run what waits; `StatementFailedError` for the first that fails, those before it done."""
        statements, self.waiting = self.waiting, []
        if not statements:
            return
        try:
            run(self.connection, [plain(f"SAVEPOINT {_SAVEPOINT}"), *statements, plain(f"RELEASE {_SAVEPOINT}")])
        except StatementFailedError as failure:
            if self.connection.broken or failure.statement not in statements:
                raise
            before = statements[: statements.index(failure.statement)]
            back = [plain(f"ROLLBACK TO {_SAVEPOINT}"), *before]
            run(self.connection, back)
            raise
        self.finished += statements

    def take_finished(self) -> list[Statement]:
        """Return what was done since this was last asked."""
        finished, self.finished = self.finished, []
        return finished


def run(connection: Connection, statements: Iterable[Statement]) -> None:
    """Run statements in one pipeline and note what each did; `StatementFailedError` for the first that fails."""
    sent: list[tuple[Statement, psycopg.RawCursor[tuple[object, ...]]]] = []
    try:
        with connection.pipeline():
            for statement in statements:
                cursor = psycopg.RawCursor(connection)
                sent.append((statement, cursor))
                cursor.execute(statement.query.text, statement.query.parameters or None, prepare=False)
    except psycopg.Error as error:
        for statement, cursor in sent:
            if cursor.pgresult is None or cursor.pgresult.status not in _DONE:
                raise StatementFailedError(statement, error) from error
        raise
    for statement, cursor in sent:
        statement.affected = max(cursor.rowcount, 0)
        wanted = cursor.description is not None and statement.purpose is not Purpose.SCRIPT
        statement.returned = cursor.fetchall() if wanted else []


def fetch(connection: Connection, query: Query) -> list[tuple[object, ...]]:
    """Return the rows of one query."""
    cursor = psycopg.RawCursor(connection)
    return cursor.execute(query.text, query.parameters or None, prepare=False).fetchall()


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Leave no trace of what is done inside, whether it fails or not."""
    name = sql.Identifier("dbtasks_seed_trial")
    connection.execute(sql.SQL("SAVEPOINT {}").format(name))
    try:
        yield
    finally:
        connection.execute(sql.SQL("ROLLBACK TO {}").format(name))
        connection.execute(sql.SQL("RELEASE {}").format(name))


def plain(text: LiteralString) -> Statement:
    """Return a statement whose result nobody looks at."""
    return Statement(query=Query(text=sql.SQL(text)))
