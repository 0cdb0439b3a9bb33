"""Revisions that left their transaction and did not come back: which of them stop a run, and where a downgrade leads.

Whoever has put one right lets it run again, with `--retry`: upwards where it does not stand, else downwards.
"""

from __future__ import annotations

from dbtasks.evidence import Database, Torn
from dbtasks.materials import Materials
from dbtasks.migrations import lineage
from dbtasks.migrations.history import History


def torn(history: History | None, database: Database | None, materials: Materials, *, back: bool) -> tuple[Torn, ...]:
    """Return those that nobody lets run again, or that this run would not touch. `back`: it takes revisions back."""
    if history is None or database is None or not database.torn:
        return ()
    runs = {each.id for each in (materials.back if back else materials.pending)}
    there = lineage.standing(history, database.revisions)
    below = {each.id: each.down for each in history.revisions if each.id in there}
    return tuple(
        Torn(revision=each, back_to=_target(below[each]) if each in below else "")
        for each in database.torn
        if each not in runs or each not in materials.retry
    )


def _target(down: tuple[str, ...]) -> str:
    """Return what `--to` names; a revision that merges others has no single one before it."""
    return "<revision>" if len(down) > 1 else down[0] if down else "base"
