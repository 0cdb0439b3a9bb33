"""recover: bring a second server to a point before the damage, and take a backup of what is there."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.way_back import Policy, RecoverTo, TakeBackup

OPERATION = Operation(
    name="recover",
    effect=Effect.ADD,
    summary="Recover the server as it was at a point in time, beside the live one, and show what is different there.",
    saves=True,
    recovers=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a recovery: the live server is not touched. Without an engine there is no step to take."""
    policy = evidence.policy or Policy()
    if not (policy.mark and materials.goal):
        return plan_of(OPERATION, evidence, Effect.READ, ())
    saved = (TakeBackup(engine=policy.backup, sealed_to=policy.sealed_to),) if policy.backup else ()
    return plan_of(OPERATION, evidence, Effect.ADD, (RecoverTo(engine=policy.mark, goal=materials.goal), *saved))
