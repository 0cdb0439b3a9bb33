"""Whether nobody blind can answer: a question to a pipe gets no answer, and what destroys is refused without one."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from dbtasks.console import Console
from dbtasks.effects import Effect
from dbtasks.probes.drills import stopped
from dbtasks.probes.ground import Ground, Seen
from dbtasks.probes.guard_answers import NOBODY, let_in
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.verdicts import Question

ABOUT = About(
    name="interactive_check",
    promise="what destroys is refused where nobody sits who could be asked, and a piped yes is no answer",
    critical=True,
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield whether a piped answer counts, what the guard says where nobody can be asked, and what the drill showed."""
    if _answer_of_a_pipe():
        yield failed("a question was answered by a pipe", ABOUT.page)
        return

    def judge(seen: Seen) -> Iterator[Finding]:
        through, tier = let_in(ground, seen, NOBODY, Effect.DESTROY, yes=False), seen.tier
        if through:
            mend = (
                f"Write consent: question for {tier.name} in config/tiers.yaml, then: invoke adopt --tier={tier.name}"
            )
            yield failed(f"{tier.label}: {through} there, and nobody is asked", mend, tier.name)
        else:
            yield passed(f"{tier.label}: what destroys is refused where nobody can be asked", tier.name)

    # The default tier is there to be lost: resets of it ask nobody, on purpose.
    tiers = tuple(tier for tier in ground.tiers if tier.name != ground.default.name)
    yield from ground.over(tiers, judge, none="only the default tier was asked, which may be lost at any time")
    yield stopped(ground, ABOUT.name)


def _answer_of_a_pipe() -> str:
    with _typed("yes\n"), redirect_stderr(io.StringIO()):
        return Console({}).ask(Question(prompt="Type 'yes':", expected="yes"))


@contextmanager
def _typed(text: str) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before
