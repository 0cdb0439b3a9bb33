"""Verdicts that people rely on, each an exact cell, and the questions that they are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.effects import Operation
from dbtasks.evidence import Proof, Route, StampState
from dbtasks.guard import admit, decide
from dbtasks.surroundings import Kind, Surroundings
from dbtasks.tiers import Consent, Tier
from dbtasks.verdicts import Ask, Decision, Proceed, Question, Refuse, Request
from tests.unit.guard_cells import INT, PREVIEW, PROD, STG
from tests.unit.guard_samples import (
    ABSENT,
    ADOPT,
    EMPTY,
    MIGRATE,
    OPEN,
    RESET,
    SEED,
    STATUS,
    evidence_of,
    plan_for,
    request_for,
    verdict_on,
)

TERMINAL, SCRIPT, AGENT, CI, RUNTIME = Kind.TERMINAL, Kind.SCRIPT, Kind.AGENT, Kind.CI, Kind.RUNTIME
TIMELINE = "The server's timeline has changed (a failover, or a promoted copy?)."


def kind_of(verdict: Decision, request: Request) -> str:
    match verdict:
        case Proceed():
            return "proceeds"
        case Refuse():
            return verdict.code
        case Ask() if verdict.yes_counts and request.yes:
            return "answered by --yes"
        case Ask():
            return f"asks {len(verdict.questions)}"


@pytest.mark.parametrize(
    ("tier", "operation", "kind", "flags", "seen", "expected"),
    [
        pytest.param(INT, RESET, AGENT, (), {}, "proceeds", id="an agent resets INT"),
        pytest.param(INT, RESET, CI, (), {}, "proceeds", id="CI resets INT"),
        pytest.param(INT, RESET, Kind.PYTEST, (), {}, "proceeds", id="pytest resets INT"),
        pytest.param(INT, RESET, SCRIPT, (), {}, "proceeds", id="a script resets INT"),
        pytest.param(INT, RESET, SCRIPT, (), EMPTY, "proceeds", id="reset adopts a fresh empty database"),
        pytest.param(INT, RESET, AGENT, (), ABSENT, "proceeds", id="an agent builds INT from nothing"),
        pytest.param(INT, MIGRATE, Kind.PYTEST, (), EMPTY, "proceeds", id="migrate adopts a fresh empty database"),
        pytest.param(STG, SEED, SCRIPT, (), {}, "proceeds", id="a script seeds STG"),
        pytest.param(STG, MIGRATE, CI, (), {"proof": Proof.PROVEN}, "proceeds", id="CI migrates STG when proven"),
        pytest.param(STG, SEED, CI, (), {"proof": Proof.UNPROVEN}, "proceeds", id="seeds need no proof"),
        pytest.param(STG, OPEN, SCRIPT, (), {"route": Route.POOLED}, "proceeds", id="a pooler serves applications"),
        pytest.param(STG, OPEN, TERMINAL, ("reloaded",), {}, "proceeds", id="uvicorn --reload on STG"),
        pytest.param(STG, RESET, AGENT, (), ABSENT, "proceeds", id="an agent builds STG from nothing"),
        pytest.param(STG, RESET, CI, ("yes",), {}, "answered by --yes", id="CI resets STG with --yes"),
        pytest.param(STG, RESET, TERMINAL, ("yes",), {}, "answered by --yes", id="a person resets STG with --yes"),
        pytest.param(STG, RESET, TERMINAL, (), {}, "asks 1", id="a person resets STG"),
        pytest.param(STG, RESET, CI, (), {}, "E-NO-ANSWER", id="CI resets STG without --yes"),
        pytest.param(STG, RESET, AGENT, ("yes",), {}, "E-AGENT", id="an agent resets STG with --yes"),
        pytest.param(PREVIEW, RESET, CI, ("yes",), {}, "E-NO-ANSWER", id="--yes where scripts may not answer"),
        pytest.param(STG, ADOPT, TERMINAL, (), {"stamp": StampState.MISSING}, "asks 1", id="a person adopts STG"),
        pytest.param(STG, ADOPT, TERMINAL, (), {"stamp": StampState.COPIED}, "asks 1", id="a person adopts a copy"),
        pytest.param(STG, MIGRATE, TERMINAL, (), {"stamp": StampState.PROMOTED}, "asks 1", id="after a failover"),
        pytest.param(PROD, STATUS, AGENT, ("flag_on",), {}, "proceeds", id="an agent looks at PROD"),
        pytest.param(PROD, RESET, SCRIPT, ("flag_on", "dry_run"), {}, "proceeds", id="a script plans for PROD"),
        pytest.param(PROD, SEED, CI, ("flag_on", "yes"), {}, "E-NO-PERSON", id="CI seeds PROD with --yes"),
        pytest.param(PROD, SEED, TERMINAL, ("flag_on", "yes"), {}, "asks 2", id="a person seeds PROD with --yes"),
        pytest.param(PROD, RESET, TERMINAL, ("flag_on",), {}, "asks 2", id="a person resets PROD"),
        pytest.param(PROD, ADOPT, TERMINAL, ("flag_on",), {"stamp": StampState.MISSING}, "asks 2", id="PROD adopted"),
        pytest.param(PROD, OPEN, TERMINAL, ("flag_on",), {}, "asks 2", id="a person opens PROD to write"),
        pytest.param(PROD, OPEN, TERMINAL, ("flag_on", "read_only"), {}, "asks 2", id="a person reads PROD"),
        pytest.param(PROD, SEED, TERMINAL, ("flag_on", "read_only"), {}, "asks 2", id="read-only does not shorten"),
        pytest.param(PROD, OPEN, RUNTIME, ("managed",), {}, "proceeds", id="PROD's runtime gets its own way in"),
        pytest.param(
            PROD, OPEN, RUNTIME, ("managed",), {"stamp": StampState.PROMOTED}, "proceeds", id="also after a failover"
        ),
        pytest.param(PROD, MIGRATE, RUNTIME, ("managed",), {}, "E-NOT-RUNTIME", id="a runtime migrates nothing"),
    ],
)
def test_a_promise_holds(
    tier: Tier, operation: Operation, kind: Kind, flags: tuple[str, ...], seen: dict[str, object], expected: str
) -> None:
    request = request_for(tier, operation, kind, *flags)

    assert kind_of(verdict_on(request, **seen), request) == expected


def test_an_agents_yes_counts_where_everything_may_be_lost() -> None:
    tier = replace(INT, consent=Consent.QUESTION)
    request = request_for(tier, RESET, AGENT, "yes")

    assert kind_of(verdict_on(request), request) == "answered by --yes"


def test_a_runtimes_marker_under_pytest_opens_nothing() -> None:
    around = Surroundings(kind=Kind.PYTEST, because="PYTEST_VERSION is set", runtime_tier="int")
    request = Request(operation=OPEN, tier=INT, surroundings=around, is_default=True, managed=True)

    assert kind_of(admit(request), request) == "E-NOT-RUNTIME"


def questions_of(request: Request, **seen: object) -> tuple[Question, ...]:
    verdict = verdict_on(request, **seen)
    assert isinstance(verdict, Ask)
    return verdict.questions


def test_prod_asks_for_yes_and_then_for_a_phrase_made_of_name_and_hash() -> None:
    request = replace(request_for(PROD, SEED, TERMINAL, "flag_on"), places=(3, 60, 0, 17))
    evidence = evidence_of(PROD)
    digest = plan_for(request, evidence).hash
    phrase = f"shop_prod {digest[3]}{digest[60]}{digest[0]}{digest[17]}"

    assert questions_of(request) == (
        Question(prompt="Type 'yes' to confirm production access:", expected="yes"),
        Question(prompt=f"Type {phrase} to run exactly this plan:", expected=phrase),
    )


def test_prod_is_told_of_a_changed_timeline_before_the_phrase_is_typed() -> None:
    request = request_for(PROD, SEED, TERMINAL, "flag_on")

    assert questions_of(request, stamp=StampState.PROMOTED)[1].prompt.startswith(f"{TIMELINE} Type shop_prod ")


@pytest.mark.parametrize(
    ("operation", "seen", "prompt"),
    [
        (RESET, {}, "Reset [STG] shop_stg? Type its name to go on:"),
        (ADOPT, {"stamp": StampState.MISSING}, "Adopt [STG] shop_stg? Type its name to go on:"),
        (
            SEED,
            {"stamp": StampState.PROMOTED},
            f"{TIMELINE} Go on with [STG] shop_stg? Type its name to go on:",
        ),
    ],
    ids=["destroying", "taking over", "after a failover"],
)
def test_a_tier_below_consent_asks_for_the_databases_name(
    operation: Operation, seen: dict[str, object], prompt: str
) -> None:
    expected = (Question(prompt=prompt, expected="shop_stg"),)

    assert questions_of(request_for(STG, operation, TERMINAL), **seen) == expected


@pytest.mark.parametrize("change", ["operation", "tier", "project", "database", "server", "target"])
def test_a_plan_made_for_something_else_is_refused(change: str) -> None:
    request = request_for(INT, SEED, SCRIPT)
    evidence = evidence_of(INT)
    other = {"operation": RESET, "server": 1, "target": None}.get(change, "other")
    plan = replace(plan_for(request, evidence), **{change: other})

    verdict = decide(request, plan, evidence)

    assert kind_of(verdict, request) == "E-PLAN"


def test_evidence_of_another_tier_is_refused() -> None:
    request = request_for(INT, SEED, SCRIPT)
    evidence = evidence_of(STG)

    assert kind_of(decide(request, plan_for(request, evidence), evidence), request) == "E-PLAN"
