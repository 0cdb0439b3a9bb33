"""How a score is shown: what is broken first, then what nobody knows, then what was shown."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.console import Console
from dbtasks.probes import measure
from dbtasks.project import Project
from dbtasks.safety import Answer, Score, Verdict
from dbtasks.score_history import Past, keep, past, sparkline

_COLUMNS = 100


def show(project: Project, console: Console, tier: str, *, least: int | None, as_json: bool) -> bool:
    """Measure, write what was found, keep it for the next time, and return whether the score is at `least` that."""
    tiers = (project.settings.tier(tier),) if tier else project.settings.tiers
    score = measure(project, tiers)
    before = past(project, score)
    keep(project, score)
    if as_json:
        history = [{"score": each.value, "at": each.at.isoformat()} for each in before]
        console.data({**score.as_data(), "history": history})
    else:
        for line in lines(score, before):
            console.text(line)
    good = least is None or score.value >= least
    if not good:
        console.say(f"The score is {score.value}, and --min asks for {least}.")
    return good


def lines(score: Score, before: tuple[Past, ...] = ()) -> Iterator[str]:
    """Yield the score as people read it."""
    yield headline(score)
    if score.bounded_by:
        yield f"  bounded by {', '.join(score.bounded_by)}, which fail{'s' if len(score.bounded_by) == 1 else ''}"
    width = max(len(each.about.name) for each in score.answers)
    yield from _block(score.features, width)
    if score.further:
        yield "Further checks, which bound the score where they fail:"
        yield from _block(score.further, width)
    if before:
        values = [*(each.value for each in before), score.value]
        yield f"  {sparkline(values)}  {before[0].value} on {before[0].at.astimezone():%d %b}, {score.value} now"


def headline(score: Score) -> str:
    """Return the score in a line."""
    total = len(score.features)
    counts = f"{score.count(Verdict.UNKNOWN)} unknown · {score.count(Verdict.FAIL)} failing"
    return f"Safety score {score.value} of 100 · {score.proven} of {total} features proven · {counts}"


def _block(answers: tuple[Answer, ...], width: int) -> Iterator[str]:
    order = list(Verdict)
    for answer in sorted(answers, key=lambda each: order.index(each.verdict)):
        found = answer.deciding
        start = f"  {found.verdict.value:<7}  {answer.about.name:<{width}}  "
        mend = "" if answer.verdict is Verdict.PASS else found.mend or answer.about.page
        one_line = f"{start}{found.saw}  {mend}".rstrip()
        if len(one_line) <= _COLUMNS:
            yield one_line
        else:
            yield start + found.saw
            if mend:
                yield " " * len(start) + mend
