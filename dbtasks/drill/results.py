"""What came of a drill, for people, for scripts, for pages, and for the score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from dbtasks.drill.attempt import Outcome, Verdict
from dbtasks.drilled import FILE, VERSION, code
from dbtasks.embedded.state import make_folder

_BAR = "\\|"  # in a cell of a table


def as_data(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return the results as plain data: what was tried, and beside it what could not be."""
    tried = [each for each in outcomes if each.verdict is not Verdict.NOT_TRIED]
    return {
        "version": VERSION,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": code(),
        "ok": not any(each.verdict.fails for each in outcomes),
        "tried": [_tried(each) for each in tried],
        "not_tried": [{"id": each.attempt.id, "why": each.why} for each in outcomes if each not in tried],
    }


def _tried(outcome: Outcome) -> dict[str, object]:
    attempt = outcome.attempt
    return {
        "id": attempt.id,
        "tried": attempt.tried,
        "layer": attempt.layer.value,
        "stopped": outcome.verdict is Verdict.STOPPED,
        "verdict": outcome.verdict.value,
        "by": outcome.by,
        "ms": outcome.ms,
        **({"why": outcome.why} if outcome.why else {}),
    }


def keep(root: Path, data: dict[str, object]) -> None:
    """Keep the results where the score finds them."""
    make_folder(root / FILE.parent, enterable=False)
    ignore = root / FILE.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="ascii")
    new = root / FILE.with_suffix(".new")
    new.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(root / FILE)


def line(outcome: Outcome) -> str:
    """Return an outcome as a line for a terminal."""
    attempt = outcome.attempt
    seconds = f"{outcome.ms / 1000:5.1f} s" if outcome.ms else "       "
    text = f"{outcome.verdict:<9} {seconds}  {attempt.id:<42} {outcome.by:<16} {attempt.tried}"
    return f"{text}\n          {outcome.why}" if outcome.why else text


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return how many came to what."""
    counts = {verdict: sum(each.verdict is verdict for each in outcomes) for verdict in Verdict}
    tried = len(outcomes) - counts[Verdict.NOT_TRIED]
    words = [f"{count} {verdict}" for verdict, count in counts.items() if count or verdict is Verdict.BREACH]
    return f"{tried} tried in {seconds:.0f} s: {', '.join(words)}."


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the table of docs/drill.md."""
    rows = [_row(each) for each in outcomes]
    return "\n".join(("| id | what was tried | stopped by | which said | after |", "|---|---|---|---|---|", *rows))


def _row(outcome: Outcome) -> str:
    attempt = outcome.attempt
    tried = attempt.tried.replace("|", _BAR)
    return f"| `{attempt.id}` | {tried} | {attempt.layer} | {_by(outcome)} | {outcome.ms / 1000:.1f} s |"


def _by(outcome: Outcome) -> str:
    if outcome.verdict is Verdict.STOPPED:
        return f"`{outcome.by}`"
    return f"**{outcome.verdict}**: {outcome.why}"
