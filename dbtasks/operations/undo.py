"""undo: bring back the database that the last reset, or another entry, replaced."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Contents, Evidence
from dbtasks.plan import BringBack, Materials, Plan, plan_of

OPERATION = Operation(
    name="undo",
    effect=Effect.DESTROY,
    summary="Put a replaced database back in its place; what is there now is kept, so that undo can be undone.",
    replaces=True,
    brings_back=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of an undo: one swap by renaming. Without anything kept there is no step to take."""
    if materials.kept is None:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    effect = Effect.DESTROY if evidence.situation.contents is Contents.HOLDS else Effect.ADD
    step = BringBack(oid=materials.kept.oid, keep=evidence.tier.retention, mark=materials.kept.mark)
    return plan_of(OPERATION, evidence, effect, (step,))
