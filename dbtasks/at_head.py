"""For applications at their start: is the database that they are connected with at this code's heads?

Answered from the revision files, which are read as text, and the version table. Alembic is never imported, no line of
the project's code is run, and nothing is asked of the guard: whoever has a connection has been let in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import closing
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from dbtasks.errors import DbtasksError, SchemaNotCurrentError, UsageError

# What asks the database: it yields SQL without parameters or percent signs, which every driver reads alike, and is sent
# the rows.
_Questions = Generator[str, list[tuple[Any, ...]], None]

_ASYNC = "This connection is asynchronous: await dbtasks.assert_schema_current_async(connection)"
_SYNC = "This connection is not asynchronous: call dbtasks.assert_schema_current(connection)"


def assert_schema_current(connection: Any, *, ahead_is_fine: bool = False, start: Path | None = None) -> None:
    """Raise SchemaNotCurrentError unless the database is at the heads of this code.

    `connection` is one of psycopg, of SQLAlchemy (also an Engine or a Session), of any driver that follows the DB-API,
    or a URL. A transaction that was begun only to ask is ended, where the driver tells. With `ahead_is_fine` a database
    with revisions that this code does not have is taken for one of a newer version that is being rolled out. `start` is
    a folder in the project; by default the working directory.
    """
    questions = _questions(start, ahead_is_fine=ahead_is_fine)
    if isinstance(connection, str):
        from dbtasks.application import connect_plainly  # late: who brings a connection needs no driver of ours

        plain = re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", connection)  # SQLAlchemy's URLs name a driver
        with closing(connect_plainly(plain)) as opened:
            _answer(questions, _asker(opened))
    elif hasattr(connection, "connect") and hasattr(connection, "dialect"):  # SQLAlchemy's Engine
        with connection.connect() as opened:
            _answer(questions, _asker(opened))
    else:
        idle = _is_idle(connection)
        try:
            _answer(questions, _asker(connection))
        finally:
            if idle:
                connection.rollback()


async def assert_schema_current_async(
    connection: Any, *, ahead_is_fine: bool = False, start: Path | None = None
) -> None:
    """Do the same with an asynchronous connection: psycopg's, asyncpg's, or SQLAlchemy's (also an AsyncEngine)."""
    questions = _questions(start, ahead_is_fine=ahead_is_fine)
    if hasattr(connection, "sync_engine") and not hasattr(connection, "exec_driver_sql"):  # SQLAlchemy's AsyncEngine
        async with connection.connect() as opened:
            await _answer_async(questions, opened)
        return
    idle = _is_idle(connection)
    try:
        await _answer_async(questions, connection)
    finally:
        if idle:
            await connection.rollback()


