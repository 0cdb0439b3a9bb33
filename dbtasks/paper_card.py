"""What an approver reads before signing: who asks, where the plan leads, what it would do, and how much may go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dbtasks import card
from dbtasks.approvals.document import Content, Paper
from dbtasks.console import Console
from dbtasks.materials import Materials
from dbtasks.plan import ApplyRevisions, TakeBack
from dbtasks.tiers import Tier

_WIDTH = 16


def lines(console: Console, tier: Tier, paper: Paper) -> Iterator[str]:
    content, plan = paper.content, paper.content.plan
    yield f"{console.badge(tier)} {plan.database} · approve {plan.operation.name}"
    asked = "signed with a key" if paper.request else "not signed: one more person must approve"
    yield _fact("asked for by", f"{content.asked_by}, {time(content.requested_at)} ({asked})")
    yield _fact("ends", time(content.expires_at))
    oid = plan.target.oid if plan.target else "none"
    yield _fact("target", f"{content.place} · database {oid} of server {plan.server}")
    yield from card.steps(plan, Materials())
    for step in plan.steps:
        if isinstance(step, ApplyRevisions | TakeBack):
            yield from _moves(step, content)
    for line in content.at_risk:
        yield _fact("counted then", line)
    if content.asked.reason:
        yield _fact("reason", content.asked.reason)
    yield _fact("approvals", f"{approvals(len(paper.agreements))} so far")


def _moves(step: ApplyRevisions | TakeBack, content: Content) -> Iterator[str]:
    for revision, texts in zip(step.revisions, content.statements, strict=False):
        for text in texts:
            for line in text.strip().splitlines():
                yield _fact(f"  {revision.id}"[: _WIDTH - 1], line)
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
