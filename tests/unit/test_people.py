"""Who may do what: how people are recognised, what the settings say of them, and what the guard makes of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from dbtasks.admission import ADMIT_RULES
from dbtasks.errors import SettingsError
from dbtasks.guard import admit
from dbtasks.operations import VERBS
from dbtasks.people import Person, Signs, known_as
from dbtasks.settings import load
from dbtasks.settings_people_keys import OPERATIONS
from dbtasks.surroundings import Kind
from dbtasks.tiers import Allowed, Marker, Tier
from dbtasks.verdicts import Proceed, Refuse
from tests.unit.guard_cells import INT, PROD, STG
from tests.unit.guard_samples import request_for

ADA = Person(name="ada", os_user="ada")
GRACE = Person(name="grace", os_user="root", git_email="grace@example.org")
JOB = Person(name="job", ci=(Marker(variable="GITHUB_REPOSITORY", value="shop"), Marker(variable="GITHUB_RUN_ID")))
NOBODY = Person(name="nobody", git_email="grace@example.org")
RUN = {"GITHUB_REPOSITORY": "shop", "GITHUB_RUN_ID": "7"}


@pytest.mark.parametrize(
    ("signs", "name"),
    [
        (Signs(os_user="ada", ci={}), "ada"),
        (Signs(os_user="Ada", ci={}), ""),
        (Signs(os_user="root", git_email="grace@example.org", ci={}), "grace"),
        (Signs(os_user="root", git_email="other@example.org", ci={}), ""),
        (Signs(os_user="root", ci={}), ""),
        (Signs(os_user="other", git_email="grace@example.org", ci={}), ""),  # an e-mail alone is anybody's
        (Signs(os_user="runner", ci=RUN), "job"),
        (Signs(os_user="runner", ci={**RUN, "GITHUB_REPOSITORY": "fork"}), ""),
        (Signs(os_user="runner", ci={**RUN, "GITHUB_RUN_ID": ""}), ""),
        (Signs(os_user="ada", ci=RUN), "job"),
        (Signs(os_user="ada", ci={"GITHUB_REPOSITORY": "fork"}), ""),  # a login is nobody's in a CI
        (Signs(os_user="twin", ci={}), ""),  # two fit: it is not known which
    ],
)
def test_a_person_is_known_where_everything_that_is_declared_fits(signs: Signs, name: str) -> None:
    twins = (Person(name="one", os_user="twin"), Person(name="two", os_user="twin"))

    assert known_as((ADA, GRACE, JOB, NOBODY, *twins), signs) == name


# The settings

BEGIN = "project: shop\n"
TIERS = """
tiers:
  int: {url: test_database_url, may_lose: everything, consent: none}
  stg:
    after: int
    url: stg_database_url
    may_lose: asked
    consent: question
