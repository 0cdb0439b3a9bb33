"""restore_beside: make a database of a backup, beside the one in service."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.way_back import NameBeside, RestoreBackup

OPERATION = Operation(
    name="restore_beside",
    effect=Effect.ADD,
    summary="Restore a backup as a database of another name, which no command takes for the tier until it is adopted.",
    restores=True,
    asked_as="restore --into",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan: a database more, and nothing else. It keeps its source's stamp, which is not its own."""
    if materials.backup is None or not materials.into:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    restored = RestoreBackup(id=materials.backup.id, digest=materials.backup.digest)
    return plan_of(OPERATION, evidence, Effect.ADD, (restored, NameBeside(name=materials.into)))
