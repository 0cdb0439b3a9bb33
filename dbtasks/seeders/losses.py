"""What a seed's SQL files may not do: take rows away, or touch our bookkeeping. Seen by what the transaction has done.

A script is the project's own code and its text hides much (functions, DO blocks, cascades), so the server is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dbtasks.errors import RefusedError

if TYPE_CHECKING:
    from psycopg import Connection

# A table that is truncated, dropped or written anew has another file, or none.
_FILES = """
SELECT 'file', format('%I.%I', n.nspname, c.relname), pg_relation_filenode(c.oid)::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""

# What the transaction did so far, as the server counts it; one query, because a round trip may cost 35 ms.
_DONE = (
    _FILES
    + """
UNION ALL
SELECT 'deleted', format('%I.%I', schemaname, relname), n_tup_del FROM pg_stat_xact_user_tables
 WHERE n_tup_del > 0 AND schemaname NOT LIKE 'pg\\_%'
UNION ALL
SELECT 'book', format('%I.%I', schemaname, relname), n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
 WHERE schemaname = 'dbtasks' AND n_tup_ins + n_tup_upd + n_tup_del > 0
ORDER BY 1, 2
"""
)

Files = dict[str, int]


def look(connection: Connection[tuple[object, ...]]) -> Files:
    """Return each table's file, to compare with after the scripts, in the same transaction."""
    return {str(name): cast(int, file) for _, name, file in connection.execute(_FILES)}


def refuse(connection: Connection[tuple[object, ...]], before: Files, *, may_lose: bool) -> None:
    """Raise RefusedError where rows or our bookkeeping were lost since; the caller rolls back."""
    done = [(str(kind), str(name), cast(int, value)) for kind, name, value in connection.execute(_DONE)]
    after = {name: value for kind, name, value in done if kind == "file"}
    emptied = [name for name, file in before.items() if after.get(name) != file]
    if any(kind == "book" for kind, _, _ in done) or any(name.startswith("dbtasks.") for name in emptied):
        raise RefusedError(
            code="E-SEED-BOOKKEEPING",
            saw="A SQL file of the seeds changed the schema dbtasks, which says which tier this database is.",
            why="Nothing was changed.",
            instead="Take the statement out, then: invoke seed --dry-run",
        )
    lost = [f"{name} (emptied or dropped)" for name in emptied]
    lost += [f"{name} ({count} rows)" for kind, name, count in done if kind == "deleted"]
    if lost and not may_lose:
        raise RefusedError(
            code="E-SEED-DESTROYS",
            saw=f"A SQL file of the seeds took rows away: {', '.join(lost)}.",
            why="Seeds add what is missing. Nothing was changed.",
            instead="Write INSERT ... ON CONFLICT, or put the change into a revision, then: invoke migrate --dry-run",
        )
