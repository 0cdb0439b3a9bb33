"""check: look at a tier closely, and say what is wrong."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.roles import Part

OPERATION = Operation(
    name="check",
    effect=Effect.READ,
    summary="Validate the settings, connect to every tier, and say what is wrong and how to mend it.",
    catalogue_only=True,
    part=Part.READER,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return a plan without steps: the evidence is the answer."""
    del materials  # what is looked at needs nothing of the project
    return plan_of(OPERATION, evidence, Effect.READ, ())
