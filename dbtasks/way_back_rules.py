"""The rule of `guard.decide` about what is destroyed inside of a database: only where it can be brought back.

Where a whole database is replaced, the old one is kept: `judgement` sees to that.
"""

from __future__ import annotations

from dbtasks.effects import Effect
from dbtasks.evidence import WayBack
from dbtasks.tiers import Loss
from dbtasks.verdicts import Case, DecideRule, Refuse, refuse


def _what_is_destroyed_can_be_brought_back(case: Case) -> Refuse | None:
    operation, situation = case.request.operation, case.situation
    keeps = operation.replaces or operation.drops or operation.lifts  # guards hold no rows
    inside = case.effect is Effect.DESTROY and not keeps
    if not inside or situation.floor.may_lose is Loss.EVERYTHING or situation.way_back is WayBack.PROVIDED:
        return None
    if situation.way_back is WayBack.WAIVED and situation.floor.may_lose is not Loss.NOTHING:
        return None
    why = situation.no_way_back or "its tier takes none"
    look = f"To see what one needs: invoke backup --tier={case.request.tier.name} --dry-run"
    return refuse("E-NO-BACKUP", f"{case.database} would lose data without a backup of it: {why}.", instead=look)


WAY_BACK_RULES: tuple[DecideRule, ...] = (_what_is_destroyed_can_be_brought_back,)
