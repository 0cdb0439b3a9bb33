"""Runs of the trail as CSV: one row a run, and no cell that a spreadsheet would calculate."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from dbtasks.trail_runs import Run, State

COLUMNS = (
    "entry", "time", "tier", "operation", "person", "surroundings", "state", "code", "duration_ms", "target", "effect",
    "host", "commit", "detail", "outcome_detail",
)  # fmt: skip

# What spreadsheets take for the beginning of a formula, in the wide forms of East Asian keyboards, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # fmt: skip


def header() -> str:
    return row(COLUMNS)


def cells(run: Run) -> tuple[object, ...]:
    """Return a run's cells, in the order of the columns."""
    first, result = run.first, run.result
    code = first.outcome if run.state is State.REFUSED else None
    ended = result.detail if result is not None and result is not first else {}
    return (
        run.number, first.time, first.tier, first.operation, first.person, first.surroundings, run.state.value, code,
        result.duration_ms if result is not None else None, first.target, first.effect, first.host, first.commit,
        _json(first.detail), _json(ended),
    )  # fmt: skip


def row(values: Iterable[object]) -> str:
    """Return a line of CSV without its end. A text that could be a formula gets an apostrophe, as OWASP advises.

    >>> print(row([7, "=1+1", None, "a, b"]))
    7,'=1+1,,"a, b"
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_safe(value) for value in values])
    return text.getvalue()


def columned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines of columns, each as wide as its widest cell.

    >>> list(columned([("tier", "runs"), ("int", "12")]))
    ['tier  runs', 'int   12']
    """
    flat = [[cell.replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*flat, strict=True)]
    for row in flat:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _safe(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return value


def _json(detail: dict[str, object]) -> str | None:
    return json.dumps(detail, ensure_ascii=False, separators=(",", ":")) if detail else None
