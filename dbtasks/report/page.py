"""A report as one HTML file that needs nothing else: no script, no font, no picture, no network.

Its content policy allows this style sheet and nothing more, so that what gets past `markup`, if ever, does nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from dbtasks.report import Report
from dbtasks.report.attention import Notice, Weight, notices
from dbtasks.report.markup import Markup, badge, code, join, tag
from dbtasks.report.revisions_part import revisions
from dbtasks.report.score_part import score
from dbtasks.report.tiers_part import backups, tiers
from dbtasks.report.trail_part import ends, trail

# By its beginning a file is known as a report, which another may replace.
BEGIN = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="dbtasks">'


def page(report: Report) -> str:
    """Return the whole file."""
    css = _style()
    policy = f"default-src 'none'; style-src 'sha256-{_digest(css)}'; base-uri 'none'; form-action 'none'"
    head = join(
        (
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("meta", name="robots", content="noindex"),
            tag("title", f"{report.project}: databases on {report.at:%d %b %Y %H:%M}"),
            Markup(f"<style>{css}</style>"),
        )
    )
    return f"{BEGIN}{head}</head>\n{_body(report)}\n</html>\n"


def _body(report: Report) -> Markup:
    found = notices(report)
    parts = (tiers(report), score(report), revisions(report), backups(report), trail(report), ends(report))
    return tag("body", _header(report, found), tag("main", attention(found), *parts), _footer(report))


def _header(report: Report, found: tuple[Notice, ...]) -> Markup:
    made = f"{report.at:%d %b %Y %H:%M %Z} · {report.person} on {report.host}"
    commit = (" · commit ", code(report.commit[:10])) if report.commit else ()
    return tag(
        "header",
        tag("p", "Databases of", class_="soft small"),
        tag("h1", tag("bdi", report.project)),
        tag("p", made, commit, class_="soft small"),
        tag("p", lead(report, found), class_="lead"),
    )


def lead(report: Report, found: tuple[Notice, ...]) -> str:
    """Return the report in a sentence or two."""
    rows = [standing.row for standing in report.tiers]
    head = sum(row.pending == 0 and not row.problem for row in rows)
    not_asked = [row.tier.label for row in rows if not row.asked]
    parts = [f"{head} of {len(rows)} tiers {'is' if head == 1 else 'are'} at head"]
    if not_asked:
        parts.append(f"{' and '.join(not_asked)} {'was' if len(not_asked) == 1 else 'were'} not asked")
    wrong = sum(each.weight is Weight.WRONG for each in found)
    look = sum(each.weight is Weight.LOOK for each in found)
    parts.append(f"{wrong} thing{'s' if wrong != 1 else ''} to put right" if wrong else "nothing to put right")
    parts += [f"{look} to look at"] if look else []
    told = f" Safety score {report.score.value} of 100." if report.score else ""
    return ", ".join(parts) + f".{told}"


_WEIGHTS = {Weight.WRONG: ("wrong", "bad"), Weight.LOOK: ("look", "warn"), Weight.KNOW: ("know", "soft")}


def attention(found: tuple[Notice, ...]) -> Markup:
    """Return what should be looked at."""
    lines = []
    for each in found:
        word, colour = _WEIGHTS[each.weight]
        mark = badge(each.tier) if each.tier else tag("span", "all", class_="soft small")
        words = tag("span", f"{word}: ", class_=colour), each.words.rstrip(".")
        lines.append(tag("li", tag("span", mark), tag("div", words, code(each.command) if each.command else None)))
    listed = tag("ul", *lines, class_="list notices") if lines else tag("p", "Nothing needs a look.", class_="good")
    return tag("section", tag("h2", "To look at"), listed)


def _footer(report: Report) -> Markup:
    how = (
        "Read from the catalogues, the files of the project and the trail; no database was changed. ",
        "Counts of rows are the server's estimates. Made by ",
        code("invoke report"),
        f" for {report.project}.",
    )
    return tag("footer", tag("p", *how, class_="soft small"))


@cache
def _style() -> str:
    return (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def _digest(css: str) -> str:
    return base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