def _answer(questions: _Questions, ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    question = next(questions)
    while True:
        rows = ask(question)
        try:
            question = questions.send(rows)
        except StopIteration:
            return


async def _answer_async(questions: _Questions, connection: Any) -> None:
    question = next(questions)
    while True:
        rows = await _ask_async(connection, question)
        try:
            question = questions.send(rows)
        except StopIteration:
            return


def _asker(connection: Any) -> Callable[[str], list[tuple[Any, ...]]]:
    if iscoroutinefunction(getattr(connection, "execute", None)) or hasattr(connection, "fetchval"):
        raise UsageError(_ASYNC)
    if hasattr(connection, "get_bind") and hasattr(connection, "connection"):  # SQLAlchemy's Session
        connection = connection.connection()
    if hasattr(connection, "exec_driver_sql"):
        return lambda text: [tuple(row) for row in connection.exec_driver_sql(text)]
    if not hasattr(connection, "cursor"):
        raise UsageError(f"expected a connection or a URL, found {type(connection).__name__}.")

    def ask(text: str) -> list[tuple[Any, ...]]:
        with closing(connection.cursor(**_plain_rows(connection))) as cursor:
            cursor.execute(text)
            return [_columns(row) for row in cursor.fetchall()]

    return ask


async def _ask_async(connection: Any, text: str) -> list[tuple[Any, ...]]:
    if hasattr(connection, "exec_driver_sql"):
        return [tuple(row) for row in await connection.exec_driver_sql(text)]
    if hasattr(connection, "fetchval"):  # asyncpg
        return [tuple(row) for row in await connection.fetch(text)]
    if not iscoroutinefunction(getattr(connection, "execute", None)):
        raise UsageError(_SYNC)
    cursor = connection.cursor(**_plain_rows(connection))
    await cursor.execute(text)
    return [tuple(row) for row in await cursor.fetchall()]


def _plain_rows(connection: Any) -> dict[str, Any]:
    """Return the option by which a connection of psycopg gives tuples, whatever its application has chosen."""
    if not hasattr(connection, "row_factory"):
        return {}
    from psycopg.rows import tuple_row  # loaded already: it is one of its connections

    return {"row_factory": tuple_row}


def _columns(row: Any) -> tuple[Any, ...]:
    """Return a row's values in their order, also where the application's rows are mappings."""
    return tuple(row.values()) if hasattr(row, "values") and callable(row.values) else tuple(row)


def _is_idle(connection: Any) -> bool:
    """Return whether no transaction is open, so that what we begin is ours to end; `False` where nobody tells."""
    info = getattr(connection, "info", None)
    status = getattr(info, "transaction_status", None)
    if status is not None:  # psycopg, psycopg2
        return int(status) == 0
    if callable(getattr(connection, "in_transaction", None)) and hasattr(connection, "get_bind"):
        return not connection.in_transaction()
    if hasattr(connection, "exec_driver_sql"):
        return not connection.in_transaction()
    return False


def _questions(start: Path | None, *, ahead_is_fine: bool) -> _Questions:
    """Yield what must be asked. SchemaNotCurrentError where an answer is not as it should be."""
    from dbtasks.migrations.heads import read_heads
    from dbtasks.settings import find_root

    root = find_root(start or Path.cwd())
    known = read_heads(root)
    database, current = "", frozenset[str]()
    for prefix, table in known.tables:
        tables = yield _version_tables(table)
        if len(tables) > 1:
            raise DbtasksError(
                f"there are several version tables: {', '.join(str(found[1]) for found in tables)}. "
                "Write the right one, as schema.table, under migrations.version_table in config/tiers.yaml."
            )
        if tables:
            database = str(tables[0][0])
            rows = yield f"SELECT version_num FROM {tables[0][1]}"  # noqa: S608 - quoted by the server itself
            current |= {f"{prefix}{row[0]}" for row in rows}
    unknown = current - known.revisions
    if current == frozenset(known.heads) or (unknown and ahead_is_fine):
        return
    if not database:
        database = str((yield "SELECT current_database()")[0][0])
    readable = yield _STAMP_IS_READABLE
    stamped = (yield _STAMP) if readable else []
    raise SchemaNotCurrentError(
        database=database,
        tier=str(stamped[0][0]) if len(stamped) == 1 else "",
        found=sorted(current),
        expected=known.heads,
        unknown=sorted(unknown),
        pending=None if unknown else _pending(root, current),
    )


def _pending(root: Path, current: frozenset[str]) -> int:
    from dbtasks.migrations.history import read_history  # late: only who is behind is told how far
    from dbtasks.settings import load

    return len(read_history(root, load(root).migrations).pending(current))


def _version_tables(table: str) -> str:
    schema, _, name = table.rpartition(".")
    condition = f" AND n.nspname = {_literal(schema)}" if schema else ""
    return (
        "SELECT current_database(), quote_ident(n.nspname) || '.' || quote_ident(c.relname)"  # noqa: S608 - as above
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE c.relname = {_literal(name)}{condition} AND c.relkind IN ('r', 'p')"
        " AND n.nspname !~ '^pg_' AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$' ORDER BY 2"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_STAMP_IS_READABLE = """
SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'dbtasks' AND c.relname = 'identity' AND has_schema_privilege(n.oid, 'USAGE')
   AND has_table_privilege(c.oid, 'SELECT')
"""
_STAMP = """
SELECT i.tier FROM dbtasks.identity i JOIN pg_catalog.pg_database d ON d.oid::bigint = i.database_oid
 WHERE d.datname = current_database()
"""
