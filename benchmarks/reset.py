"""Resets of 200 revisions and 100,000 rows, side by side with what a user would do otherwise, on two servers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.measured import Bench, Measured, Row, machine, table
from benchmarks.reset_chart import Bar, chart
from benchmarks.reset_inside import Inside, busy, clone, renames, settle
from benchmarks.reset_places import Place, durable, throwaway
from benchmarks.reset_project import Generated, generate
from benchmarks.reset_ways import Whole
from benchmarks.timing import Way, in_turn, once

SIZES = ((10, 1_000), (10, 100_000), (200, 1_000), (200, 100_000))
CLIENTS = 12
STRATEGIES = ("WAL_LOG", "FILE_COPY")

Taken = Mapping[str, Sequence[float]]


def measure(bench: Bench) -> Measured:
    """Measure both servers one after the other; on each, all ways in turn."""
    projects = [
        generate(bench.scratch / f"project_{revisions}_{rows}", revisions=revisions, rows=rows)
        for revisions, rows in SIZES
    ]
    lines = [
        f"Medians of {bench.runs} runs, all ways in turn, {machine('psycopg', 'invoke', 'alembic', 'sqlalchemy')}."
    ]
    pictures = {}
    with throwaway(bench.scratch / "server") as fast, durable() as team:
        for number, place in enumerate((fast, team), start=1):
            rows, bars = _on(place, projects, bench)
            lines += ["", f"**{place.name}**", "", *table(rows)]
            picture = f"performance-reset-{number}.svg"
            pictures[picture] = chart(f"Reset of 200 revisions and 100,000 rows: {place.name}", bars)
            lines += ["", f"![Milliseconds of each way]({picture})"]
    return Measured(lines=tuple(lines), pictures=pictures)


def _on(place: Place, projects: Sequence[Generated], bench: Bench) -> tuple[list[Row], list[Bar]]:
    insides = {size: Inside(place, made) for size, made in zip(SIZES, projects, strict=True)}
    commands = [Whole(place, made, bench.scratch / "bare") for made in projects]
    for each in commands:
        once(each.invoke("reset"))
    largest = commands[-1]
    place.run(
        "CREATE DATABASE bare_live",
        "CREATE DATABASE bare_next",
        f"CREATE DATABASE bare_template TEMPLATE {largest.made.database}",
    )
    inside = in_turn(list(_inside_ways(place, insides)), bench.runs)
    strategy = min(STRATEGIES, key=lambda each: statistics.median(inside[each]))
    whole = in_turn(largest.ways(strategy), bench.runs)
    whole["one after another"] = largest.one_after_another(bench.runs)
    return _rows(inside, whole, strategy), _bars(inside, whole, strategy)


def _inside_ways(place: Place, insides: Mapping[tuple[int, int], Inside]) -> Iterator[Way]:
    largest = insides[SIZES[-1]]
    for size, inside in insides.items():
        yield Way(name=_sized(size), ready=inside.prepare, act=inside.reset)
    yield Way(name="renames", act=lambda: renames(place))
    yield Way(name="busy", ready=largest.prepare, act=lambda: _while_busy(place, largest))
    yield Way(name="idle", ready=largest.prepare, act=largest.swap)
    yield Way(name="from template", ready=largest.without_spare, act=largest.reset)
    for strategy in STRATEGIES:
        yield Way(name=strategy, ready=lambda: settle(place), act=clone(place, strategy))


def _while_busy(place: Place, inside: Inside) -> float:
    with busy(place, inside.made.database, CLIENTS):
        return inside.swap()


def _rows(inside: Taken, whole: Taken, strategy: str) -> list[Row]:
    renamed, hand = "connecting and two renames", "drop, create, `alembic upgrade head`, `\\copy`"
    rows = [
        Row(what=f"Server, spare: {_sized(size)}", ours=inside[_sized(size)], against=renamed,
            theirs=inside["renames"], aim=2.0)
        for size in SIZES
    ]  # fmt: skip
    created = f"connecting and `CREATE DATABASE ... TEMPLATE`, {strategy}"
    bare = "a bare task: Invoke, psycopg, two renames"
    rows += [
        Row(what=f"The swap alone, {CLIENTS} clients that come back", ours=inside["busy"],
            against="the same without clients", theirs=inside["idle"]),
        Row(what="Server, from a template", ours=inside["from template"], against=created,
            theirs=inside[strategy], aim=1.2),
        Row(what="`invoke reset` with a spare", ours=whole["spare"], against=bare,
            theirs=whole["bare swap"], aim=1.3),
        Row(what="the same, times faster", ours=whole["spare"], against=hand, theirs=whole["hand"],
            aim=8.0, faster=True),
        Row(what="`invoke reset` right after another", ours=whole["one after another"], against=bare,
            theirs=whole["bare swap"]),
        Row(what="`invoke reset` from a template", ours=whole["template"],
            against=f"a bare task: Invoke, psycopg, {strategy}", theirs=whole["bare clone"]),
        Row(what="`invoke reset`, the first one", ours=whole["first"], against=hand, theirs=whole["hand"],
            aim=1.1),
    ]  # fmt: skip
    return rows


def _bars(inside: Taken, whole: Taken, strategy: str) -> list[Bar]:
    shown = (
        ("drop, create, alembic upgrade head, \\copy", whole["hand"], False),
        ("invoke reset, the first one", whole["first"], True),
        ("invoke reset from a template", whole["template"], True),
        (f"bare task: CREATE DATABASE ... TEMPLATE, {strategy}", whole["bare clone"], False),
        ("invoke reset with a spare", whole["spare"], True),
        ("bare task: two renames", whole["bare swap"], False),
        ("server only: reset from a template", inside["from template"], True),
        (f"server only: CREATE DATABASE ... TEMPLATE, {strategy}", inside[strategy], False),
        ("server only: reset with a spare", inside[_sized(SIZES[-1])], True),
        ("server only: two renames", inside["renames"], False),
    )
    return [Bar(name=name, value=statistics.median(taken), ours=ours) for name, taken, ours in shown]


def _sized(size: tuple[int, int]) -> str:
    return f"{size[0]} revisions, {size[1]:,} rows"
