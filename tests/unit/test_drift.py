"""Where two schemas differ, as values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.drift import Comparison, Difference, Kind, Schema, Thing, What, differences
from dbtasks.drift.record import Accepted, Recorded
from dbtasks.evidence import Drift

TABLE = Thing(kind=Kind.TABLE, name="public.people", definition="table")
ID = Thing(kind=Kind.COLUMN, name="public.people.id", within="public.people", definition="integer NOT NULL")
NAME = Thing(kind=Kind.COLUMN, name="public.people.name", within="public.people", definition="text")
INDEX = Thing(kind=Kind.INDEX, name="public.by_name", within="public.people", definition="CREATE INDEX by_name")
VIEW = Thing(kind=Kind.VIEW, name="public.staff", definition="view\n SELECT 1;")
PEOPLE = (TABLE, ID, NAME)


def schema(*things: Thing, major: int = 18) -> Schema:
    return Schema(major=major, things=things)


def found(expected: tuple[Thing, ...], there: tuple[Thing, ...]) -> list[tuple[str, str, str]]:
    return [(each.what.value, each.kind.value, each.name) for each in differences(schema(*expected), schema(*there))]


LONGER = replace(NAME, definition="character varying(80)")


@pytest.mark.parametrize(
    ("expected", "there", "told"),
    [
        pytest.param(PEOPLE, PEOPLE, [], id="nothing"),
        pytest.param(PEOPLE, tuple(reversed(PEOPLE)), [], id="another order"),
        pytest.param(PEOPLE, (*PEOPLE, INDEX), [("extra", "index", "public.by_name")], id="an extra index"),
        pytest.param((*PEOPLE, INDEX), PEOPLE, [("missing", "index", "public.by_name")], id="a missing index"),
        pytest.param(PEOPLE, (TABLE, ID, LONGER), [("other", "column", "public.people.name")], id="another type"),
        pytest.param((), (*PEOPLE, INDEX), [("extra", "table", "public.people")], id="a table with all its parts"),
        pytest.param(
            (VIEW,),
            (replace(TABLE, name="public.staff"), replace(ID, name="public.staff.id", within="public.staff")),
            [("extra", "table", "public.staff"), ("missing", "view", "public.staff")],
            id="a table in a view's place",
        ),
        pytest.param(
            (*PEOPLE, VIEW),
            (TABLE, ID),
            [("missing", "column", "public.people.name"), ("missing", "view", "public.staff")],
            id="kind by kind",
        ),
    ],
)
def test_each_difference_is_told_once(
    expected: tuple[Thing, ...], there: tuple[Thing, ...], told: list[tuple[str, str, str]]
) -> None:
    assert found(expected, there) == told


def test_a_whole_table_is_told_with_its_parts() -> None:
    (only,) = differences(schema(), schema(*PEOPLE, INDEX))

    assert (only.what, only.expected) == (What.EXTRA, None)
    assert only.found == (
        "table\n  column public.people.id: integer NOT NULL\n  column public.people.name: text\n"
        "  index public.by_name: CREATE INDEX by_name"
    )


def test_a_name_with_a_line_end_stays_on_its_line_among_the_parts() -> None:
    odd = Thing(kind=Kind.COLUMN, name='public.people."a\nb"', within="public.people", definition="text")

    assert differences(schema(), schema(TABLE, odd))[0].found == 'table\n  column public.people."a\\nb": text'


def test_an_acceptance_of_a_table_does_not_cover_what_is_changed_in_it() -> None:
    (before,) = differences(schema(), schema(*PEOPLE))
    (after,) = differences(schema(), schema(TABLE, ID, LONGER))

    assert before.digest != after.digest


@pytest.mark.parametrize("side", ["expected", "found"])
def test_an_acceptance_does_not_cover_another_definition_on_either_side(side: str) -> None:
    one = Difference(kind=Kind.INDEX, name="public.by_name", expected="a", found="b")

    assert replace(one, **{side: "c"}).digest != one.digest  # type: ignore[arg-type] # by name
    assert replace(one, **{side: None}).digest != one.digest  # type: ignore[arg-type] # by name


def test_a_fingerprint_is_the_same_however_the_schema_was_read() -> None:
    assert schema(*PEOPLE).fingerprint == schema(*reversed(PEOPLE), major=15).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((TABLE, ID), id="less"),
        pytest.param((*PEOPLE, INDEX), id="more"),
        pytest.param((TABLE, ID, LONGER), id="another definition"),
        pytest.param((TABLE, ID, replace(NAME, name="public.people.nick")), id="another name"),
        pytest.param((TABLE, ID, replace(NAME, kind=Kind.CONSTRAINT)), id="another kind"),
    ],
)
def test_another_schema_has_another_fingerprint(other: tuple[Thing, ...]) -> None:
    assert schema(*other).fingerprint != schema(*PEOPLE).fingerprint


ONE = Difference(kind=Kind.INDEX, name="public.by_name", expected=None, found="CREATE INDEX")


@pytest.mark.parametrize(
    ("seen", "drift", "clauses"),
    [
        (Comparison(), Drift.NONE, ()),
        (Comparison(found=(ONE,)), Drift.THERE, ("index public.by_name is extra",)),
        (Comparison(unknown="it has postgis"), Drift.UNKNOWN, ("it has postgis",)),
        (Comparison(found=(ONE,), unknown="it has postgis"), Drift.UNKNOWN, ("it has postgis",)),
    ],
    ids=["none", "there", "unknown", "unknown though something was found"],
)
def test_a_comparison_says_what_it_amounts_to(seen: Comparison, drift: Drift, clauses: tuple[str, ...]) -> None:
    assert (seen.drift, seen.clauses) == (drift, clauses)


def test_what_was_accepted_is_known_by_its_digest_and_the_last_word_counts() -> None:
    from datetime import UTC, datetime

    at = datetime(2026, 1, 31, tzinfo=UTC)
    first, last = (Accepted(reason=reason, person="anna", at=at) for reason in ("a try", "for good"))
    recorded = Recorded(accepted=((ONE.digest, first), (ONE.digest, last)))

    assert recorded.why(ONE.digest) == last
    assert recorded.why(replace(ONE, found="another").digest) is None
    assert Comparison(accepted=((ONE, last),)).drift is Drift.ACCEPTED


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('public."two\nlines"', 'index public."two\\nlines" is extra'),
        ('public."\x1b[31mred"', 'index public."\\x1b[31mred" is extra'),
        ("public.größe", "index public.größe is extra"),
    ],
    ids=["line end", "escape", "letters"],
)
def test_a_name_stays_on_its_line_and_moves_nothing_on_a_terminal(name: str, shown: str) -> None:
    assert replace(ONE, name=name).clause == shown
