"""lint: judge statements by what the catalogue says of the tables that they touch."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.roles import Part

OPERATION = Operation(
    name="lint",
    effect=Effect.READ,
    summary="Say what statements would lock, rewrite and lose, and what to write instead.",
    catalogue_only=True,
    part=Part.READER,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return a plan without steps: the findings are the answer."""
    del materials  # what is looked at needs nothing of the project
    return plan_of(OPERATION, evidence, Effect.READ, ())
