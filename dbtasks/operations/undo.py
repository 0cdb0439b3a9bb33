"""undo: bring back what the last destructive entry of the trail, or another one, took out of service or away."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Contents, Evidence
from dbtasks.materials import Materials
from dbtasks.operations import restore
from dbtasks.plan import BringBack, Plan, plan_of
from dbtasks.way_back import precautions

OPERATION = Operation(
    name="undo",
    effect=Effect.DESTROY,
    summary="Put a replaced database back in its place; what is there now is kept, so that undo can be undone.",
    replaces=True,
    brings_back=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of an undo: one swap by renaming, or where only a backup is left, a restore and a swap.

    Without anything to bring back there is no step to take.
    """
    holds = evidence.situation.contents is Contents.HOLDS
    effect = Effect.DESTROY if holds else Effect.ADD
    before = precautions(evidence.policy) if holds else ()
    if materials.kept is not None:
        step = BringBack(oid=materials.kept.oid, keep=evidence.tier.retention, mark=materials.kept.mark)
        return plan_of(OPERATION, evidence, effect, (*before, step))
    if materials.backup is not None:
        return plan_of(OPERATION, evidence, effect, (*before, *restore.steps(evidence, materials.backup)))
    return plan_of(OPERATION, evidence, Effect.READ, ())
