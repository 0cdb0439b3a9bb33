"""The rules of `guard.admit`: what is unthinkable before any connection exists.

Read from the top; the first rule that speaks decides. A rule only ever refuses, so that taking one away can only
loosen: the tests take each away and see an invariant break.
"""

from __future__ import annotations

from collections.abc import Callable

from dbtasks.approval_rules import refuse_forged
from dbtasks.settings_people_keys import EVERYONE
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent
from dbtasks.verdicts import Refuse, Request, probably_meant, refuse_agent, refuse_nobody, refuse_reloader

AdmitRule = Callable[[Request], Refuse | None]


def _tests_reach_only_the_default_tier(request: Request) -> Refuse | None:
    if request.surroundings.kind is not Kind.PYTEST or request.is_default:
        return None
    return Refuse(
        code="E-TEST-PIN",
        saw=f"{request.tier.label} is out of reach of tests: {request.surroundings.because}.",
        why="Tests run on the default tier only; no setting changes that.",
        instead="To see what the tests use: invoke status",
    )


def _a_guarded_tier_needs_its_flag(request: Request) -> Refuse | None:
    if not request.tier.needs_flag or request.flag_on or request.managed:
        return None
    return Refuse(
        code="E-NOT-ARMED",
        saw=f"{request.tier.flag} is not set in this environment, so {request.tier.label} is not touched.",
        why=f"{request.tier.label} is named by its flag and a person's consent, never by --tier alone.",
        instead="To see every tier and what leads where: invoke status"
        if request.operation.hands_out
        else f"To work on the default tier: invoke {request.operation.command}{probably_meant(request)}",
    )


def _a_managed_way_in_is_for_its_own_runtime(request: Request) -> Refuse | None:
    if not request.managed:
        return None
    here = request.surroundings.kind is Kind.RUNTIME and request.surroundings.runtime_tier == request.tier.name
    # A runtime is let in and may look; what writes on its own account needs the person even there.
    if here and (request.operation.hands_out or request.operation.catalogue_only):
        return None
    return Refuse(
        code="E-NOT-RUNTIME",
        saw=f"This is not the managed runtime of {request.tier.label}: {request.surroundings.because}.",
        why="The runtime's URL serves the runtime only.",
        instead="To see what every tier resolves to: invoke check",
    )


def _a_person_must_be_there(request: Request) -> Refuse | None:
    if request.looks_only or request.managed or request.tier.consent < Consent.PERSON:
        return None
    kind = request.surroundings.kind
    if kind is Kind.AGENT:
        return refuse_agent(request)
    agreed = request.brought is not None and kind is not Kind.PYTEST
    return None if kind is Kind.TERMINAL or agreed else refuse_nobody(request)


def _agents_run_no_approved_plan(request: Request) -> Refuse | None:
    brings = request.brought is not None and not request.looks_only
    return refuse_agent(request) if brings and request.surroundings.kind is Kind.AGENT else None


def _a_signature_must_be_one(request: Request) -> Refuse | None:
    if request.brought is None or request.looks_only or not request.brought.forged:
        return None
    return refuse_forged(request.brought.forged)


def _only_who_is_allowed_to(request: Request) -> Refuse | None:
    people = request.tier.who_may(request.operation.name)
    if request.looks_only or request.managed or people is None or {EVERYONE, request.surroundings.person} & people:
        return None
    who = request.surroundings.person or "whoever config/tiers.yaml does not know"
    return Refuse(
        code="E-NOT-ALLOWED",
        saw=f"On {request.tier.label}, {request.operation.name} is not for {who}.",
        why=f"It is for {', '.join(sorted(people))}." if people else "It is for nobody there.",
        instead=request.look("Show them the plan:"),
    )


def _no_prompt_under_a_reloader(request: Request) -> Refuse | None:
    if request.looks_only or request.managed or not request.surroundings.reloaded:
        return None
    return None if request.tier.consent < Consent.PERSON else refuse_reloader(request)


ADMIT_RULES: tuple[AdmitRule, ...] = (
    _tests_reach_only_the_default_tier,
    _a_managed_way_in_is_for_its_own_runtime,
    _a_guarded_tier_needs_its_flag,
    _only_who_is_allowed_to,
    _a_person_must_be_there,
    _agents_run_no_approved_plan,
    _a_signature_must_be_one,
    _no_prompt_under_a_reloader,
)