"""


def settings_of(folder: Path, text: str) -> Path:
    (folder / "config").mkdir()
    (folder / "config" / "tiers.yaml").write_text(text, encoding="utf-8")
    return folder


def test_groups_and_everyone_become_names(tmp_path: Path) -> None:
    people = "people: {ada: {os_user: ada}, job: {ci: {GITHUB_REF: refs/heads/main}}}\ngroups: {us: [ada, job]}\n"
    allow = "    allow: {us: [migrate, seed], ada: [reset], everyone: [seed]}\n"
    settings = load(settings_of(tmp_path, f"{BEGIN}{people}{TIERS}{allow}"))
    stg = settings.tier("stg")

    assert settings.people == (ADA, Person(name="job", ci=(Marker(variable="GITHUB_REF", value="refs/heads/main"),)))
    assert settings.tier("int").who_may("reset") is None
    assert {name: stg.who_may(name) for name in ("migrate", "seed", "reset", "open")} == {
        "migrate": {"ada", "job"},
        "seed": {"ada", "job", "everyone"},
        "reset": {"ada"},
        "open": frozenset(),
    }


@pytest.mark.parametrize(
    ("people", "allow", "said"),
    [
        ("people: {ada: {}}", "", "people.ada: nothing by which this person could be recognised."),
        ("people: {ada: {git_email: a@b.example}}", "", "people.ada: nothing by which this person could be recogn"),
        ("people: {everyone: {os_user: x}}", "", "people.everyone: everyone means whoever it is."),
        ("people: {ada: {os_user: x, ci: {CI: null}}}", "", "people.ada.ci: a job of a CI is nobody's login."),
        ("groups: {us: [ada]}", "", "groups: 'us': nobody is called 'ada'."),
        ("people: {ada: {os_user: x}}\ngroups: {ada: [ada]}", "", "groups: 'ada' means somebody already."),
        ("groups: {us: ada}", "", "groups.us: expected a list, found 'ada'."),
        ("groups: {us: *them}", "", "groups.us: an alias."),
        ("groups: {us: [1]}", "", "groups.us.0: expected groups by name"),
        ("", "    allow: {us: [reset]}", "tiers.stg.allow: no person or group is called 'us'. There are: everyone."),
        ("", "    allow: {everyone: [rest]}", "there is no operation 'rest'. Did you mean reset?"),
        ("", "    allow: {everyone: {reset: true}}", "tiers.stg.allow.everyone: expected a list, found keys with"),
        ("", "    allow: [reset]", "tiers.stg.allow: expected lists of operations"),
    ],
)
def test_a_mistake_about_people_is_told_at_its_place(tmp_path: Path, people: str, allow: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(settings_of(tmp_path, f"{BEGIN}{people}{TIERS}{allow}\n"))

    assert said in str(caught.value)


def test_the_operations_that_can_be_allowed_are_those_that_do_more_than_look() -> None:
    assert set(OPERATIONS) == {verb.OPERATION.name for verb in VERBS if not verb.OPERATION.catalogue_only}


# The guard


@pytest.mark.parametrize("tier", [INT, STG, PROD], ids=lambda tier: str(tier.name))
def test_only_who_is_allowed_gets_past_and_looking_is_for_everybody(tier: Tier) -> None:
    rule = next(rule for rule in ADMIT_RULES if rule.__name__ == "_only_who_is_allowed_to")
    reset = Allowed(operation="reset", people=frozenset({"ada"}))
    limited = replace(tier, allow=(reset, Allowed(operation="seed", people=frozenset({"everyone"}))))
    for verb, person, flags in itertools.product(VERBS, ("ada", "eve", ""), ((), ("dry_run",), ("managed",))):
        operation = verb.OPERATION
        request = request_for(limited, operation, Kind.TERMINAL, *flags)
        request = replace(request, surroundings=replace(request.surroundings, person=person))
        looks = bool(flags) or operation.catalogue_only
        may = looks or operation.name == "seed" or (operation.name == "reset" and person == "ada")
        assert (rule(request) is None) is may, (operation.name, person)
        assert rule(replace(request, tier=tier)) is None


def test_a_refusal_names_who_may_and_the_dry_run() -> None:
    limited = replace(STG, allow=(Allowed(operation="reset", people=frozenset({"ada", "grace"})),))
    reset, seed = (next(verb.OPERATION for verb in VERBS if verb.OPERATION.name == name) for name in ("reset", "seed"))

    assert admit(request_for(limited, reset, Kind.TERMINAL)) == Refuse(
        code="E-NOT-ALLOWED",
        saw="On STG, reset is not for whoever config/tiers.yaml does not know.",
        why="It is for ada, grace.",
        instead="Show them the plan: invoke reset --tier=stg --dry-run",
    )
    refused = admit(request_for(limited, seed, Kind.TERMINAL))
    assert isinstance(refused, Refuse)
    assert (refused.code, refused.why) == ("E-NOT-ALLOWED", "It is for nobody there.")
    assert admit(request_for(STG, reset, Kind.TERMINAL)) == Proceed()
