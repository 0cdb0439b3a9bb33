"""Adds to the evidence what an approval comes to that was brought: for the plan of now, by the server's clock."""

from __future__ import annotations

from dataclasses import replace

from dbtasks import spent
from dbtasks.approval_rules import demanded
from dbtasks.brought import Approval, Brought, Scales, weigh
from dbtasks.evidence import own_stamp
from dbtasks.survey import Survey
from dbtasks.targets import Target


def weighed(brought: Brought, target: Target, seen: Survey, *, dry_run: bool) -> Survey:
    """Return the survey with it. A dry run is told what would be said once those who must agree have done so."""
    if dry_run:
        return _with(seen, Approval.GIVEN, "")
    evidence, plan = seen.evidence, seen.plan
    situation, database = evidence.situation, evidence.database
    if database is None:
        return _with(seen, Approval.NO_SIGNERS, "There is no database, so that no stamp says who may sign.")
    clock, used = spent.look_up(target.conninfo.as_login(), brought.id)
    stamp = own_stamp(evidence.server, database)
    number = demanded(plan.operation.stamps, situation.floor.approvals, situation.approvals_before)
    scales = Scales(
        plan=plan.hash,
        server=evidence.server.system_identifier,
        oid=database.oid,
        demanded=number,
        signers=stamp.floor.signers_digest if stamp else None,
        clock=clock,
        within=target.tier.approve_within,
        spent=used,
    )
    found = weigh(brought, scales)
    return _with(seen, found.approval, found.why)


def _with(seen: Survey, approval: Approval, said: str) -> Survey:
    situation = replace(seen.evidence.situation, approval=approval, approval_said=said)
    return replace(seen, evidence=replace(seen.evidence, situation=situation))
