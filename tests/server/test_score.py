"""The score: for each probe the system is broken from outside, and what the probe knows is taken away from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.server.road import INVOKE, PASSWORD, Project
from tests.server.score_ground import SHOWN, ask, away, changed, scored, written

pytestmark = [pytest.mark.timeout(300), pytest.mark.thorough]
TIERS, TRAIL = "config/tiers.yaml", "logs/database_audit.jsonl"
Environ = dict[str, str | None]
Way = Callable[[Project], AbstractContextManager[Environ]]


@pytest.fixture(scope="module")
def shop() -> Iterator[Project]:
    with scored() as made:
        yield made


@contextmanager
def stg_is_int(made: Project) -> Iterator[Environ]:
    yield {"stg_database_url": made.server_url("int", "scored_int")}


@contextmanager
def stg_is_down(_: Project) -> Iterator[Environ]:
    yield {"stg_database_url": f"postgresql://anna:{PASSWORD[:1]}@127.0.0.1:1/scored_stg"}


@contextmanager
def an_entry_is_edited(made: Project) -> Iterator[Environ]:
    with changed(made, TRAIL, ('"operation":"adopt"', '"operation":"admit"')):
        yield {}


@contextmanager
def no_trail(made: Project) -> Iterator[Environ]:
    with away(made, TRAIL):
        yield {}
        (made.root / TRAIL).unlink()


@contextmanager
def the_trail_is_a_folder(made: Project) -> Iterator[Environ]:
    with away(made, TRAIL):
        (made.root / TRAIL).mkdir()
        yield {}
        (made.root / TRAIL).rmdir()


@contextmanager
def prod_is_green(made: Project) -> Iterator[Environ]:
    with changed(made, TIERS, ("colour: red", "colour: green")):
        yield {}


@contextmanager
def no_colour(_: Project) -> Iterator[Environ]:
    yield {"NO_COLOR": "1"}


@contextmanager
def no_revisions(made: Project) -> Iterator[Environ]:
    with away(made, "migrations"):
        yield {}


@contextmanager
def a_password_in_a_log(made: Project) -> Iterator[Environ]:
    with written(made, "logs/deploy.log", f"connecting to {made.urls['stg_database_url']}\n"):
        yield {}


@contextmanager
def a_log_that_leads_nowhere(made: Project) -> Iterator[Environ]:
    link = made.root / "logs" / "old.log"
    link.symlink_to(made.root / "gone.log")
    yield {}
    link.unlink()


BROKEN: dict[str, Way] = {
    "three_tier_architecture": stg_is_int,
    "audit_logging": an_entry_is_edited,
    "visual_indicators": prod_is_green,
    "configuration_validation": no_revisions,
    "masked_urls": a_password_in_a_log,
}
UNKNOWN: dict[str, Way] = {
    "three_tier_architecture": stg_is_down,
    "audit_logging": no_trail,
    "visual_indicators": no_colour,
    "masked_urls": a_log_that_leads_nowhere,
}


@pytest.fixture(scope="module")
def whole(shop: Project) -> dict[str, str]:
    """The verdicts before anything is broken."""
    found = ask(shop)
    return {name: each["verdict"] for name, each in found["evidence"].items()}


@pytest.mark.parametrize("metric", BROKEN)
def test_what_is_broken_from_outside_fails(shop: Project, whole: dict[str, str], metric: str) -> None:
    assert whole[metric] == "pass"
    with BROKEN[metric](shop) as environ:
        found = ask(shop, **environ)
    assert found["evidence"][metric]["verdict"] == "fail", found["evidence"][metric]
    assert found["metrics"][metric] is False
    assert found["evidence"][metric]["mend"]
    assert found["score"] <= (49 if found["evidence"][metric]["critical"] else 89)


@pytest.mark.parametrize("metric", UNKNOWN)
def test_what_nobody_can_know_is_unknown(shop: Project, whole: dict[str, str], metric: str) -> None:
    assert whole[metric] == "pass"
    with UNKNOWN[metric](shop) as environ:
        found = ask(shop, **environ)
    assert found["evidence"][metric]["verdict"] == "unknown", found["evidence"][metric]
    assert found["metrics"][metric] is False


def test_every_probe_is_broken_and_kept_from_knowing() -> None:
    from dbtasks.probes import PROBES

    names = {probe.ABOUT.name for probe in PROBES}
    assert names == {*BROKEN}
    assert names == {*UNKNOWN, "configuration_validation"}


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
