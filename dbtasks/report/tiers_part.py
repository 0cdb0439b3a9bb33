"""The tiers side by side, and their ways back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dbtasks.card_steps import megabytes
from dbtasks.overview import Row
from dbtasks.report import Report, Shape, Standing
from dbtasks.report.attention import age, newest_good
from dbtasks.report.markup import Content, Markup, badge, code, join, tag
from dbtasks.way_back import Backup

_GRADES = {"restorable": "good", "readable": "soft", "written": "warn", "damaged": "bad"}
_MOST = 3


def tiers(report: Report) -> Markup:
    """Return every tier with where it leads and how it stands."""
    return tag("section", tag("h2", "Tiers"), tag("div", *(_tier(each) for each in report.tiers), class_="columns"))


def _tier(standing: Standing) -> Markup:
    row = standing.row
    title = tag("h3", badge(row.tier), code(row.target or row.tier.url_variable))
    state, colour = in_short(row)
    return tag(
        "article", title, tag("p", state, class_=f"state {colour}".strip()), _facts(_about(standing)),
        class_=row.tier.colour.value,
    )  # fmt: skip


def in_short(row: Row) -> tuple[str, str]:
    """Return how a tier stands in two or three words, and the class of their colour."""
    if not row.asked:
        return "not asked", "soft"
    if not row.built:
        return "not built yet", "soft"
    if row.revision == "unknown":
        return "not known", "bad"
    if row.pending is None:
        return "ahead of this code", "bad"
    behind = "at head" if row.pending == 0 else f"{row.pending} behind"
    return behind, "bad" if row.problem else "" if row.pending == 0 else "warn"


def _about(standing: Standing) -> Iterator[tuple[str, Content]]:
    row = standing.row
    if row.problem:
        yield "why", row.problem.rstrip(".")
    if row.revision != "unknown":
        yield "revision", code(row.revision)
        yield "stamp", (row.stamp, tag("span", f", {standing.stamped}", class_="soft") if standing.stamped else None)
    if standing.tables is not None:
        yield "holds", f"{standing.tables} tables, {standing.rows:,} rows, {megabytes(standing.size_bytes)}"
        colour = {Shape.AS_LEFT: None, Shape.CHANGED: "warn"}.get(standing.shape, "soft")
        yield "schema", tag("span", standing.shape.value, class_=colour)
    if standing.server:
        yield "server", standing.server
    if row.last:
        yield "last", row.last


def backups(report: Report) -> Markup:
    """Return every tier's ways back: its backups, what was replaced and is kept, and the moments to recover to."""
    columns = (
        tag("article", tag("h3", badge(each.row.tier), _age(each, report.at)), _facts(_ways(each)),
            class_=each.row.tier.colour.value)
        for each in report.tiers
    )  # fmt: skip
    return tag("section", tag("h2", "Ways back"), tag("div", *columns, class_="columns"))


def _age(standing: Standing, now: datetime) -> str:
    if standing.backups is None:
        return "backups not known"
    newest = newest_good(standing.backups)
    return f"backup {age(newest.at, now)} old, {newest.grade}" if newest else "no backup"


def _ways(standing: Standing) -> Iterator[tuple[str, Content]]:
    found = standing.backups or ()
    for at, each in enumerate(found[:_MOST]):
        yield "" if at else "backups", _backup(each)
    if len(found) > _MOST:
        yield "", tag("span", f"and {len(found) - _MOST} older", class_="soft")
    for at, (old, ended) in enumerate(standing.kept[:_MOST]):
        until = "retention ended" if ended else f"until {old.until.astimezone():%d %b %H:%M}" if old.until else "kept"
        yield (
            "" if at else "undo",
            f"replaced {old.since.astimezone():%d %b %H:%M}, {megabytes(old.size_bytes)}, {until}",
        )
    window = standing.window
    if window.since is not None:
        yield "recover", f"to any moment since {window.since.astimezone():%d %b %H:%M} ({window.engine})"
    elif window.engine and not window.why_not:
        yield "recover", f"by {window.engine}"
    elif window.why_not:
        yield "recover", tag("span", window.why_not.rstrip("."), class_="soft")
    for at, (entry, moment) in enumerate(window.marks):
        yield "" if at else "marks", f"before entry {entry}, {moment.astimezone():%d %b %H:%M}"


def _backup(each: Backup) -> Markup:
    what = f"{each.at.astimezone():%d %b %H:%M}, {each.rows:,} rows, {megabytes(each.size_bytes)}, "
    return join((what, tag("span", each.grade, class_=_GRADES.get(each.grade))))


def _facts(pairs: Iterator[tuple[str, Content]]) -> Markup:
    """Return facts as a list of names and values; values without a name go on with the one before."""
    together: list[tuple[str, list[Content]]] = []
    for name, value in pairs:
        if name:
            together.append((name, [value]))
        else:
            together[-1][1].append(value)
    return tag("dl", *((tag("dt", name), *(tag("dd", each) for each in values)) for name, values in together))
