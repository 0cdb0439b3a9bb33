"""The revisions, the newest first, with how each stands in every tier; and what is pending."""

from __future__ import annotations

from dbtasks.plan import RevisionBytes
from dbtasks.report import Report, Standing, Stands
from dbtasks.report.markup import Markup, badge, join, tag

# The newest, and besides them every one that some tier does not have as it is.
_MOST = 10


def revisions(report: Report) -> Markup:
    """Return them as a table: one column a tier."""
    if not report.revisions:
        return tag("section", tag("h2", "Revisions"), tag("p", "There are none that could be read.", class_="soft"))
    stands = {each.row.tier.name: dict(each.revisions) for each in report.tiers}
    shown = [each for at, each in enumerate(reversed(report.revisions)) if at < _MOST or _differs(stands, each.id)]
    head = tag(
        "tr",
        tag("th", "revision", scope="col", class_="soft small"),
        *(tag("th", badge(each.row.tier), scope="col") for each in report.tiers),
    )
    rows = (_row(report.tiers, stands, each) for each in shown)
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="marks")
    left = len(report.revisions) - len(shown)
    older = f"{left} older revision{'s are' if left > 1 else ' is'} the same everywhere. " if left else ""
    legend = (older, _mark(Stands.APPLIED), " applied  ", _mark(Stands.PENDING), " pending")
    return tag(
        "section",
        tag("h2", "Revisions"),
        tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Revisions by tier"),
        tag("p", *legend, class_="soft small legend"),
    )


def _differs(stands: dict[str, dict[str, Stands]], id_: str) -> bool:
    return any(there.get(id_) in (Stands.PENDING, Stands.EDITED) for there in stands.values())


def _row(tiers: tuple[Standing, ...], stands: dict[str, dict[str, Stands]], each: RevisionBytes) -> Markup:
    words = tag("span", tag("bdi", each.id), class_="id"), tag("span", each.message)
    name = tag("th", tag("div", *words), scope="row")
    cells = (
        tag("td", _cell(stands[tier.row.tier.name].get(each.id, Stands.UNKNOWN)), class_=tier.row.tier.colour.value)
        for tier in tiers
    )
    return tag("tr", name, *cells)


def _cell(stands: Stands) -> Markup:
    match stands:
        case Stands.EDITED:
            return tag("span", "edited", class_="bad small")
        case Stands.UNKNOWN:
            return join(
                (tag("span", "–", class_="soft", aria_hidden="true"), tag("span", "not known", class_="unseen"))
            )
    return join((_mark(stands), tag("span", stands.value, class_="unseen")))


def _mark(stands: Stands) -> Markup:
    ring = " ring" if stands is Stands.PENDING else ""
    return tag("span", class_=f"dot{ring}", aria_hidden="true")
