"""Statements as a rehearsal really ran them: text, locks, rewrites, rows. Values only."""

from __future__ import annotations

from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTaken:
    """A lock that a statement took on a relation which had been there before the run: `public.users`, as pg_locks says.

    `mode` is spelled as in `pg_locks.mode`, for example `AccessExclusiveLock`.
    """

    relation: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. `text` holds placeholders where the driver bound values: those are data, and never kept.

    `rewrites` are the relations that had been there and got a new file. `rows` is what the server said it touched,
    `None` where it says nothing. Statements that nobody ran (`invoke lint --file`) have neither locks nor a revision.
    """

    text: str
    revision: str | None = None
    transactional: bool = True
    locks: tuple[LockTaken, ...] = ()
    rewrites: tuple[str, ...] = ()
    milliseconds: float = 0.0
    rows: int | None = None
