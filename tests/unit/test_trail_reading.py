"""Reading a trail of several files: nothing is missed or shown twice, and what is no entry is told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbtasks.author import whoami
from dbtasks.errors import TrailError
from dbtasks.rotation import Rotation, files_aside, name_aside, trail_files
from dbtasks.trail import Act, Outcome, Trail
from dbtasks.trail_following import Following
from dbtasks.trail_query import Filters, Search, last, newest, read
from dbtasks.trail_reading import Finder, forwards
from dbtasks.trail_runs import State, each_run, runs, unfinished
from dbtasks.trail_stats import tallied

ANNA = replace(whoami("terminal", Path("/")), person="anna")
BEN = replace(ANNA, person="ben", surroundings="agent")
OPERATIONS = ("reset", "seed", "migrate")
NOW = datetime.now(UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def story(path: Path, seed: int, rotation: Rotation, count: int = 120) -> list[int]:
    """Write a trail at random: runs that overlap, fail, are refused or never end, by two persons on three tiers."""
    dice = random.Random(seed)  # noqa: S311 - the same story each time
    trails = (Trail(path, ANNA, rotation), Trail(path, BEN, rotation))
    begun: list[tuple[int, Trail, Act]] = []
    numbers = []
    for at in range(count):
        trail = dice.choice(trails)
        act = Act(operation=dice.choice(OPERATIONS), tier=dice.choice(("int", "stg", "prod")))
        what = dice.random()
        if what < 0.45:
            number = trail.intent(act, {"reason": f"ticket {at}"})
            begun.append((number, trail, act))
        elif what < 0.85 and begun:
            number, trail, act = begun.pop(dice.randrange(len(begun)))
            writer = dice.choice(trails)  # who clears up may be somebody else
            outcome = dice.choice((Outcome.DONE, Outcome.FAILED))
            number = writer.result(number, outcome=outcome, duration_ms=at, detail={"saw": f"place {at}"}, act=act)
        elif what < 0.95 or not begun:
            number = trail.refusal(act, code="E-AGENT", detail={"saw": f"place {at}"})
        else:
            number = trail.note(begun[0][2], {"mark": f"place {at}"}, of=begun[0][0])
        numbers.append(number)
    return numbers


FILTERS = [
    Filters(),
    Filters(tier="prod"),
    Filters(operation="reset", tier="int"),
    Filters(person="ben"),
    Filters(surroundings="agent", outcome="done"),
    Filters(outcome="failed"),
    Filters(outcome="refused"),
    Filters(outcome="E-AGENT"),
    Filters(outcome="running"),
    Filters(text="PLACE 7"),
    Filters(text="ticket 1", tier="stg"),
    Filters(text="place", outcome="done"),
    Filters(entry=40),
    Filters(since=NOW - timedelta(days=1), until=NOW + timedelta(days=1), person="anna"),
    Filters(since=NOW + timedelta(days=1)),
]
# No moment in them: every process that collects must come to the same names.
NAMES = [
    f"{number} {' '.join(name for name in each.__slots__ if getattr(each, name))}"
    for number, each in enumerate(FILTERS)
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One story in one file, and in many."""
    folder = tmp_path_factory.mktemp("told")
    one, many = folder / "one.jsonl", folder / "many.jsonl"
    for path, rotation in ((one, Rotation()), (many, Rotation(size_bytes=5_000))):
        story(path, 3, rotation)
    assert len(files_aside(many)) > 5
    return one, many


@pytest.mark.parametrize("filters", FILTERS, ids=NAMES)
def test_the_newest_runs_are_the_last_of_all_runs(told: tuple[Path, Path], filters: Filters) -> None:
    path = told[1]
    whole = runs(path, filters, ANNA)
    for limit in (1, 2, 7, 500):
        assert runs(path, filters, ANNA, limit) == whole[-limit:], limit
    assert runs(path, filters, ANNA, 0) == []
    assert sorted(each_run(path, filters, ANNA), key=lambda run: run.number) == whole


