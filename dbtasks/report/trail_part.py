"""The trail as a timeline, the days before it, and what ends soon."""

from __future__ import annotations

from datetime import date
from itertools import groupby

from dbtasks import audit_view
from dbtasks.report import Asked, Day, Report
from dbtasks.report.markup import Markup, badge, code, join, tag
from dbtasks.tiers import Tier
from dbtasks.trail_runs import Run, State

_HEIGHT, _STEP, _WIDTH = 56, 20, 14
_COLOURS = {State.DONE: "soft", State.NOTED: "soft", State.RUNNING: "good", State.REFUSED: "warn"}


def trail(report: Report) -> Markup:
    """Return what verifying the trail came to, how much happened on which day, and what happened last."""
    told = report.trail
    verdict = tag("p", told.words, class_=None if told.holds else "bad") if told else None
    strip = _strip(report.days) if any(each.runs or each.refused for each in report.days) else None
    tiers = {each.row.tier.name: each.row.tier for each in report.tiers}
    lines: list[Markup] = []
    for day, found in groupby(reversed(report.recent), key=lambda run: run.first.moment.astimezone().date()):
        lines.append(tag("h3", f"{day:%A, %d %B %Y}", class_="day"))
        lines.append(tag("ol", *(_line(run, tiers) for run in found), class_="line"))
    nothing = None if lines else tag("p", "Nothing is recorded yet.", class_="soft")
    return tag("section", tag("h2", "The trail"), verdict, strip, nothing, *lines)


def _strip(days: tuple[Day, ...]) -> Markup:
    """Return a bar a day: what ran, and on top of it in another colour what failed or was refused."""
    most = max(1, *(each.runs + each.refused for each in days))
    bars = [
        bar
        for at, each in enumerate(days)
        for bar in _bar(at * _STEP, each.runs - each.failed, each.failed + each.refused, most)
    ]
    runs, failed, refused = (sum(getattr(each, name) for each in days) for name in ("runs", "failed", "refused"))
    told = f"{runs} runs in {len(days)} days, {failed} failed, {refused} refused"
    picture = tag(
        "svg", *bars, viewBox=f"0 0 {len(days) * _STEP - (_STEP - _WIDTH)} {_HEIGHT}", preserveAspectRatio="none",
        role="img", aria_label=f"{told}; at the most {most} on a day",
    )  # fmt: skip
    span = f"{days[0].day:%d %b} to {days[-1].day:%d %b}"
    return tag("figure", picture, tag("figcaption", tag("span", span), tag("span", told), class_="soft small"))


def _bar(x: int, well: int, badly: int, most: int) -> list[Markup]:
    if not well + badly:
        return [tag("rect", x=x, y=_HEIGHT - 1, width=_WIDTH, height=1, class_="bar-none")]
    high, top = (max(3, round(_HEIGHT * count / most)) if count else 0 for count in (well, badly))
    high = min(high, _HEIGHT - top)
    return [
        tag("rect", x=x, y=_HEIGHT - high, width=_WIDTH, height=high, class_="bar"),
        tag("rect", x=x, y=_HEIGHT - high - top, width=_WIDTH, height=top, class_="bar-bad"),
    ]


def _line(run: Run, tiers: dict[str, Tier]) -> Markup:
    first = run.first
    moment, tier = first.moment.astimezone(), tiers.get(first.tier or "")
    mark = badge(tier) if tier else tag("span", first.tier or "", class_="soft small")
    state = tag("span", run.state.value, class_=_COLOURS.get(run.state, "bad"))
    more = audit_view.more(run).replace("  ", " · ")
    words = (
        tag("strong", first.operation), " ", tag("bdi", first.person), " · ", state,
        tag("span", " · ", more, class_="soft") if more else None,
        tag("span", f" · {run.number}", class_="number small"),
    )  # fmt: skip
    when = tag("time", f"{moment:%H:%M}", datetime=f"{moment:%Y-%m-%dT%H:%M:%S%z}")
    return tag("li", when, tag("span", mark), tag("span", *words))


def ends(report: Report) -> Markup:
    """Return what ends: waivers of lint, and plans that others have approved."""
    today = report.at.date()
    tiers = {each.row.tier.name: each.row.tier for each in report.tiers}
    waivers = [
        tag(
            "li", tag("strong", each.rule), " in ", code(each.revision), ", ", _left(each.expires, today),
            tag("span", f" · {each.reason}", class_="soft"),
        )
        for each in report.waivers
    ]  # fmt: skip
    plans = [_plan(each, report, tiers) for each in report.plans]
    return tag(
        "section",
        tag("h2", "What ends"),
        _listed("Waivers of lint", waivers, "None is in force."),
        _listed("Plans for approval, within 30 days", plans, "None was asked for."),
    )


def _listed(title: str, lines: list[Markup], nothing: str) -> Markup:
    there = tag("ul", *lines, class_="list") if lines else tag("p", nothing, class_="soft")
    return join((tag("h3", title, class_="day"), there))


def _left(end: date, today: date) -> Markup:
    days = (end - today).days
    if days < 0:
        return tag("span", f"ended on {end:%d %b %Y}", class_="bad")
    return tag("span", f"until {end:%d %b %Y}", class_="warn" if days <= 14 else None)


def _plan(each: Asked, report: Report, tiers: dict[str, Tier]) -> Markup:
    tier = tiers.get(each.tier)
    approved = f"approved by {', '.join(each.approved_by)}" if each.approved_by else "approved by nobody yet"
    if each.used is not None:
        end = tag("span", f"used by entry {each.used}", class_="soft")
    elif each.ends < report.at:
        end = tag("span", f"ended {each.ends.astimezone():%d %b %H:%M}", class_="soft")
    else:
        end = tag("span", f"until {each.ends.astimezone():%d %b %H:%M}", class_="warn")
    asked = f" asked for by {each.person} {each.at.astimezone():%d %b %H:%M}, {approved}, "
    return tag("li", badge(tier) if tier else None, " ", tag("strong", each.operation), asked, end)
