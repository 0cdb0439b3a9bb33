"""What an approver reads before signing: who asks, where the plan leads, what it would do, and how much may go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dbtasks import card_steps
from dbtasks.approvals.document import Content, Paper
from dbtasks.brought import Brought
from dbtasks.console import Console
from dbtasks.materials import Materials
from dbtasks.plan import ApplyRevisions, TakeBack
from dbtasks.proof import SHOWN, Vouched
from dbtasks.tiers import Tier

_WIDTH = 16


def lines(console: Console, tier: Tier, paper: Paper, brought: Brought) -> Iterator[str]:
    """Yield the card. The paper may be anybody's work: nothing in it makes a line, or turns one around."""
    plan = paper.content.plan
    yield f"{console.badge(tier)} {plain(plan.database)} · approve {plan.operation.name}"
    yield from (plain(line) for line in _facts(paper, brought))


def plain(text: str) -> str:
    """Return a text as one line of what can be seen.

    >>> plain("none\\n  data at risk \\u202e")
    'none\\\\u000a  data at risk \\\\u202e'
    """
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def _facts(paper: Paper, brought: Brought) -> Iterator[str]:
    content, plan = paper.content, paper.content.plan
    asked = str(brought.requester) if brought.requester else "nobody with a key: one more person must approve"
    yield _fact("asked for by", f"{asked} · written {time(content.requested_at)} by {content.asked_by}")
    yield _fact("ends", time(content.expires_at))
    oid = plan.target.oid if plan.target else "none"
    yield _fact("target", f"{content.place} · database {oid} of server {plan.server}")
    yield from card_steps.steps(plan, Materials())
    for step in plan.steps:
        if isinstance(step, ApplyRevisions | TakeBack):
            yield from _moves(step, content)
    if content.vouched is not None:
        yield _fact("proven", _vouched(content.vouched))
    for line in content.at_risk:
        yield _fact("counted then", line)
    if content.asked.reason:
        yield _fact("reason", content.asked.reason)
    yield _fact("approved by", ", ".join(str(each) for each in brought.approvers) or "nobody yet")


def _vouched(said: Vouched) -> str:
    """Return the word of the tier before, which is whoever's wrote the plan."""
    of = ", ".join(f"{revision} {checksum[:SHOWN]}" for revision, checksum in said.ledger) or "no revision"
    return f"by the word of {said.tier} (database {said.oid} of server {said.server}): {of}"


def _moves(step: ApplyRevisions | TakeBack, content: Content) -> Iterator[str]:
    if step.statements and not content.statements:
        yield _fact("statements", "not in this file. Read the revisions themselves before you agree")
    for revision, texts in zip(step.revisions, content.statements, strict=False):
        for text in texts:
            for line in text.strip().splitlines():
                yield _fact(f"  {revision.id}"[: _WIDTH - 1], line.expandtabs(4))
    if not step.ceilings:
        yield _fact("data at risk", "none that the plan allows")
    for ceiling in step.ceilings:
        deed = ceiling.deed.replace("_", " ")
        yield _fact("data at risk", f"{deed} {ceiling.what}: at most {ceiling.most:,}")
    for each in step.lint:
        yield _fact("lint", each)


def _fact(name: str, text: str) -> str:
    return f"  {name:<{_WIDTH}}{text}"


def time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%d %b %Y %H:%M} UTC"


def approvals(count: int) -> str:
    return f"{count} approval{'s' if count != 1 else ''}"
