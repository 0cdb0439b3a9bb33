"""What a migration would take away: what is said of it, what is agreed to, and when that is exceeded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.risks import Ceiling, Risk, ceilings, exceeded
from dbtasks.statements import ChangeKind

PHONE = Risk(kind=ChangeKind.DROPS_COLUMN, what="users.phone", revision="9e01", count=18_442)
EMPTY = Risk(kind=ChangeKind.REQUIRES_VALUE, what="users.phone", revision="9e01", count=3)
AGREED = Ceiling(deed="drops_column", what="users.phone", most=18_500)


@pytest.mark.parametrize(
    ("risk", "expected"),
    [
        (PHONE, "drops users.phone: 18,442 values"),
        (replace(PHONE, count=1), "drops users.phone: 1 value"),
        (replace(PHONE, exact=False), "drops users.phone: about 18,442 values"),
        (replace(PHONE, count=None), "drops users.phone: values, how many could not be counted"),
        (replace(PHONE, kind=ChangeKind.CHANGES_TYPE, to="int"), "makes users.phone int, which alters: 18,442 values"),
        (replace(PHONE, kind=ChangeKind.DROPS_TABLE, what="users"), "drops users: 18,442 rows"),
        (replace(PHONE, kind=ChangeKind.EMPTIES, what="users"), "empties users: 18,442 rows"),
        (replace(PHONE, kind=ChangeKind.DELETES, what="users"), "deletes from users, at most all: 18,442 rows"),
        (EMPTY, "demands a value in users.phone, which lack 3 rows"),
        (replace(EMPTY, kind=ChangeKind.REQUIRES_UNIQUE), "demands that users.phone be unique, which are not 3 keys"),
        (replace(EMPTY, kind=ChangeKind.ADDS_REQUIRED), "adds users.phone, NOT NULL and without a default, to 3 rows"),
    ],
)  # fmt: skip
def test_a_risk_says_what_would_go(risk: Risk, expected: str) -> None:
    assert str(risk) == expected


@pytest.mark.parametrize(
    ("risk", "loses", "fails", "ceiling"),
    [
        pytest.param(PHONE, True, False, AGREED, id="values"),
        pytest.param(replace(PHONE, count=0), False, False, replace(AGREED, most=0), id="an empty column"),
        pytest.param(replace(PHONE, count=None), True, False, None, id="nobody knows"),
        pytest.param(EMPTY, False, True, None, id="a demand that is not met"),
        pytest.param(replace(EMPTY, count=0), False, False, None, id="a demand that is met"),
        pytest.param(replace(EMPTY, count=None), False, False, None, id="a demand, not counted"),
        pytest.param(replace(EMPTY, written=True), False, False, None, id="a demand that the run may meet"),
        pytest.param(replace(EMPTY, exact=False), False, False, None, id="an estimate"),
    ],
)
def test_a_risk_is_a_loss_or_a_failure_or_neither(
    risk: Risk, loses: bool, fails: bool, ceiling: Ceiling | None
) -> None:
    assert (risk.loses, risk.fails, risk.ceiling) == (loses, fails, ceiling)


@pytest.mark.parametrize(
    ("risk", "expected"),
    [
        pytest.param(replace(PHONE, count=None), True, id="nobody knows"),
        pytest.param(replace(PHONE, exact=False), False, id="an estimate"),
        pytest.param(replace(PHONE, count=0), False, id="nothing is lost"),
        pytest.param(replace(EMPTY, count=None), False, id="a demand, not counted"),
    ],
)
def test_a_loss_of_which_nobody_knows_how_much_is_uncounted(risk: Risk, expected: bool) -> None:
    assert risk.uncounted is expected


def test_each_deed_is_agreed_to_once() -> None:
    assert ceilings([PHONE, PHONE, EMPTY]) == (AGREED,)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(replace(PHONE, count=18_500), (), id="up to the ceiling"),
        pytest.param(replace(PHONE, count=18_501), ((replace(PHONE, count=18_501), 18_500),), id="one more"),
        pytest.param(replace(PHONE, count=None), ((replace(PHONE, count=None), 18_500),), id="not countable any more"),
        pytest.param(replace(PHONE, what="users.name"), ((replace(PHONE, what="users.name"), 0),), id="something else"),
        pytest.param(EMPTY, (), id="no loss"),
    ],
)
def test_what_is_more_than_agreed_is_told(now: Risk, expected: tuple[tuple[Risk, int], ...]) -> None:
    assert exceeded([AGREED], [now]) == expected
