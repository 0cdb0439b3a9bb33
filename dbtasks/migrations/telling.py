"""What a person is told while a migration waits for others."""

from __future__ import annotations

from dbtasks.migrations.events import Blocked, Event, LockWait, TriedAgain


def waiting(event: Event, database: str, wait_s: float) -> str:
    """Return the line for an event of waiting, which names the others; nothing for any other event.

    >>> waiting(Blocked(revision="d7aa", by=("pid 7, role anna, psql, idle in transaction",)), "shop_stg", 30.0)
    'd7aa waits for a lock, after pid 7, role anna, psql, idle in transaction'
    >>> waiting(TriedAgain(revision="d7aa", blockers="", number=2, tries=5, pause_s=0.71), "shop_stg", 30.0)
    'd7aa got no lock and went back; try 2 of 5 in 0.7 s'
    """
    match event:
        case LockWait(holder=holder):
            return f"somebody else migrates {database}: {holder}; up to {wait_s:g} s"
        case Blocked(revision=revision, by=by):
            return f"{revision} waits for a lock, after {'; '.join(by)}"
        case TriedAgain(revision=revision, number=number, tries=tries, pause_s=pause_s):
            return f"{revision or 'the worker'} got no lock and went back; try {number} of {tries} in {pause_s:.1f} s"
        case _:
            return ""
