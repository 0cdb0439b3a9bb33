"""Statements as a rehearsal really ran them: text, locks, rewrites, rows. Values only."""

from __future__ import annotations

import enum

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


class ChangeKind(enum.Enum):
    """What a revision can do to what had been there before the run."""

    DROPS_TABLE = "drops_table"
    DROPS_VIEW = "drops_view"
    DROPS_COLUMN = "drops_column"
    CHANGES_TYPE = "changes_type"
    EMPTIES = "empties"
    DELETES = "deletes"
    REQUIRES_VALUE = "requires_value"
    REQUIRES_UNIQUE = "requires_unique"
    ADDS_REQUIRED = "adds_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One such change, seen in the catalogue. Names are those from before the run: `public.users`, `phone`.

    `to` is the new type, or the unique index. `written`: the run had written rows of the table by then, so that what
    is counted before the run says little. `nulls_count`: to the unique index, NULLs are equal.
    """

    kind: ChangeKind
    table: str
    revision: str
    columns: tuple[str, ...] = ()
    to: str = ""
    written: bool = False
    nulls_count: bool = False
