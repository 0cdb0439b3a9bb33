"""Whether there is a database to break, one to rehearse in and one that is real, and whether they are several."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.probes.ground import Ground, Seen, UnseenError
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Consent, Loss, Tier

ABOUT = About(
    name="three_tier_architecture",
    promise="what may be lost, what is rehearsed in and what is real are databases of their own",
    critical=True,
)
_DECLARE = "Declare the tiers in config/tiers.yaml: docs/settings.md"


def look(ground: Ground) -> Iterator[Finding]:
    """Yield whether the tiers rise from what may be lost to what is real, and lead to as many databases."""
    tiers = ground.project.settings.tiers
    missing = _missing(tiers)
    if missing:
        yield failed(f"no tier {missing}", _DECLARE)
        return
    there: list[Seen] = []
    for tier in tiers:
        try:
            if tier not in ground.tiers:
                raise UnseenError("not asked (--tier named another one)", "invoke score")
            there.append(ground.seen(tier))
        except UnseenError as unseen:
            yield unknown(f"{tier.label}: {unseen.why}", unseen.mend, tier.name)
    same = [(one, other) for at, one in enumerate(there) for other in there[at + 1 :] if one.identity == other.identity]
    for one, other in same:
        saw = f"{one.tier.label} and {other.tier.label} are one database ({one.database.name})"
        yield failed(
            saw, f"Give each tier its own: {other.target.variable or other.tier.url_variable}", other.tier.name
        )
    if not same and len(there) == len(tiers):
        yield passed(f"{', '.join(each.tier.label for each in there)} are {len(there)} databases")


def _missing(tiers: tuple[Tier, ...]) -> str:
    """Return which kind of tier is not there, in words; empty: none is missing."""
    last = next((tier for tier in tiers if tier.consent is Consent.PERSON and tier.may_lose is Loss.NOTHING), None)
    if last is None:
        return "needs a person's consent and may lose nothing"
    if not any(tier.may_lose is Loss.EVERYTHING for tier in tiers):
        return "may lose everything, for tests"
    before = tiers[: tiers.index(last)]
    return (
        "" if any(tier.may_lose is not Loss.EVERYTHING for tier in before) else f"stands between tests and {last.label}"
    )
