"""open: give a process the way in. `shell`, `run`, `database_url()` and `connect()` are all this one verb."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import HandOut, Plan, plan_of

OPERATION = Operation(
    name="open",
    effect=Effect.CHANGE,
    summary="Give a command or this process the way into the database.",
    hands_out=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of an opening: which command gets the way in, and whether it may write."""
    effect = Effect.READ if materials.read_only else Effect.CHANGE
    step = HandOut(command=materials.command, read_only=materials.read_only, purpose=materials.purpose)
    return plan_of(OPERATION, evidence, effect, (step,))
