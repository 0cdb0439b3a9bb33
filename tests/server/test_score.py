"""The score: for each probe the system is broken from outside, and what the probe knows is taken away from it."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator

import pytest

from tests.outside import REPOSITORY
from tests.server.road import INVOKE, Project
from tests.server.score_ground import SHOWN, ask, scored, sql, url
from tests.server.score_ways import ANOTHER_ROLE, BROKEN, ELSEWHERE, UNKNOWN, the_trail_is_a_folder

pytestmark = [pytest.mark.timeout(300), pytest.mark.thorough]
# Where the tests' folders lie in memory, the kernel tells no device: then only a failure can be told from not knowing.
# Nor is there a standby.
UNTOLD = {"encryption_at_rest", "standby_lag"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Project]:
    with scored() as made:
        yield made


@pytest.fixture(scope="module")
def whole(shop: Project) -> dict[str, str]:
    """The verdicts before anything is broken."""
    found = ask(shop)
    return {name: each["verdict"] for name, each in found["evidence"].items()}


@pytest.mark.parametrize("metric", BROKEN)
def test_what_is_broken_from_outside_fails(shop: Project, whole: dict[str, str], metric: str) -> None:
    assert whole[metric] == "pass" or metric in UNTOLD
    with BROKEN[metric](shop) as environ:
        found = ask(shop, **environ)
    assert found["evidence"][metric]["verdict"] == "fail", found["evidence"][metric]
    assert {**found["metrics"], **found["further"]}[metric] is False
    assert found["evidence"][metric]["mend"]
    assert found["score"] <= (49 if found["evidence"][metric]["critical"] else 89)


@pytest.mark.parametrize("metric", UNKNOWN)
def test_what_nobody_can_know_is_unknown(shop: Project, whole: dict[str, str], metric: str) -> None:
    assert whole[metric] == "pass" or metric in UNTOLD | ANOTHER_ROLE
    with UNKNOWN[metric](shop) as environ:
        found = ask(shop, **environ)
    assert found["evidence"][metric]["verdict"] == "unknown", found["evidence"][metric]
    assert {**found["metrics"], **found["further"]}[metric] is False


def test_every_probe_is_broken_and_kept_from_knowing() -> None:
    from dbtasks.probes import PROBES

    names = {probe.ABOUT.name for probe in PROBES}
    assert names == {*BROKEN, *ANOTHER_ROLE}
    assert names == {*UNKNOWN, *ELSEWHERE}


def test_with_a_closed_input_nobody_knows_whether_a_person_sits_there(shop: Project) -> None:
    done = shop.shell(f"{' '.join(INVOKE)} score 0<&-", **SHOWN)
    assert done.code == 0, done.text
    assert "unknown  environment_detection" in done.out


def test_where_pip_has_not_installed_it_tests_are_not_isolated(shop: Project) -> None:
    code = "import runpy, sys; sys.argv = ['invoke', 'score']; runpy.run_module('invoke', run_name='__main__')"
    packages = sysconfig.get_path("purelib")
    done = shop.run([sys.executable, "-S", "-c", code], **{**SHOWN, "PYTHONPATH": f"{REPOSITORY}:{packages}"})
    assert done.code == 0, done.text
    assert "fail     test_isolation" in done.out


def test_where_no_file_can_be_written_nothing_is_planted(shop: Project) -> None:
    done = shop.shell(f"ulimit -f 0; {' '.join(INVOKE)} score", **SHOWN)
    assert done.code == 0, done.text
    assert "unknown  configuration_validation" in done.out
    assert "fail     audit_logging" in done.out


def test_a_trail_that_takes_no_entry_fails_and_the_score_is_told_all_the_same(shop: Project) -> None:
    with the_trail_is_a_folder(shop):
        done = shop.invoke("score", **SHOWN)
    assert done.code == 0, done.text
    assert "audit_logging" in done.out
    assert "pass     audit_logging" not in done.out


def test_the_role_that_migrates_rules_its_database_or_the_server(shop: Project, whole: dict[str, str]) -> None:
    sql(shop, "stg", "postgres", "CREATE ROLE mover LOGIN PASSWORD 'not-a-real-one' IN ROLE pg_read_all_data")
    place = url(shop, "stg", "scored_prod").partition("@")[2]
    found = ask(shop, database_url=f"postgresql://mover:not-a-real-one@{place}")
    assert found["evidence"]["least_privilege"]["saw"] == "PROD: mover rules its database and not the server"
    sql(shop, "stg", "postgres", "ALTER ROLE mover CREATEROLE")
    more = ask(shop, database_url=f"postgresql://mover:not-a-real-one@{place}")
    assert more["evidence"]["least_privilege"]["saw"] == "PROD: mover may make roles"
    assert [whole["least_privilege"], more["further"]["least_privilege"]] == ["fail", False]


def test_prod_is_not_asked_without_its_flag(shop: Project) -> None:
    found = ask(shop, USE_PROD_DATABASE=None)
    assert found["looked_at"] == ["int", "stg"]
    assert "not asked (USE_PROD_DATABASE is not set)" in found["evidence"]["three_tier_architecture"]["saw"]


def test_the_score_is_in_the_trail_and_comes_back_as_history(shop: Project) -> None:
    first = ask(shop, "--tier=int")
    second = ask(shop, "--tier=int")
    assert second["history"][-1]["score"] == first["score"]
    assert [each["detail"].get("score") for each in shop.trail()[-2:]] == [None, second["score"]]


def test_min_is_an_exit_code(shop: Project) -> None:
    low, wrong = shop.invoke("score --tier=int --min=100"), shop.invoke("score --min=many")
    assert (low.code, wrong.code) == (1, 2), (low.text, wrong.text)
    assert "--min asks for 100" in low.err
