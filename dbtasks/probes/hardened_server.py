"""Whether PostgreSQL itself says no: the guards inside what is real are looked up in its catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.guards import look_at, wanted_by
from dbtasks.measures import lines, measures, missing
from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.tiers import Consent

ABOUT = About(
    name="hardened_server",
    promise="DROP and TRUNCATE fail inside what is real, also for whoever has never heard of dbtasks",
    feature=False,
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield which guards are missing inside of each tier that needs a person."""

    def judge(seen: Seen) -> Iterator[Finding]:
        tier, name = seen.tier.label, seen.tier.name
        wanted = wanted_by(ground.project, seen.target, seen.evidence.server)
        every = measures(wanted, look_at(seen.target, wanted))
        left = lines(missing(every))
        if left:
            more = f", and {len(left) - 1} more" if len(left) > 1 else ""
            yield failed(f"{tier}: missing: {left[0]}{more}", f"invoke harden --tier={name}", name)
        else:
            yield passed(f"{tier}: all {len(every)} guards stand, and only {wanted.passes} passes", name)

    tiers = tuple(tier for tier in ground.tiers if tier.consent is Consent.PERSON)
    yield from ground.over(tiers, judge, none="no tier that needs a person's consent was asked")
