"""backup: take a backup and show that it can be read."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.roles import Part
from dbtasks.way_back import Policy, TakeBackup

OPERATION = Operation(
    name="backup",
    effect=Effect.ADD,
    summary="Take a backup and show that it can be read; the database stays as it is.",
    saves=True,
    part=Part.BACKUP,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:  # noqa: ARG001 - every verb has the same signature
    """Return the plan of a backup: it reads every row, and so is more than a look."""
    policy = evidence.policy or Policy()
    steps = (TakeBackup(engine=policy.backup, sealed_to=policy.sealed_to),) if policy.backup else ()
    return plan_of(OPERATION, evidence, Effect.ADD if steps else Effect.READ, steps)
