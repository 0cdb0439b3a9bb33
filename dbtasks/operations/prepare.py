"""prepare: keep what the next reset needs, so that it is a rename."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.operations import reset
from dbtasks.plan import KeepReady, Plan, plan_of

OPERATION = Operation(
    name="prepare",
    effect=Effect.ADD,
    summary="Keep a template of what a reset would build, and a warm spare of it; what is in service is not touched.",
    seeds=True,
    builds=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan: a reset's build, kept instead of swapped in."""
    return plan_of(OPERATION, evidence, Effect.ADD, (*reset.build(evidence, materials), KeepReady()))
