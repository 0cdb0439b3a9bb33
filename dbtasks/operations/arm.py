"""arm: let one terminal do more than look for a while, on a tier that asks for that first."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of

OPERATION = Operation(
    name="arm",
    effect=Effect.ADD,
    summary="Arm this terminal for a while; each operation asks as ever.",
    arms=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan: one step, or none where no terminal is to be armed."""
    if materials.arms is None:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    return plan_of(OPERATION, evidence, Effect.ADD, (materials.arms,))
