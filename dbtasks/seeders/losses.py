"""What a seed's SQL files may not do: take rows away, or touch our bookkeeping. Seen by what the transaction has done.

A script is the project's own code and its text hides much (functions, DO blocks, cascades), so the server is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import LiteralString, cast

from dbtasks.errors import RefusedError

# A table that is truncated, dropped or written anew has another file, or none. The rest is what the transaction did so
# far, as the server counts it. One query, because a round trip may cost 35 ms.
LOOK: LiteralString = """
SELECT 'file', format('%I.%I', n.nspname, c.relname), pg_relation_filenode(c.oid)::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'deleted', format('%I.%I', schemaname, relname), n_tup_del FROM pg_stat_xact_user_tables
 WHERE n_tup_del > 0 AND schemaname NOT LIKE 'pg\\_%'
UNION ALL
SELECT 'book', format('%I.%I', schemaname, relname), n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
 WHERE schemaname = 'dbtasks' AND n_tup_ins + n_tup_upd + n_tup_del > 0
ORDER BY 1, 2
"""

Counts = Mapping[tuple[str, str], int]


def counts(rows: Iterable[Sequence[object]]) -> Counts:
    """Return the answer to `LOOK`: by what is counted, and by table."""
    return {(str(kind), str(name)): cast(int, value) for kind, name, value in rows}


def refuse(before: Counts, after: Counts, *, may_lose: bool) -> None:
    """Raise RefusedError where rows or our bookkeeping were lost in between; the caller rolls back."""
    emptied = [name for (kind, name), file in before.items() if kind == "file" and after.get((kind, name)) != file]
    grown = {key: value - before.get(key, 0) for key, value in after.items() if key[0] != "file"}
    touched = [*emptied, *(name for kind, name in after.keys() - before.keys() if kind == "file")]
    touched += [name for (kind, name), count in grown.items() if kind == "book" and count]
    if any(name.startswith("dbtasks.") for name in touched):
        raise RefusedError(
            code="E-SEED-BOOKKEEPING",
            saw="A SQL file of the seeds changed the schema dbtasks, which says which tier this database is.",
            why="Nothing was changed.",
            instead="Take the statement out, then: invoke seed --dry-run",
        )
    lost = [f"{name} (emptied or dropped)" for name in emptied]
    lost += [f"{name} ({count} rows)" for (kind, name), count in grown.items() if kind == "deleted" and count]
    if lost and not may_lose:
        raise RefusedError(
            code="E-SEED-DESTROYS",
            saw=f"A SQL file of the seeds took rows away: {', '.join(lost)}.",
            why="Seeds add what is missing. Nothing was changed.",
            instead="Write INSERT ... ON CONFLICT, or put the change into a revision, then: invoke migrate --dry-run",
        )
