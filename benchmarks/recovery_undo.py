"""What an undo of a reset waits for the server, on a server as a team has it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

import psycopg

from benchmarks.measured import Bench, Row
from benchmarks.reset_inside import Inside, renames, settle
from benchmarks.reset_places import Place, durable
from benchmarks.reset_project import generate
from benchmarks.timing import Way, in_turn

_MOST_MS = 50
# What may not lose everything is looked into before.
_TIERS = {"int": "where everything may be lost", "stg": "where a question is asked"}


def undos(bench: Bench) -> dict[str, list[float]]:
    """Time undos of resets, each the undo of the one before, on a server as a team has it."""
    with durable() as place:
        place.run("CREATE DATABASE bare_live", "CREATE DATABASE bare_next")
        served: dict[str, list[float]] = {}
        ways = [Way(name="bare", act=lambda: renames(place))]
        made = generate(bench.scratch / "undone", revisions=10, rows=1_000)
        with (made.root / "config" / "tiers.yaml").open("a", encoding="utf-8") as settings:
            settings.write(_STG)
        for tier, name in _TIERS.items():
            inside = Inside(place, made, tier)
            for _ in range(2):
                inside.reset()
            served[name] = []
            ways.append(Way(name=name, ready=lambda: settle(place), act=_counting(place, inside, served[name])))
        taken = in_turn(ways, bench.runs)
    return taken | {_served(name): each[1:] for name, each in served.items()}


def _counting(place: Place, inside: Inside, served: list[float]) -> Callable[[], float]:
    """Return what does an undo, and also counts how long the server was at work for it."""

    def act() -> float:
        before = _active_ms(place)
        waited = inside.undo()
        served.append(_active_ms(place) - before)
        return waited

    return act


def _active_ms(place: Place) -> float:
    """Return for how long sessions have been executing something, but for those in `postgres`, such as this one."""
    with psycopg.connect(place.url("postgres"), autocommit=True) as connection:
        row = connection.execute("SELECT sum(active_time) FROM pg_stat_database WHERE datname <> 'postgres'").fetchone()
        return float(row[0]) if row else 0.0


def _served(name: str) -> str:
    return f"the server at work, {name}"


_STG = """\
  stg:
    label: STG
    colour: yellow
    url: stg_database_url
    may_lose: asked
    consent: question
    scripts_may_answer: true
    name_has_word: [stg]
    seeds: [demo]
    retention: 7 days
    after: int
"""


def line(taken: Mapping[str, Sequence[float]]) -> str:
    """Return in a sentence whether the aim was reached."""
    told = [
        f"{statistics.median(taken[_served(name)]):.0f} ms {name} ({max(taken[_served(name)]):.0f} ms at most)"
        for name in _TIERS.values()
    ]
    return f"An undo of a reset kept the server at work for {' and '.join(told)}; aim: {_MOST_MS} ms."


def rows(taken: Mapping[str, Sequence[float]]) -> list[Row]:
    """Return the lines of the table."""
    bare = "connecting and two renames"
    return [
        Row(
            what=f"undo of a reset {name}, waiting for the server",
            ours=taken[name],
            against=bare,
            theirs=taken["bare"],
        )
        for name in _TIERS.values()
    ]
