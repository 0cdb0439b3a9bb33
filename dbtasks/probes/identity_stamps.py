"""Whether each database says which tier it is: the stamp in the live one, bound to this server and this database."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.evidence import StampState
from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed, unknown

ABOUT = About(
    name="identity_stamps",
    promise="each tier's database bears that tier's stamp, and no copy or other tier's stands in its place",
    critical=True,
    feature=False,
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield how the stamp of each tier stands."""

    def judge(seen: Seen) -> Iterator[Finding]:
        stamp, tier, name = seen.evidence.situation.stamp, seen.tier.label, seen.tier.name
        if stamp is StampState.MATCHES:
            yield passed(f"{tier}: {seen.database.name} is stamped {tier}", name)
        elif stamp is StampState.UNREADABLE:
            yield unknown(
                f"{tier}: the stamp in {seen.database.name} cannot be read", f"invoke check --tier={name}", name
            )
        else:
            yield failed(
                f"{tier}: the stamp in {seen.database.name} is {stamp.value}", f"invoke check --tier={name}", name
            )

    yield from ground.over(ground.tiers, judge, none="no tier was asked")
