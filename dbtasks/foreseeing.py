"""What a dry run foresees: what the guard would say, also where this very process would not get as far."""

from __future__ import annotations

from dataclasses import replace

from dbtasks import card
from dbtasks.arming import Armed, Arming
from dbtasks.evidence import Evidence, Proof
from dbtasks.guard import admit, decide
from dbtasks.plan import Plan
from dbtasks.proof import Fault
from dbtasks.surroundings import Kind, Surroundings
from dbtasks.verdicts import Decision, Proceed, Refuse, Request


def foresee(request: Request, plan: Plan, evidence: Evidence, *, walks: bool) -> tuple[Decision, str]:
    """Return the verdict and its words. `walks`: the tiers before get the same revisions by the same command.

    What the live database forbids is told also where nobody is here who could consent: a CI job asks for just that.
    """
    missing = _still_missing(evidence) if walks else ""
    if missing:
        proven = replace(evidence.situation, proof=Proof.PROVEN, proof_report=None)
        evidence = replace(evidence, situation=proven)
    unarmed = request.tier.arming and evidence.situation.armed.state is not Arming.ARMED
    if unarmed:
        armed = replace(evidence.situation, armed=Armed(state=Arming.ARMED))
        evidence = replace(evidence, situation=armed)
    verdict = _verdict(request, plan, evidence)
    once = [missing] if missing else []
    if not isinstance(verdict, Refuse) and request.brought is not None:
        once = ["it is approved"]
    elif not isinstance(verdict, Refuse) and unarmed and not request.operation.arms:
        once.append("the terminal is armed")
    words = "would run" if request.brought is not None and isinstance(verdict, Proceed) else card.would(verdict)
    return verdict, words + (f", once {' and '.join(once)}" if once else "")


def meant(request: Request) -> Request:
    """Return the request that a dry run stands for. A plan for paper is run later, where nobody sits."""
    wet = replace(request, dry_run=False)
    if request.brought is None:
        return wet
    return replace(wet, surroundings=Surroundings(kind=Kind.CI, because="an approved plan is run there"))


def _verdict(request: Request, plan: Plan, evidence: Evidence) -> Decision:
    person = replace(request.surroundings, kind=Kind.TERMINAL, reloaded=False)
    forbidden, admitted = decide(replace(request, surroundings=person), plan, evidence), admit(request)
    if isinstance(forbidden, Refuse):
        return forbidden
    return admitted if isinstance(admitted, Refuse) else decide(request, plan, evidence)


def _still_missing(evidence: Evidence) -> str:
    """Return what the tier before only lacks as yet; empty where nothing, or more than that, is wrong with it."""
    report = evidence.situation.proof_report
    if report is None or {finding.fault for finding in report.findings} != {Fault.MISSING}:
        return ""
    revisions = ", ".join(dict.fromkeys(each for finding in report.findings for each in finding.revisions))
    return f"{report.tiers[-2].label} has {revisions}"
