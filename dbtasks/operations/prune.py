"""prune: drop the databases that were kept, once their retention has ended."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import DropKept, Plan, plan_of

OPERATION = Operation(
    name="prune",
    effect=Effect.DESTROY,
    summary="Drop what was kept and whose retention has ended, after showing it.",
    drops=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan: what has ended goes, by oid. Where nothing has, there is no step to take."""
    if not (materials.ended or materials.ended_backups):
        return plan_of(OPERATION, evidence, Effect.READ, ())
    step = DropKept(
        oids=tuple(each.oid for each in materials.ended if each.mark is None),
        marks=tuple(each.mark for each in materials.ended if each.mark is not None),
        backups=tuple(each.id for each in materials.ended_backups),
    )
    return plan_of(OPERATION, evidence, Effect.DESTROY, (step,))
