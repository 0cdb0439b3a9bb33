"""The score: what earns, what does not, and what bounds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbtasks import drilled
from dbtasks.drilled import Drilled, Tried
from dbtasks.errors import DbtasksError
from dbtasks.safety import About, Answer, Finding, Score, Verdict, failed, passed, unknown
from dbtasks.score_view import lines

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
YES, NO, WHO_KNOWS = passed("seen"), failed("broken", "mend it"), unknown("nobody could look", "look")


def answer(name: str, *findings: Finding, critical: bool = False, feature: bool = True) -> Answer:
    about = About(name=name, promise="it is so", critical=critical, feature=feature)
    return Answer(about=about, findings=findings, at=NOW, seconds=0.01)


def score(*answers: Answer) -> Score:
    return Score(answers=answers, tiers=("int", "stg"), looked_at=("int",), at=NOW)


def features(proven: int, of: int) -> list[Answer]:
    return [answer(f"f{number}", YES if number < proven else WHO_KNOWS) for number in range(of)]


@pytest.mark.parametrize(("proven", "value"), [(0, 0), (9, 56), (11, 68), (15, 93), (16, 100)])
def test_the_score_is_the_share_that_is_proven_rounded_down(proven: int, value: int) -> None:
    found = score(*features(proven, 16))
    assert (found.value, found.proven, found.bounded_by) == (value, proven, ())


@pytest.mark.parametrize(
    ("broken", "value", "bounded_by"),
    [
        pytest.param(answer("x", NO, critical=True, feature=False), 49, ("x",), id="a critical"),
        pytest.param(answer("x", NO, feature=False), 89, ("x",), id="another one"),
        pytest.param(answer("x", WHO_KNOWS, critical=True, feature=False), 100, (), id="an unknown bounds nothing"),
        pytest.param(answer("x", YES, NO, YES, critical=True, feature=False), 49, ("x",), id="in one place of three"),
    ],
)
def test_what_is_known_to_be_broken_bounds_the_score(broken: Answer, value: int, bounded_by: tuple[str, ...]) -> None:
    found = score(*features(16, 16), broken)
    assert (found.value, found.bounded_by, found.proven) == (value, bounded_by, 16)


def test_a_failure_that_keeps_nothing_down_is_not_said_to() -> None:
    assert score(*features(3, 16), answer("x", NO, critical=True)).bounded_by == ()


def test_the_worst_finding_decides_and_the_first_of_the_worst_is_shown() -> None:
    assert answer("x", YES, WHO_KNOWS).verdict is Verdict.UNKNOWN
    assert answer("x", WHO_KNOWS, NO, failed("also", "then this")).deciding == NO


def test_json_keeps_the_shape_that_scripts_know_and_unknown_is_false_there() -> None:
    data = score(answer("a", YES), answer("b", NO), answer("c", WHO_KNOWS), answer("d", YES, feature=False)).as_data()
    known = {name: data[name] for name in ("score", "implemented_features", "total_features", "metrics", "further")}
    assert known == {
        "score": 33,
        "implemented_features": 1,
        "total_features": 3,
        "metrics": {"a": True, "b": False, "c": False},
        "further": {"d": True},
    }
    evidence = data["evidence"]
    assert isinstance(evidence, dict)
    told = {name: (each["verdict"], each["saw"], each["mend"]) for name, each in evidence.items()}
    assert told["b"] == ("fail", "broken", "mend it")
    assert told["c"] == ("unknown", "nobody could look", "look")
    assert json.loads(json.dumps(data)) == data


def test_what_is_broken_stands_first_and_each_line_says_what_to_do() -> None:
    found = score(answer("first", YES), answer("second", WHO_KNOWS), answer("third", NO, critical=True))
    assert list(lines(found)) == [
        "Safety score 33 of 100 · 1 of 3 features proven · 1 unknown · 1 failing",
        "  fail     third   broken  mend it",
        "  unknown  second  nobody could look  look",
        "  pass     first   seen",
    ]


def test_a_drill_is_read_as_it_was_kept(tmp_path: Path) -> None:
    tried = [
        {"id": "interactive_check.pipe", "layer": "guard", "stopped": True, "ms": 12, "verdict": "stopped"},
        {"id": "test_isolation.psycopg", "layer": "pin", "stopped": False, "ms": 7, "verdict": "unproven"},
    ]
    data = {"version": 1, "at": NOW.isoformat(), "code": drilled.code(), "ok": False, "tried": tried, "not_tried": []}
    assert drilled.read(tmp_path) is None
    (tmp_path / ".dbtasks").mkdir()
    (tmp_path / drilled.FILE).write_text(json.dumps(data))
    first = Tried(id="interactive_check.pipe", layer="guard", stopped=True, ms=12)
    second = Tried(id="test_isolation.psycopg", layer="pin", stopped=False, ms=7, unproven=True)
    assert drilled.read(tmp_path) == Drilled(at=NOW, code=drilled.code(), tried=(first, second))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2}', '{"version": 1, "at": "2026-01-31", "code": "", "tried": []}']
)
def test_a_drill_that_is_none_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".dbtasks").mkdir()
    (tmp_path / drilled.FILE).write_text(text)
    with pytest.raises(DbtasksError, match=r"\.dbtasks/drill\.json cannot be read"):
        drilled.read(tmp_path)