@pytest.mark.parametrize("filters", FILTERS, ids=NAMES)
def test_what_fits_is_the_same_in_one_file_and_in_many(told: tuple[Path, Path], filters: Filters) -> None:
    one, many = told
    found = [entry.entry for entry in read(one, filters)]
    assert [entry.entry for entry in read(many, filters)] == found
    assert [entry.entry for entry in newest(many, filters)] == found[::-1]


def test_a_run_is_found_whole_whichever_of_its_entries_fits(path: Path) -> None:
    anna, ben = Trail(path, ANNA), Trail(path, BEN)
    act = Act(operation="reset", tier="int")
    number = anna.intent(act, {"reason": "demo"})
    story(path, 1, Rotation(size_bytes=4_000), 60)
    ben.result(number, outcome=Outcome.DONE, detail={"to": "e902"}, act=act)
    for filters in (Filters(text="demo"), Filters(text="e902"), Filters(text="E902", outcome="done")):
        for limit in (None, 1):
            (run,) = runs(path, filters, ANNA, limit)
            assert (run.number, run.state, run.first.kind) == (number, State.DONE, "intent")


def test_the_last_entries_go_back_over_files(path: Path) -> None:
    numbers = story(path, 4, Rotation(size_bytes=3_000), 40)
    assert [entry.entry for entry in last(path, 30)] == numbers[-30:]


def test_the_last_entries_are_read_without_the_older_files(path: Path) -> None:
    story(path, 4, Rotation(size_bytes=3_000), 40)
    files_aside(path)[0].unlink()
    files_aside(path)[0].write_text("x" * 10_000)
    assert len(last(path, 3)) == 3


def test_each_entry_is_found_by_its_number(told: tuple[Path, Path]) -> None:
    with Finder(told[1]) as finder:
        for number in range(1, 121):
            line = finder.entry(number)
            assert line is not None
            assert line.startswith(b'{"entry":%d,' % number)
        assert (finder.entry(0), finder.entry(121), finder.result(121)) == (None, None, None)


def test_a_file_put_aside_while_another_is_read_is_neither_missed_nor_read_twice(path: Path) -> None:
    story(path, 6, Rotation(size_bytes=3_000), 30)
    whole = [entry.entry for entry in read(path, Filters())]
    reading = read(path, Filters())
    begun = [next(reading).entry]
    path.rename(name_aside(path, last(path, 1)[0].entry))
    assert begun + [entry.entry for entry in reading] == whole


def lines_passed(path: Path, filters: Filters) -> list[bytes]:
    seen: list[bytes] = []
    list(read(path, filters, seen.append))
    backwards: list[bytes] = []
    list(newest(path, filters, backwards.append))
    assert sorted(seen) == sorted(backwards)
    return seen


def test_a_torn_last_line_is_told_and_the_rest_is_read(path: Path) -> None:
    story(path, 1, Rotation(), 10)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"entry":11,"time":"2026-01-31T09:00:00.000000Z","kind":"note","ti')
    assert len(list(read(path, Filters()))) == 10
    assert [line[:12] for line in lines_passed(path, Filters())] == [b'{"entry":11,']
    assert lines_passed(path, Filters(tier="prod")) == []


@pytest.mark.parametrize("line", [b"no JSON at all", b"[1, 2]", b'{"entry":"x"}', b"\0" * 300, b"\xff\xfe{}"])
def test_a_line_that_is_no_entry_is_told_and_passed_over(path: Path, line: bytes) -> None:
    story(path, 1, Rotation(), 10)
    found = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((*found[:4], line + b"\n", *found[4:])))
    assert [entry.entry for entry in read(path, Filters())] == list(range(1, 11))
    assert lines_passed(path, Filters()) == [line]
    with Finder(path) as finder:
        assert all(finder.entry(number) is not None for number in range(1, 11))


def test_a_file_aside_that_cannot_be_read_is_refused_and_named(path: Path) -> None:
    story(path, 1, Rotation(size_bytes=3_000), 30)
    first = files_aside(path)[0]
    first.unlink()
    first.mkdir()
    with pytest.raises(TrailError, match=rf"The trail {first} cannot be read: Is a directory"):
        list(read(path, Filters()))


