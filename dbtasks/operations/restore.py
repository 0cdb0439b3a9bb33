"""restore: build the database from a backup beside the old one, then put it in its place."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation, Stamping
from dbtasks.evidence import Contents, Evidence
from dbtasks.materials import Materials
from dbtasks.operations.reset import swap_in
from dbtasks.plan import Plan, PutStamp, Step, plan_of
from dbtasks.way_back import Backup, RestoreBackup, precautions

OPERATION = Operation(
    name="restore",
    effect=Effect.DESTROY,
    summary="Restore a backup beside the database, compare, and swap it in; what is there now is kept.",
    replaces=True,
    restores=True,
    stamps=Stamping.EMPTY,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a restore. Without a backup there is no step to take."""
    if materials.backup is None:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    holds = evidence.situation.contents is Contents.HOLDS
    before = precautions(evidence.policy) if holds else ()
    effect = Effect.DESTROY if holds else Effect.ADD
    return plan_of(OPERATION, evidence, effect, (*before, *steps(evidence, materials.backup)))


def steps(evidence: Evidence, backup: Backup) -> tuple[Step, ...]:
    """Return the steps that put what a backup holds in the place of what is there. The floor stays as it is."""
    return (
        RestoreBackup(id=backup.id, digest=backup.digest),
        PutStamp(floor=evidence.situation.floor),
        swap_in(evidence),
    )
