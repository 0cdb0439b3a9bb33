"""Whether what is real got nothing that was not rehearsed: its ledger is held beside that of the tier before it."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.probes.ground import Ground, Seen, UnseenError
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Consent

ABOUT = About(
    name="promotion_proof",
    promise="every revision of what is real ran on the tier before it, from the same bytes",
    feature=False,
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield of each tier that needs a person whether the tier before has its revisions by the same bytes."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _of(ground, seen)

    tiers = tuple(tier for tier in ground.tiers if tier.consent is Consent.PERSON and tier.after)
    yield from ground.over(tiers, judge, none="no tier that needs a person's consent and follows another was asked")


def _of(ground: Ground, seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    before = ground.project.settings.tier(seen.tier.after or "")
    try:
        rehearsed = dict(ground.seen(before).database.ledger)
    except UnseenError as unseen:
        raise UnseenError(f"{before.label}, which comes before it, is {unseen.why}", unseen.mend) from None
    ran = {id_: digest for id_, digest in seen.database.ledger if id_ not in seen.database.taken_back}
    if not ran:
        return unknown(f"{tier}: its ledger has no revision", f"invoke migrate --tier={name}", name)
    other = [id_ for id_, digest in ran.items() if rehearsed.get(id_, digest) != digest]
    if other:
        saw = f"{tier}: {', '.join(other)} ran there from other bytes than on {before.label}"
        return failed(saw, f"invoke drift --tier={name}", name)
    skipped = [id_ for id_ in ran if id_ not in rehearsed]
    if skipped:
        saw = f"{tier}: {', '.join(skipped)} never ran on {before.label}"
        return failed(saw, f"invoke migrate --tier={before.name}", name)
    return passed(f"{tier}: all {len(ran)} revisions ran on {before.label} before, from the same bytes", name)
