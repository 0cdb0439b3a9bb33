"""The clearance: granted for what was typed, for one plan, once."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable

import pytest

from dbtasks.conninfo import Permit, Secret
from dbtasks.errors import ConsentNotGivenError, RefusedError
from dbtasks.evidence import Evidence, StampState
from dbtasks.guard import Clearance, clear
from dbtasks.plan import Plan
from dbtasks.surroundings import Kind
from dbtasks.verdicts import Request, draw_places, excerpt
from tests.unit.guard_cells import INT, PROD, STG
from tests.unit.guard_samples import RESET, SEED, STATUS, evidence_of, plan_for, request_for, situation_of

PROD_SEED = request_for(PROD, SEED, Kind.TERMINAL, "flag_on")
PROD_EVIDENCE = evidence_of(PROD)
PROD_PLAN = plan_for(PROD_SEED, PROD_EVIDENCE)
PHRASE = f"shop_prod {PROD_PLAN.hash[:4]}"


def granted() -> Clearance:
    return clear(PROD_SEED, PROD_PLAN, PROD_EVIDENCE, ("yes", PHRASE))


def road(request: Request) -> tuple[Request, Plan, Evidence]:
    evidence = evidence_of(request.tier)
    return request, plan_for(request, evidence), evidence


def test_the_right_replies_clear_exactly_this_plan() -> None:
    clearance = granted()

    assert (clearance.request, clearance.plan, clearance.evidence) == (PROD_SEED, PROD_PLAN, PROD_EVIDENCE)
    assert clearance.spend() is PROD_PLAN


@pytest.mark.parametrize(
    "replies",
    [
        (),
        ("yes",),
        ("", ""),
        ("yes", ""),
        ("Yes", PHRASE),
        ("y", PHRASE),
        ("yes ", PHRASE),
        ("yes\n", PHRASE),
        (" yes", PHRASE),
        ("уes", PHRASE),  # its first letter is Cyrillic
        ("yes", PHRASE + " "),
        ("yes", PHRASE.upper()),
        ("yes", PHRASE.replace("o", "о")),  # Cyrillic again
        ("yes", PHRASE.replace(" ", "\u00a0")),
        ("yes", "shop_prod"),
        ("yes", f"shop_prod {PROD_PLAN.hash[:3]}"),
        ("yes", f"shop_prod {PROD_PLAN.hash[1:5]}"),
        ("yes", f"shop_stg {PROD_PLAN.hash[:4]}"),
        (PHRASE, "yes"),
        ("yes", PHRASE, "yes"),
    ],
    ids=ascii,
)
def test_any_other_reply_clears_nothing(replies: tuple[str, ...]) -> None:
    with pytest.raises(ConsentNotGivenError, match=r"^Not confirmed\. Nothing was changed\.$"):
        clear(PROD_SEED, PROD_PLAN, PROD_EVIDENCE, replies)


def test_yes_answers_where_scripts_may_answer() -> None:
    request, plan, evidence = road(request_for(STG, RESET, Kind.CI, "yes"))

    assert clear(request, plan, evidence).spend() is plan


def test_without_yes_the_same_question_needs_its_answer() -> None:
    request, plan, evidence = road(request_for(STG, RESET, Kind.TERMINAL))

    with pytest.raises(ConsentNotGivenError):
        clear(request, plan, evidence)
    assert clear(request, plan, evidence, ("shop_stg",)).spend() is plan


def test_what_nobody_is_asked_is_cleared_without_replies() -> None:
    request, plan, evidence = road(request_for(INT, RESET, Kind.SCRIPT))

    assert clear(request, plan, evidence).spend() is plan


def test_a_refusal_before_connecting_clears_nothing_whatever_was_typed() -> None:
    request, plan, evidence = road(request_for(PROD, SEED, Kind.AGENT, "flag_on", "yes"))

    with pytest.raises(RefusedError) as refused:
        clear(request, plan, evidence, ("yes", PHRASE))
    assert refused.value.code == "E-AGENT"


def test_a_refusal_after_looking_clears_nothing_whatever_was_typed() -> None:
    foreign = dataclasses.replace(situation_of(PROD), stamp=StampState.OTHER_TIER)
    evidence = evidence_of(PROD, foreign)

    with pytest.raises(RefusedError) as refused:
        clear(PROD_SEED, PROD_PLAN, evidence, ("yes", PHRASE))
    assert refused.value.code == "E-STAMP"


@pytest.mark.parametrize(
    "request_",
    [request_for(INT, RESET, Kind.SCRIPT, "dry_run"), request_for(INT, STATUS, Kind.SCRIPT)],
    ids=["dry", "look"],
)
def test_what_only_looks_is_never_cleared(request_: Request) -> None:
    request, plan, evidence = road(request_)

    with pytest.raises(TypeError, match="needs no Clearance"):
        clear(request, plan, evidence)


def test_a_clearance_is_spent_once() -> None:
    clearance = granted()
    clearance.spend()

    with pytest.raises(RefusedError) as refused:
        clearance.spend()
    assert str(refused.value) == (
        "refused (E-SPENT)\n  This clearance has run its plan already.\n"
        "  What one person agreed to happens once.\n  To plan it anew: invoke seed --tier=prod --dry-run"
    )


def _construct(clearance: Clearance) -> object:
    return Clearance(object(), clearance.request, clearance.plan, clearance.evidence)


def _replace(clearance: Clearance) -> object:
    return dataclasses.replace(clearance, plan=PROD_PLAN)  # type: ignore[type-var] # the mistake under test


def _swap_the_plan(clearance: Clearance) -> object:
    clearance.plan = PROD_PLAN
    return clearance


def _spend_again(clearance: Clearance) -> object:
    clearance._spent = False
    return clearance


def _subclass(_: Clearance) -> object:
    return type("Forged", (Clearance,), {})


@pytest.mark.parametrize(
    "forge",
    [_construct, copy.copy, copy.deepcopy, pickle.dumps, _replace, _swap_the_plan, _spend_again, _subclass],
    ids=lambda forge: forge.__name__.strip("_"),
)
def test_a_clearance_cannot_be_made_from_another_by(forge: Callable[[Clearance], object]) -> None:
    with pytest.raises(TypeError):
        forge(granted())


def test_an_instance_made_past_the_constructor_has_no_plan_to_run() -> None:
    hollow = object.__new__(Clearance)

    with pytest.raises(AttributeError):
        hollow.spend()


def test_a_clearance_reveals_a_secret_and_nothing_less_does() -> None:
    secret = Secret("hunter2-of-the-shop")

    assert secret.reveal(granted()) == "hunter2-of-the-shop"
    for other in (None, object(), PROD_PLAN, PROD_SEED):
        with pytest.raises(TypeError):
            secret.reveal(other)  # type: ignore[arg-type] # the mistake under test
    with pytest.raises(TypeError):
        Permit()


def test_the_places_of_the_phrase_are_drawn_anew_for_each_request() -> None:
    drawn = {draw_places() for _ in range(20)}

    assert len(drawn) > 15
    assert all(len(places) == 4 and all(0 <= place < 64 for place in places) for places in drawn)


def test_an_excerpt_holds_the_characters_at_the_places_drawn() -> None:
    assert excerpt("0123456789abcdef" * 4, (15, 63, 0, 17)) == "ff01"


def test_a_spent_clearance_names_its_sessions_after_its_entry() -> None:
    clearance = granted()
    assert (clearance.entry, clearance.application_name) == (None, "dbtasks")
    clearance.spend(7)
    assert (clearance.entry, clearance.application_name) == (7, "dbtasks/7")


def test_a_permit_without_an_entry_has_the_name_alone() -> None:
    class Look(Permit):
        pass

    assert (Look().entry, Look().application_name) == (None, "dbtasks")
