"""Whether AI agents plan and people apply: the real guard is asked as an agent would, and the drill tried it."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.effects import Effect
from dbtasks.probes.drills import stopped
from dbtasks.probes.ground import Ground, Seen
from dbtasks.probes.guard_answers import let_in
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent

ABOUT = About(
    name="agents_refused",
    promise="an AI agent changes nothing that needs a person, and destroys nothing that people keep",
    critical=True,
    feature=False,
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what the guard says to an agent that sets every flag, and what the drill showed."""

    def judge(seen: Seen) -> Iterator[Finding]:
        tier = seen.tier
        least = Effect.READ if tier.consent is Consent.PERSON else Effect.DESTROY
        through = let_in(ground, seen, (Kind.AGENT,), least, yes=True)
        if through:
            mend = (
                f"Write consent: question for {tier.name} in config/tiers.yaml, then: invoke adopt --tier={tier.name}"
            )
            yield failed(f"{tier.label}: an {through} there with --yes", mend, tier.name)
        else:
            what = "everything" if least is Effect.READ else "what destroys"
            yield passed(f"{tier.label}: agents are refused {what}", tier.name)

    tiers = tuple(tier for tier in ground.tiers if tier.name != ground.default.name)
    yield from ground.over(tiers, judge, none="only the default tier was asked, which may be lost at any time")
    yield stopped(ground, ABOUT.name)
