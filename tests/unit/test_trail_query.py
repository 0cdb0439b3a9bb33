"""Reading the trail back: filters, the last entries, runs, what was left unfinished, and times as people write them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dbtasks.author import Who, whoami
from dbtasks.effects import Effect
from dbtasks.errors import TrailError, UsageError
from dbtasks.trail import Act, Outcome, Trail
from dbtasks.trail_file import START, parse_link, seal
from dbtasks.trail_query import Filters, last, read
from dbtasks.trail_runs import State, runs, unfinished
from dbtasks.trail_times import parse_moment

ANNA = whoami("terminal", Path("/"))
ANNA = replace(ANNA, person="anna")
BEN = replace(ANNA, person="ben", surroundings="agent CLAUDECODE")
RESET_INT = Act(operation="reset", tier="int", target="shop_int on db-1", effect=Effect.DESTROY)
MIGRATE_STG = Act(operation="migrate", tier="stg", target="shop_stg on db-1", effect=Effect.CHANGE)
SEED_PROD = Act(operation="seed", tier="prod", target="app_prod on db-7", effect=Effect.ADD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "database_audit.jsonl"


@pytest.fixture
def story(path: Path) -> Path:
    """Entries: 1 and 3 a reset that is done, 2 and 5 a migration that failed, 4 a refusal, 6 a note."""
    anna, ben = Trail(path, ANNA), Trail(path, BEN)
    anna.intent(RESET_INT, {"reason": "demo for Zo\u00eb", "pending": {"tier": "stg"}})
    ben.intent(MIGRATE_STG, {"from": "c41f", "to": 'e902 "big"'})
    anna.result(1, outcome=Outcome.DONE, duration_ms=9)
    ben.refusal(SEED_PROD, code="E-AGENT", detail={"saw": "CLAUDECODE"})
    ben.result(2, outcome=Outcome.FAILED, duration_ms=31_200, detail={"error": "Lock Timeout"})
    anna.note(SEED_PROD)
    return path


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        (Filters(), [1, 2, 3, 4, 5, 6]),
        (Filters(tier="stg"), [2, 5]),
        (Filters(tier="st"), []),
        (Filters(operation="reset"), [1, 3]),
        (Filters(person="ben"), [2, 4, 5]),
        (Filters(outcome="failed"), [5]),
        (Filters(outcome="refused"), [4]),
        (Filters(outcome="E-AGENT"), [4]),
        (Filters(tier="prod", person="anna"), [6]),
        (Filters(entry=2), [2, 5]),
        (Filters(entry=5), [5]),
        (Filters(entry=9), []),
        (Filters(entry=31_200), []),
        (Filters(text="lock timeout"), [5]),
        (Filters(text="E902"), [2]),
        (Filters(text='"BIG"'), [2]),
        (Filters(text="zo\u00eb"), [1]),
        (Filters(text="claudecode"), [2, 4, 5]),
        (Filters(text="outcome"), []),
    ],
    ids=lambda value: (
        ", ".join(f"{key}={getattr(value, key)}" for key in value.__slots__ if getattr(value, key) is not None)
        if isinstance(value, Filters)
        else ""
    ),
)
def test_filters_keep_exactly_what_fits(story: Path, filters: Filters, numbers: list[int]) -> None:
    assert [entry.entry for entry in read(story, filters)] == numbers


def test_an_entry_gives_back_what_was_recorded(story: Path) -> None:
    (entry,) = read(story, Filters(outcome="failed"))
    found = (entry.kind, entry.of, entry.run, entry.operation, entry.tier, entry.target, entry.person, entry.pid)
    assert found == ("result", 2, 2, "migrate", "stg", "shop_stg on db-1", "ben", os.getpid())
    assert (entry.duration_ms, entry.effect, entry.detail) == (31_200, "CHANGE", {"error": "Lock Timeout"})
    assert abs(entry.moment - datetime.now(UTC)) < timedelta(minutes=5)


def timed(path: Path, *times: str) -> Path:
    after = START
    with path.open("wb") as file:
        for time in times:
            line = seal(after, time, b'"kind":"note","operation":"reset"')
            after = parse_link(line[:-1]) or START
            file.write(line)
    return path


def test_since_is_included_and_until_is_not(path: Path) -> None:
    timed(path, *(f"2026-01-31T09:00:0{second}.000000Z" for second in range(5)))
    filters = Filters(
        since=datetime(2026, 1, 31, 9, 0, 1, tzinfo=UTC),
        until=datetime(2026, 1, 31, 11, 0, 3, tzinfo=timezone(timedelta(hours=2))),
    )
    assert [entry.entry for entry in read(path, filters)] == [2, 3]


@pytest.mark.parametrize("n", [0, 1, 3, 6, 99])
def test_the_last_entries_come_oldest_first(story: Path, n: int) -> None:
    assert [entry.entry for entry in last(story, n)] == [1, 2, 3, 4, 5, 6][max(0, 6 - n) :]


def test_filters_and_last_see_every_entry_across_the_blocks_of_a_long_file(path: Path) -> None:
    after = START
    with path.open("wb") as file:
        for number in range(1, 5_001):
            tier = b"prod" if number % 7 == 0 else b"int"
            body = b'"kind":"note","operation":"reset","tier":"%s","target":"%s"' % (tier, b"x" * (number % 900))
            line = seal(after, "2026-01-31T09:00:00.000000Z", body)
            after = parse_link(line[:-1]) or START
            file.write(line)
    assert path.stat().st_size > 3 << 20  # several blocks
    assert [entry.entry for entry in read(path, Filters())] == list(range(1, 5_001))
    assert [entry.entry for entry in read(path, Filters(operation="reset"))] == list(range(1, 5_001))
    assert [entry.entry for entry in read(path, Filters(tier="prod"))] == list(range(7, 5_001, 7))
    assert [entry.entry for entry in last(path, 1_000)] == list(range(4_001, 5_001))


def test_a_torn_line_is_no_entry(story: Path) -> None:
    whole = story.read_bytes()
    line = whole.splitlines(keepends=True)[4]  # the result of entry 2
    for cut in (20, 100, len(line) - 2):
        story.write_bytes(whole + line.replace(b'"entry":5', b'"entry":7').replace(b'"of":2', b'"of":1')[:cut])
        assert [entry.entry for entry in read(story, Filters())] == [1, 2, 3, 4, 5, 6]
        assert [entry.entry for entry in last(story, 2)] == [5, 6]


@pytest.mark.parametrize("cut", ["in its hash", "behind its detail"])
def test_a_torn_result_leaves_its_run_open(path: Path, cut: str) -> None:
    trail = Trail(path, ANNA)
    trail.result(trail.intent(RESET_INT), outcome=Outcome.DONE, detail={"to": "e902"})
    whole = path.read_bytes()
    path.write_bytes(whole[:-40] if cut == "in its hash" else whole[: whole.index(b'"e902"}') + 7])
    assert [(run.number, run.state) for run in unfinished(path, ANNA)] == [(1, State.RUNNING)]


def test_a_line_with_zero_bytes_is_no_entry(story: Path) -> None:
    story.write_bytes(story.read_bytes().replace(b'"kind":"result","of":2', b'"kind":"result","of":2\0'))
    assert [entry.entry for entry in read(story, Filters())] == [1, 2, 3, 4, 6]
    assert [run.number for run in unfinished(story, ANNA)] == [2]


def test_without_a_trail_nothing_has_happened(path: Path) -> None:
    found = (list(read(path, Filters())), last(path, 5), runs(path, Filters(), ANNA), unfinished(path, ANNA))
    assert found == ([], [], [], [])


def test_a_trail_that_cannot_be_read_is_said(path: Path) -> None:
    path.mkdir()
    with pytest.raises(TrailError, match=r"cannot be read: Is a directory"):
        last(path, 5)


# Runs


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [(1, State.DONE), (2, State.FAILED), (4, State.REFUSED), (6, State.NOTED)]),
        (Filters(tier="stg"), [(2, State.FAILED)]),
        (Filters(text="lock timeout"), [(2, State.FAILED)]),
        (Filters(text="c41f"), [(2, State.FAILED)]),
        (Filters(entry=5), [(2, State.FAILED)]),
        (Filters(entry=2), [(2, State.FAILED)]),
        (Filters(outcome="done"), [(1, State.DONE)]),
        (Filters(outcome="refused"), [(4, State.REFUSED)]),
        (Filters(outcome="E-AGENT"), [(4, State.REFUSED)]),
        (Filters(outcome="unfinished"), []),
    ],
    ids=["all", "tier", "text in the result", "text in the intent", "result", "intent", "done", "refused", "code", "-"],
)
def test_a_run_is_an_intent_with_its_result(story: Path, filters: Filters, expected: list[tuple[int, State]]) -> None:
    assert [(run.number, run.state) for run in runs(story, filters, ANNA)] == expected
    assert [(run.number, run.state) for run in runs(story, filters, ANNA, limit=2)] == expected[-2:]


def test_a_run_that_ended_after_until_is_still_seen_as_ended(path: Path) -> None:
    body = b'"kind":"intent","operation":"reset"'
    intent = seal(START, "2026-01-31T09:00:00.000000Z", body)
    result = b'"kind":"result","of":1,"operation":"reset","outcome":"done"'
    path.write_bytes(intent + seal(parse_link(intent[:-1]) or START, "2026-01-31T10:00:00.000000Z", result))
    until = Filters(until=datetime(2026, 1, 31, 9, 30, tzinfo=UTC))
    since = Filters(since=datetime(2026, 1, 31, 9, 30, tzinfo=UTC))
    assert [run.state for run in runs(path, until, ANNA)] == [State.DONE]
    assert [run.state for run in runs(path, replace(until, text="done"), ANNA)] == [State.DONE]
    assert runs(path, since, ANNA) == []


def test_an_intent_whose_process_runs_is_running_and_whose_process_is_gone_is_unfinished(path: Path) -> None:
    code = (
        "from tests.unit.test_trail_query import *; "
        f"Trail(Path({str(path)!r}), whoami('terminal', Path('/'))).intent(MIGRATE_STG)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    Trail(path, ANNA).intent(RESET_INT)
    states = [(run.number, run.state, run.result) for run in unfinished(path, ANNA)]
    assert states == [(1, State.UNFINISHED, None), (2, State.RUNNING, None)]
    assert [run.number for run in runs(path, Filters(outcome="unfinished"), ANNA)] == [1]


def test_a_later_process_with_the_same_pid_does_not_count_as_running(path: Path) -> None:
    class Reused(Who):
        def here(self) -> Who:
            return self

    reused = Reused(person="ben", host=ANNA.host, pid=os.getpid(), started="before", surroundings="", commit=None)
    Trail(path, reused).intent(RESET_INT)
    assert [run.state for run in unfinished(path, ANNA)] == [State.UNFINISHED]


def test_an_intent_from_another_host_cannot_be_judged_from_here(path: Path) -> None:
    Trail(path, replace(ANNA, host="elsewhere")).intent(RESET_INT)
    assert [run.state for run in unfinished(path, ANNA)] == [State.UNKNOWN]


# Times

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("today", "2026-01-31T00:00:00+02:00", "2026-02-01T00:00:00+02:00"),
        ("yesterday", "2026-01-30T00:00:00+02:00", "2026-01-31T00:00:00+02:00"),
        ("2026-01-15", "2026-01-15T00:00:00+02:00", "2026-01-16T00:00:00+02:00"),
        ("90s", "2026-01-31T09:28:30+02:00", "2026-01-31T09:28:30+02:00"),
        ("30m", "2026-01-31T09:00:00+02:00", "2026-01-31T09:00:00+02:00"),
        ("2h", "2026-01-31T07:30:00+02:00", "2026-01-31T07:30:00+02:00"),
        (" 3D ", "2026-01-28T09:30:00+02:00", "2026-01-28T09:30:00+02:00"),
        ("1w", "2026-01-24T09:30:00+02:00", "2026-01-24T09:30:00+02:00"),
        ("2026-01-15T08:00", "2026-01-15T08:00:00+02:00", "2026-01-15T08:00:00+02:00"),
        ("2026-01-15 08:00:01Z", "2026-01-15T08:00:01+00:00", "2026-01-15T08:00:01+00:00"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, begins: str, ends: str) -> None:
    assert parse_moment(text, NOW).isoformat() == begins
    assert parse_moment(text, NOW, end=True).isoformat() == ends


@pytest.mark.parametrize("text", ["", "soon", "2x", "-3d", "999999w", "2026-13-01", "2026-02-30", "tomorrow", "1.5h"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_moment(text, NOW)
    assert str(caught.value) == (
        f"'{text}' is no time. Write for example today, yesterday, 2h, 3d, 2026-01-31 or 2026-01-31T09:30."
    )
