"""copy_back: copy chosen tables out of a backup into the database that is in service."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.way_back import Back, CopyBack, precautions

OPERATION = Operation(
    name="copy_back",
    effect=Effect.DESTROY,
    summary="Copy chosen tables out of a backup into the database as it is, in one transaction.",
    restores=True,
    asked_as="restore --table",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of copying tables back. Rows that are missing only are added; anything else destroys."""
    backup = materials.backup
    if backup is None or not materials.tables:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    step = CopyBack(id=backup.id, digest=backup.digest, tables=materials.tables, back=materials.back_how)
    if materials.back_how is Back.MISSING:
        return plan_of(OPERATION, evidence, Effect.CHANGE, (step,))
    return plan_of(OPERATION, evidence, Effect.DESTROY, (*precautions(evidence.policy), step))