def test_unfinished_runs_are_found_over_files(told: tuple[Path, Path]) -> None:
    path = told[1]
    open_runs = [run.number for run in runs(path, Filters(), ANNA) if run.state is State.RUNNING]
    assert open_runs
    assert [run.number for run in unfinished(path, ANNA)] == open_runs


def test_a_search_by_text_alone_parses_only_lines_that_hold_it(told: tuple[Path, Path]) -> None:
    search = Search(Filters(text="TICKET 1"))
    lines = [line for block in forwards(told[0]) for line in search.candidates(block)]
    assert lines
    assert all(b"ticket 1" in line for line in lines)


# Figures


def test_figures_count_runs_and_take_the_median_of_their_durations(path: Path) -> None:
    anna, ben = Trail(path, ANNA), Trail(path, BEN)
    for milliseconds in (100, 900, 300):
        number = anna.intent(Act(operation="reset", tier="int"))
        anna.result(number, outcome=Outcome.DONE, duration_ms=milliseconds)
    ben.refusal(Act(operation="migrate", tier="prod"), code="E-AGENT")
    ben.refusal(Act(operation="migrate"), code="E-AGENT")
    ben.intent(Act(operation="migrate", tier="prod"))
    found = tallied(each_run(path, Filters(), ANNA))
    shown = {name: [(each.name, each.count, each.median_ms) for each in tallies] for name, tallies in found.by.items()}
    assert found.runs == 6
    assert shown == {
        "tier": [("int", 3, 300), ("prod", 2, None), ("no tier", 1, None)],
        "operation": [("migrate", 3, None), ("reset", 3, 300)],
        "outcome": [("done", 3, 300), ("refused", 2, None), ("running", 1, None)],
        "person": [("anna", 3, 300), ("ben", 3, None)],
    }
    assert [(each.name, each.count) for each in found.refusals] == [("E-AGENT", 2)]
    assert found.last == last(path, 1)[0].moment


# Following


def added(place: Following) -> list[bytes]:
    return list(place.lines())


@pytest.fixture
def place(path: Path) -> Iterator[Following]:
    story(path, 1, Rotation(), 3)
    with Following(path) as found:
        yield found


def test_following_tells_what_was_added_and_nothing_twice(place: Following, path: Path) -> None:
    assert added(place) == []
    Trail(path, ANNA).note(Act(operation="seed"))
    assert added(place) == path.read_bytes().splitlines()[3:]
    assert added(place) == []


@pytest.mark.parametrize("files", [1, 3], ids=["one file on", "three files on"])
def test_following_goes_on_through_files(place: Following, path: Path, files: int) -> None:
    trail = Trail(path, ANNA, Rotation(size_bytes=1))
    for _ in range(files):
        trail.note(Act(operation="seed"))
    assert len(trail_files(path)) == files + 1
    assert [line[:11] for line in added(place)] == [b'{"entry":%d,' % number for number in range(4, 4 + files)]
    assert added(place) == []


def test_following_waits_for_the_end_of_a_line(place: Following, path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"entry":4')
        file.flush()
        assert added(place) == []
        file.write(b"}\n")
    assert added(place) == [b'{"entry":4}']


def test_following_begins_with_a_line_that_was_being_written(path: Path) -> None:
    path.write_bytes(b'{"entry":1')
    with Following(path) as place, path.open("ab") as file:
        file.write(b"}\n")
        file.flush()
        assert added(place) == [b'{"entry":1}']


def test_following_begins_before_there_is_a_trail(path: Path) -> None:
    with Following(path) as place:
        assert added(place) == []
        story(path, 1, Rotation(), 3)
        assert len(added(place)) == 3


def test_following_a_trail_that_was_moved_away_goes_on_in_the_new_one(place: Following, path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    assert added(place) == []
    Trail(path, ANNA).note(Act(operation="seed"))
    assert [line[:11] for line in added(place)] == [b'{"entry":1,']


def test_following_a_trail_that_is_cut_says_so(place: Following, path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(TrailError, match=r"has become shorter .* See: invoke audit --verify"):
        added(place)
