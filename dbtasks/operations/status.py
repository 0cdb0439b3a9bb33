"""status: look at a tier at a glance."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.roles import Part

OPERATION = Operation(
    name="status",
    effect=Effect.READ,
    summary="One row a tier: where it leads, its revision, its stamp, what happened last.",
    catalogue_only=True,
    part=Part.READER,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return a plan without steps: the evidence is the answer."""
    del materials  # what is looked at needs nothing of the project
    return plan_of(OPERATION, evidence, Effect.READ, ())
