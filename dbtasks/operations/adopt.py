"""adopt: stamp a database that is already there, on purpose."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation, Stamping
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, PutStamp, RecordBaseline, Step, plan_of

OPERATION = Operation(
    name="adopt",
    effect=Effect.ADD,
    summary="Stamp an existing database as this tier, with what the tier may lose and who must consent.",
    stamps=Stamping.ANY,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of an adoption. The floor is the tier's own: this is the one way to lower it.

    What the version table says to be there already becomes the ledger's baseline.
    """
    there, unknown = materials.unrecorded, materials.unknown
    baseline: tuple[Step, ...] = (RecordBaseline(revisions=there, unknown=unknown),) if there or unknown else ()
    return plan_of(OPERATION, evidence, Effect.ADD, (PutStamp(floor=evidence.tier.floor), *baseline))
