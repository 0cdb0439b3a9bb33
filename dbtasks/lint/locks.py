"""PostgreSQL's table locks, as `pg_locks.mode` spells them, weakest first; and what each keeps others from.

Source: the manual, 13.3.1 Table-Level Locks.
"""

from __future__ import annotations

ACCESS_SHARE = "AccessShareLock"
ROW_SHARE = "RowShareLock"
ROW_EXCLUSIVE = "RowExclusiveLock"
SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
SHARE = "ShareLock"
SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
EXCLUSIVE = "ExclusiveLock"
ACCESS_EXCLUSIVE = "AccessExclusiveLock"

MODES = (
    ACCESS_SHARE,
    ROW_SHARE,
    ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    SHARE,
    SHARE_ROW_EXCLUSIVE,
    EXCLUSIVE,
    ACCESS_EXCLUSIVE,
)

_BLOCKS = {
    ACCESS_EXCLUSIVE: "reads and writes",
    EXCLUSIVE: "writes",
    SHARE_ROW_EXCLUSIVE: "writes",
    SHARE: "writes",
    SHARE_UPDATE_EXCLUSIVE: "other schema changes",
    ROW_EXCLUSIVE: "index builds and other schema changes",
    ROW_SHARE: "other schema changes",
}


def blocks(mode: str) -> str:
    """Return what nobody else can do on a table while this lock is held, in words; empty for no lock.

    >>> blocks("ShareLock"), blocks("")
    ('writes', '')
    """
    return _BLOCKS.get(mode, "")


def blocks_writes(mode: str) -> bool:
    """Return whether INSERT, UPDATE and DELETE wait for this lock."""
    return mode in MODES and MODES.index(mode) >= MODES.index(SHARE)
