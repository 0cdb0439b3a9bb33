"""What a seed's SQL files may not do: take rows away, or touch our bookkeeping. Seen by what the transaction has done.

A script is the project's own code and its text hides much (functions, DO blocks, cascades), so the server is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dbtasks.errors import RefusedError

if TYPE_CHECKING:
    from psycopg import Connection

# A table that is truncated, dropped or written anew has another file, or none.
_FILES = """
SELECT format('%I.%I', n.nspname, c.relname), pg_relation_filenode(c.oid)::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""

_DELETED = """
SELECT format('%I.%I', schemaname, relname), n_tup_del FROM pg_stat_xact_user_tables
 WHERE n_tup_del > 0 AND schemaname NOT LIKE 'pg\\_%' ORDER BY 1
"""

_BOOKS = """
SELECT (SELECT md5(string_agg(i::text, ',' ORDER BY i::text)) FROM dbtasks.identity i),
       (SELECT md5(string_agg(l::text, ',' ORDER BY l::text)) FROM dbtasks.ledger l)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How the transaction found the database: each table's file, and a digest of stamp and ledger."""

    files: dict[str, int]
    books: tuple[object, ...] | None


def look(connection: Connection[tuple[object, ...]]) -> Before:
    """Return what to compare with after the scripts, in the same transaction."""
    return Before(files=_files(connection), books=_books(connection))


def refuse(connection: Connection[tuple[object, ...]], before: Before, *, may_lose: bool) -> None:
    """Raise RefusedError where rows or our bookkeeping were lost since; the caller rolls back."""
    if _books(connection) != before.books:
        raise RefusedError(
            code="E-SEED-BOOKKEEPING",
            saw="A SQL file of the seeds changed the schema dbtasks, which says which tier this database is.",
            why="Nothing was changed.",
            instead="Take the statement out, then: invoke seed --dry-run",
        )
    if may_lose:
        return
    after = _files(connection)
    emptied = [f"{name} (emptied or dropped)" for name, file in before.files.items() if after.get(name) != file]
    deleted = [f"{name} ({count} rows)" for name, count in connection.execute(_DELETED)]
    if emptied or deleted:
        raise RefusedError(
            code="E-SEED-DESTROYS",
            saw=f"A SQL file of the seeds took rows away: {', '.join([*emptied, *deleted])}.",
            why="Seeds add what is missing. Nothing was changed.",
            instead="Write INSERT ... ON CONFLICT, or put the change into a revision, then: invoke migrate --dry-run",
        )


def _files(connection: Connection[tuple[object, ...]]) -> dict[str, int]:
    return {str(name): cast(int, file) for name, file in connection.execute(_FILES)}


def _books(connection: Connection[tuple[object, ...]]) -> tuple[object, ...] | None:
    exists = connection.execute("SELECT to_regclass('dbtasks.identity'), to_regclass('dbtasks.ledger')").fetchone()
    return connection.execute(_BOOKS).fetchone() if exists and None not in exists else None
