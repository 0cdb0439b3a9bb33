"""The migration order: each tier names the one before it, and together they form one line."""

from __future__ import annotations

from collections.abc import Sequence

from dbtasks.settings_rules import Draft
from dbtasks.wording import nearest, quoted


def in_order(drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts in migration order, the first tier first; where they form no line, note why."""
    known = {draft.tier.name: draft for draft in drafts}
    followers: dict[str, Draft] = {}
    firsts: list[Draft] = []
    for draft in drafts:
        after = draft.tier.after
        if "after" not in draft.fields:
            firsts.append(draft)
        elif after is not None and after not in known:
            text = f"no tier is called {quoted(after)}.{nearest(after, known)} The tiers are: {', '.join(known)}."
            draft.fields.note("after", text)
        elif after == draft.tier.name:
            draft.fields.note("after", "a tier does not come after itself. Name the tier before it.")
        elif after is not None and after in followers:
            text = f"{followers[after].tier.name} already comes after {after}. The order is a line: name another."
            draft.fields.note("after", text)
        elif after is not None:
            followers[after] = draft
    for extra in firsts[1:]:
        text = f"missing: {firsts[0].tier.name} is the first tier already. Add the tier that comes before this one."
        extra.fields.note("after", text)
    _note_circles(drafts, known)
    return _line(firsts, followers)


def _note_circles(drafts: Sequence[Draft], known: dict[str, Draft]) -> None:
    seen: set[str] = set()
    for draft in drafts:
        line: list[str] = []
        at: Draft | None = draft
        while at is not None and at.tier.name not in seen:
            seen.add(at.tier.name)
            line.append(at.tier.name)
            at = known.get(at.tier.after or "")
        if at is not None and at.tier.name in line and at.tier.after != at.tier.name:
            circle = [*line[line.index(at.tier.name) :], at.tier.name]
            text = f"goes round in a circle: {' after '.join(circle)}. Delete it from the first tier."
            at.fields.note("after", text)


def _line(firsts: Sequence[Draft], followers: dict[str, Draft]) -> list[Draft]:
    line = list(firsts[:1])
    while line and (follower := followers.get(line[-1].tier.name)) is not None:
        line.append(follower)
    return line
