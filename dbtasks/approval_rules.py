"""The rules of `guard.decide` about approvals: demanded of a tier, and brought in place of a person who is asked.

They stand in the one table of `judgement`; what holds for its rules holds for these.
"""

from __future__ import annotations

from dbtasks.brought import Approval
from dbtasks.effects import Stamping
from dbtasks.surroundings import Kind, Surroundings
from dbtasks.verdicts import Case, DecideRule, Refuse, refuse, to_approve

_CODES = {
    Approval.NOT_WEIGHED: "E-APPROVALS",
    Approval.FORGED: "E-SIGNATURE",
    Approval.NO_SIGNERS: "E-SIGNERS",
    Approval.OTHER_SIGNERS: "E-SIGNERS",
    Approval.OTHER_TARGET: "E-OTHER-TARGET",
    Approval.SPENT: "E-REPLAYED",
    Approval.ENDED: "E-ENDED",
    Approval.NOT_YET: "E-ENDED",
    Approval.OTHER_PLAN: "E-CHANGED",
    Approval.TOO_FEW: "E-APPROVALS",
}


def refuse_forged(why: str) -> Refuse:
    return refuse("E-SIGNATURE", why, instead="Ask for it anew: invoke plan <operation> --tier=<tier> --out=plan.json")


def refuse_approver(around: Surroundings) -> Refuse | None:
    """Return why whoever is here may not approve a plan: a person at a terminal may."""
    if around.kind is Kind.TERMINAL and not around.reloaded:
        return None
    agent = around.kind is Kind.AGENT
    saw = "This command was started by an AI agent" if agent else "Nobody is here who could read the plan and agree"
    why = "To the agent: stop here and show the plan to the person you work for." if agent else "Nothing was signed."
    return Refuse(
        code="E-AGENT" if agent else "E-NO-PERSON",
        saw=f"{saw} ({around.because}).",
        why=why,
        instead="A person who may sign, at a terminal: invoke approve plan.json",
    )


def demanded(operation_stamps: Stamping, floor: int, before: int) -> int:
    """Return how many must agree: to change what a stamp demands, as many as it demands until then."""
    return before if operation_stamps is Stamping.ANY else floor


def _an_approval_must_hold(case: Case) -> Refuse | None:
    situation, request = case.situation, case.request
    if request.brought is None or situation.approval is Approval.GIVEN:
        return None
    why = situation.approval_said or f"The approval was not looked at: {situation.approval.value}."
    tier = request.tier
    instead = to_approve(request)
    if situation.approval is Approval.TOO_FEW:
        instead = "Others who may sign, at a terminal: invoke approve plan.json"
    elif situation.approval in (Approval.NO_SIGNERS, Approval.OTHER_SIGNERS):
        instead = f"At a terminal, to say who may sign: invoke adopt --tier={tier.name}"
    return refuse(_CODES[situation.approval], why, instead=instead)


def _approvals_must_be_brought(case: Case) -> Refuse | None:
    situation, request = case.situation, case.request
    number = demanded(request.operation.stamps, situation.floor.approvals, situation.approvals_before)
    if not number or request.managed or request.brought is not None:
        return None
    people = f"{number} {'person' if number == 1 else 'people'}"
    text = f"{case.database} demands that {people} approve a plan, besides whoever asks."
    looks = f"To see where it leads: invoke status --tier={request.tier.name}"
    return refuse("E-APPROVALS", text, instead=to_approve(request) if request.operation.on_paper else looks)


APPROVAL_RULES: tuple[DecideRule, ...] = (_an_approval_must_hold, _approvals_must_be_brought)
