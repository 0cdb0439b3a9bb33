"""How often and when not: the decision alone, at any moment and in any time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dbtasks.limits import Freeze, Limits, Rate, Use, longest, outlook, wait

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)  # a Wednesday
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RATES = Limits(rates=(Rate(operation="migrate", most=2, per=DAY), Rate(operation="open", most=1, per=HOUR)))
WEEKEND = Freeze(operation="migrate", begins=(4 * 24 + 16) * 60, ends=8 * 60, zone="Europe/Berlin")


def used(*hours_ago: float) -> tuple[Use, ...]:
    return tuple(Use(at=NOW - timedelta(hours=each)) for each in hours_ago)


@pytest.mark.parametrize(
    ("uses", "until"),
    [
        ((), None),
        (used(1), None),
        (used(1, 25), None),
        (used(24, 1), None),
        (used(1, 2), NOW + timedelta(hours=22)),
        (used(2, 1, 5), NOW + timedelta(hours=22)),
    ],
    ids=["never", "once", "once, and once too long ago", "exactly a day ago", "twice", "three times, in any order"],
)
def test_a_rate_lets_so_many_runs_into_any_such_time(uses: tuple[Use, ...], until: datetime | None) -> None:
    found = wait(RATES, "migrate", uses, NOW)

    assert (found and found.until) == until
    assert found is None or found.why == "it may run 2 times in 1 day, and did"


def test_what_no_limit_names_is_free() -> None:
    assert wait(RATES, "seed", used(0, 0, 0), NOW) is None
    assert [RATES.concern(name) for name in ("migrate", "open", "seed")] == [True, True, False]
    assert Limits(freezes=(WEEKEND,)).concern("migrate")
    assert Limits(cool_down=HOUR).concern("seed")


def test_where_each_run_was_and_who_asks_lies_in_which_zone_changes_nothing() -> None:
    east, west = timezone(timedelta(hours=13)), timezone(timedelta(hours=-11))
    uses = tuple(Use(at=each.at.astimezone(zone)) for each, zone in zip(used(1, 2), (east, west), strict=True))

    assert wait(RATES, "migrate", uses, NOW.astimezone(east)) == wait(RATES, "migrate", used(1, 2), NOW)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 6, 12, 13, 59, tzinfo=UTC), None),
        (datetime(2026, 6, 12, 14, 0, tzinfo=UTC), datetime(2026, 6, 15, 6, 0, tzinfo=UTC)),
        (datetime(2026, 6, 15, 5, 59, 59, tzinfo=UTC), datetime(2026, 6, 15, 6, 0, tzinfo=UTC)),
        (datetime(2026, 6, 15, 6, 0, tzinfo=UTC), None),
        # The clocks go back on Sunday, 25 October: 08:00 is 07:00 by UTC then.
        (datetime(2026, 10, 24, 12, 0, tzinfo=UTC), datetime(2026, 10, 26, 7, 0, tzinfo=UTC)),
    ],
    ids=["before", "at its begin", "right before its end", "at its end", "over the end of summer time"],
)
def test_a_freeze_is_by_the_walls_clock_of_its_zone(now: datetime, until: datetime | None) -> None:
    found = wait(Limits(freezes=(WEEKEND,)), "migrate", (), now)

    assert (found and found.until) == until
    assert found is None or found.why == "it rests from Fri 16:00 to Mon 08:00"


def test_a_freeze_of_another_operation_stops_nothing() -> None:
    assert wait(Limits(freezes=(WEEKEND,)), "open", (), datetime(2026, 6, 13, 12, 0, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("uses", "until"),
    [
        ((Use(at=NOW - timedelta(minutes=10), failed=True),), NOW + timedelta(minutes=20)),
        ((Use(at=NOW - timedelta(minutes=31), failed=True),), None),
        ((Use(at=NOW - timedelta(minutes=10), failed=True), Use(at=NOW - timedelta(minutes=5))), None),
        ((), None),
    ],
    ids=["just failed", "long ago", "made good since", "never ran"],
)
def test_after_a_failure_a_while_has_to_pass(uses: tuple[Use, ...], until: datetime | None) -> None:
    found = wait(Limits(cool_down=timedelta(minutes=30)), "migrate", uses, NOW)

    assert (found and found.until) == until
    assert found is None or found.why == "the last run failed, and 30 minutes are to pass after that"


def refused(*minutes_ago: float) -> tuple[Use, ...]:
    return tuple(Use(at=NOW - timedelta(minutes=each), refused=True) for each in minutes_ago)


@pytest.mark.parametrize(
    ("uses", "until"),
    [
        (refused(5), None),
        (refused(9, 4), NOW + timedelta(minutes=26)),
        (refused(4, 9), NOW + timedelta(minutes=26)),
        (refused(20, 9, 4), NOW + timedelta(minutes=26)),
        (refused(40, 29), NOW + timedelta(minutes=1)),
        (refused(40, 30), None),
        (refused(34, 4), None),
        ((*refused(9, 4), Use(at=NOW - timedelta(minutes=1))), None),
        ((*refused(9, 4), Use(at=NOW - timedelta(minutes=6))), None),
        ((*refused(9, 4), Use(at=NOW - timedelta(minutes=12))), NOW + timedelta(minutes=26)),
    ],
    ids=[
        "one", "two", "in any order", "three", "long ago, and not over", "over", "too far apart", "made good since",
        "a run between", "a run before",
    ],
)  # fmt: skip
def test_after_two_refusals_in_a_row_a_while_has_to_pass(uses: tuple[Use, ...], until: datetime | None) -> None:
    limits = Limits(cool_down=timedelta(minutes=30))
    found = wait(limits, "migrate", tuple(each for each in uses if each.at > NOW - longest(limits, "migrate")), NOW)

    assert (found and found.until) == until
    assert found is None or found.why == "it was refused twice, and 30 minutes are to pass after that"
    assert wait(Limits(), "migrate", uses, NOW) is None


def test_a_refusal_is_no_run() -> None:
    assert wait(RATES, "migrate", (*used(1), *refused(1, 2, 3)), NOW) is None
    assert outlook(RATES, "migrate", (*used(1), *refused(1, 2, 3)), NOW) == ("1 of 2 left in 1 day",)


@pytest.mark.parametrize(
    ("operation", "uses", "expected"),
    [
        ("migrate", used(1, 25), ("1 of 2 left in 1 day", "frozen from Fri 16:00 to Mon 08:00 Europe/Berlin")),
        ("migrate", used(1, 2, 3), ("0 of 2 left in 1 day", "frozen from Fri 16:00 to Mon 08:00 Europe/Berlin")),
        ("open", (), ("1 of 1 left in 1 hour",)),
        ("seed", (), ()),
    ],
    ids=["some", "none", "all", "no limit"],
)
def test_what_is_left_is_told_before_a_run(operation: str, uses: tuple[Use, ...], expected: tuple[str, ...]) -> None:
    assert outlook(replace(RATES, freezes=(WEEKEND,)), operation, uses, NOW) == expected


def test_of_several_reasons_the_one_that_lasts_longest_is_told() -> None:
    now = datetime(2026, 6, 12, 15, 0, tzinfo=UTC)
    both = replace(RATES, freezes=(WEEKEND,), cool_down=HOUR)

    found = wait(both, "migrate", (Use(at=now, failed=True), Use(at=now)), now)

    assert found is not None
    assert found.why.startswith("it rests")


def test_runs_count_as_far_back_as_the_longest_limit_asks() -> None:
    limits = replace(RATES, rates=(*RATES.rates, Rate(operation="open", most=9, per=DAY)), cool_down=timedelta(days=2))

    assert longest(limits, "open") == timedelta(days=4)
    assert longest(RATES, "open") == HOUR
    assert longest(Limits(), "open") == timedelta(0)


@pytest.mark.parametrize(
    ("most", "per", "words"),
    [(1, timedelta(minutes=1), "1 time in 1 minute"), (3, timedelta(hours=2), "3 times in 2 hours")],
)
def test_a_rate_reads_as_it_was_written(most: int, per: timedelta, words: str) -> None:
    found = wait(Limits(rates=(Rate(operation="seed", most=most, per=per),)), "seed", used(0, 0, 0), NOW)

    assert found is not None
    assert found.why == f"it may run {words}, and did"
