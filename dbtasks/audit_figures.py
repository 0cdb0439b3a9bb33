"""The figures of the trail as people, scripts and spreadsheets read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dbtasks.audit_rows import row
from dbtasks.trail_stats import DIMENSIONS, Stats, Tally


def lines(stats: Stats) -> Iterator[str]:
    """Yield a block of lines for each dimension."""
    if stats.first is None or stats.last is None:
        yield "No run fits."
        return
    runs = f"{stats.runs:,} run{'s' if stats.runs > 1 else ''}"
    yield f"{runs}, begun {_when(stats.first)} to {_when(stats.last)}"
    for name, tallies in _blocks(stats):
        yield ""
        yield f"{name:<18}{'runs':>9}  {'last':<17}{'median':>9}"
        for each in tallies:
            label = f"[{each.name.upper()}]" if name == "tier" and each.name != "no tier" else each.name
            yield f"{label:<18}{each.count:>9,}  {_when(each.last):<17}{_took(each.median_ms):>9}".rstrip()


def as_data(stats: Stats) -> dict[str, object]:
    """Return the figures as plain data."""
    return {
        "runs": stats.runs,
        "first": stats.first.isoformat() if stats.first else None,
        "last": stats.last.isoformat() if stats.last else None,
        **{name: [_tally(each) for each in tallies] for name, tallies in _blocks(stats)},
    }


def rows(stats: Stats) -> Iterator[str]:
    """Yield the figures as CSV, the header first."""
    yield row(("by", "name", "runs", "last", "median_ms"))
    for name, tallies in _blocks(stats):
        for each in tallies:
            yield row((name, each.name, each.count, each.last.isoformat(), each.median_ms))


def _blocks(stats: Stats) -> Iterator[tuple[str, tuple[Tally, ...]]]:
    yield from ((name, stats.by[name]) for name in DIMENSIONS)
    if stats.refusals:
        yield "refusal", stats.refusals


def _tally(each: Tally) -> dict[str, object]:
    return {"name": each.name, "runs": each.count, "last": each.last.isoformat(), "median_ms": each.median_ms}


def _when(moment: datetime) -> str:
    return f"{moment.astimezone():%d %b %Y %H:%M}"


def _took(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f} s"
