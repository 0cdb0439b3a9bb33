"""Value classes: dataclasses in all that their users can see."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Any

import pytest

from dbtasks import values


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value with all that a field can be."""

    x: int
    y: int = 2
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)
    secret: str = dataclasses.field(default="s", repr=False)


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Named(Point):
    """A value that adds a field, and says itself how it is shown."""

    name: str

    def __repr__(self) -> str:
        return self.name


def test_a_value_has_its_fields_and_their_defaults() -> None:
    point = Point(x=1)
    assert (point.x, point.y, point.tags, point.secret) == (1, 2, [], "s")
    assert point.tags is not Point(x=1).tags
    assert Point(x=1, y=3, tags=["a"], secret="t").y == 3


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "Point.__init__() missing required keyword-only arguments: x"),
        ({"x": 1, "z": 3}, "Point.__init__() got an unexpected keyword argument 'z'"),
    ],
)
def test_a_value_is_made_of_its_fields_only(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TypeError) as raised:
        Point(**given)
    assert str(raised.value) == complaint


def test_a_value_takes_no_positions() -> None:
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]  # the mistake that is tried


def test_a_value_stays_as_it_was_made() -> None:
    point = Point(x=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]  # the mistake that is tried
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.other = 2  # type: ignore[attr-defined]  # the mistake that is tried
    assert point.x == 1
    assert not hasattr(point, "__dict__")


def test_values_are_equal_by_content_and_class() -> None:
    assert Point(x=1, tags=["a"]) == Point(x=1)
    assert hash(Point(x=1, tags=["a"])) == hash(Point(x=1))
    assert Point(x=1) != Point(x=2)
    assert Point(x=1, secret="s") != Point(x=1, secret="t")
    assert Point(x=1) != Named(x=1, name="n")
    assert Point(x=1) != object()


def test_a_value_shows_its_fields_but_those_that_it_hides() -> None:
    assert repr(Point(x=1)) == "Point(x=1, y=2, tags=[])"
    assert repr(Named(x=1, name="n")) == "n"


@pytest.mark.parametrize("point", [Point(x=1, tags=["a"]), Named(x=1, tags=["a"], name="n")])
def test_a_value_is_a_dataclass(point: Point) -> None:
    assert dataclasses.is_dataclass(point)
    assert dataclasses.asdict(point)["tags"] == ["a"]
    assert dataclasses.replace(point, y=7).y == 7
    assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point  # noqa: S301
    assert copy.deepcopy(point).tags == ["a"]
    assert copy.deepcopy(point).tags is not point.tags


def test_anything_but_a_value_is_left_to_dataclasses() -> None:
    with pytest.raises(TypeError):
        values.dataclass(frozen=False, slots=True, kw_only=True)


def test_making_a_value_class_compiles_nothing() -> None:
    code = (
        "import sys\nfrom dbtasks import values\nseen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event) if event in ('compile', 'exec') else None)\n"
        "class Plain:\n    'One field.'\n    x: int\n"
        "values.dataclass(frozen=True, slots=True, kw_only=True)(Plain)\nprint(seen)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
