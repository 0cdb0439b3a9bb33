"""The safety score with what it comes from: what is broken first, then what nobody knows, then what was shown."""

from __future__ import annotations

from dbtasks.report import Report
from dbtasks.report.markup import Markup, code, tag
from dbtasks.safety import Answer, Score, Verdict
from dbtasks.score_history import Past

_WORDS = {Verdict.FAIL: "bad", Verdict.UNKNOWN: "warn", Verdict.PASS: "good"}
_STEP, _HEIGHT = 10, 40


def score(report: Report) -> Markup | None:
    """Return the score as it was measured for this report; nothing where it was not."""
    found = report.score
    if found is None:
        return None
    order = list(Verdict)
    answers = sorted(found.answers, key=lambda each: order.index(each.verdict))
    counts = f"{found.proven} of {len(found.features)} features proven, {found.count(Verdict.UNKNOWN)} unknown"
    value = tag("p", tag("span", found.value, class_="value"), f" of 100, {counts}", class_="score")
    bound = tag("p", f"bounded by {', '.join(found.bounded_by)}", class_="bad") if found.bounded_by else None
    listed = tag("ul", *(_answer(each) for each in answers), class_="list evidence")
    return tag("section", tag("h2", "Safety score"), value, bound, _history(found, report.scores), listed)


def _answer(each: Answer) -> Markup:
    found = each.deciding
    mend = found.mend or each.about.page
    critical = tag("span", " · critical", class_="soft") if each.about.critical else None
    return tag(
        "li",
        tag("span", found.verdict.value, class_=_WORDS[found.verdict]),
        tag("span", each.about.name.replace("_", " "), critical),
        tag("div", found.saw, code(mend) if found.verdict is not Verdict.PASS else None),
    )  # fmt: skip


def _history(found: Score, before: tuple[Past, ...]) -> Markup | None:
    """Return the scores of before and this one as a line, where there are any."""
    if not before:
        return None
    values = [*(each.value for each in before), found.value]
    points = " ".join(f"{at * _STEP},{_HEIGHT - 2 - value * (_HEIGHT - 4) // 100}" for at, value in enumerate(values))
    told = f"{before[0].value} on {before[0].at.astimezone():%d %b}, {found.value} now, {len(values)} times measured"
    line = tag("polyline", points=points, class_="history", vector_effect="non-scaling-stroke")
    picture = tag(
        "svg", line, viewBox=f"0 0 {max(1, len(values) - 1) * _STEP} {_HEIGHT}", preserveAspectRatio="none",
        role="img", aria_label=f"The score so far: {told}",
    )  # fmt: skip
    return tag("figure", picture, tag("figcaption", told, class_="soft small"), class_="sparkline")
