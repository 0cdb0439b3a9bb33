"""downgrade: take revisions back, down to one that is named."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, Rehearsal, StampState
from dbtasks.materials import Materials
from dbtasks.plan import Plan, PutStamp, Step, TakeBack, Verify, plan_of
from dbtasks.rehearsed import fingerprint
from dbtasks.risks import ceilings
from dbtasks.roles import Part
from dbtasks.way_back import precautions

OPERATION = Operation(
    name="downgrade",
    effect=Effect.DESTROY,
    summary="Take revisions back, down to the one that is named, with whatever they have made.",
    takes_back=True,
    rehearses=True,
    part=Part.MIGRATOR,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a downgrade. Where the database is at the named revision already it only verifies."""
    verify = Verify(heads=materials.down_to)
    if not materials.back:
        return plan_of(OPERATION, evidence, Effect.READ, (verify,))
    steps: list[Step] = [_take_back(evidence, materials), verify]
    if evidence.situation.stamp is StampState.PROMOTED:
        steps.insert(0, PutStamp(floor=evidence.situation.floor))
    return plan_of(OPERATION, evidence, Effect.DESTROY, (*precautions(evidence.policy), *steps))


def _take_back(evidence: Evidence, materials: Materials) -> TakeBack:
    rehearsed = evidence.rehearsed
    done = evidence.situation.rehearsal is Rehearsal.DONE
    return TakeBack(
        revisions=materials.back,
        to=materials.to,
        retry=materials.retry,
        statements=tuple(fingerprint(rehearsed.of(each.id)) for each in materials.back) if done and rehearsed else (),
        ceilings=materials.agreed or ceilings(evidence.risks),
        lint=tuple(f"{each.rule} {each.revision}" for each in evidence.objections),
    )
