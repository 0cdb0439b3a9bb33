"""Whether limits hold: each declared one is really used up, on a scratch server and rolled back, and can be counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from dbtasks import embedded
from dbtasks.database import Connection, Scratch, open_to_write
from dbtasks.database import look as connection_to
from dbtasks.errors import RefusedError, ServerUnreachableError
from dbtasks.limits import Limits, Rate
from dbtasks.probes.ground import Ground, Seen, UnseenError
from dbtasks.registry import COORDINATION
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.tiers import Loss, Tier
from dbtasks.uses import Asked, look_first, take_in

ABOUT = About(
    name="rate_limiting",
    promise="what may not be lost is limited in how often somebody may run what, and the server counts it",
)
_MOST = 20  # units are taken one by one
_DECLARE = "limits: {runs: [migrate 3 times in 1 day]} in config/tiers.yaml"
# Where nothing was counted yet, the first who counts makes the table.
_COUNTS = """
SELECT CASE WHEN to_regclass('dbtasks.uses') IS NOT NULL
            THEN has_table_privilege('dbtasks.uses', 'SELECT') AND has_table_privilege('dbtasks.uses', 'INSERT')
            WHEN to_regnamespace('dbtasks') IS NOT NULL THEN has_schema_privilege('dbtasks', 'CREATE')
            ELSE has_database_privilege(current_database(), 'CREATE') END
"""


def look(ground: Ground) -> Iterator[Finding]:
    """Yield of each tier that may lose nothing whether its limits hold, and whether its server could count."""

    def judge(seen: Seen) -> Iterator[Finding]:
        tier = seen.tier
        if not tier.limits.rates:
            yield failed(f"{tier.label}: the settings limit nothing", f"{tier.name}: {_DECLARE}", tier.name)
            return
        for rate in tier.limits.rates:
            ignored = _ignored(ground, rate)
            if ignored:
                yield failed(f"{tier.label}: {ignored}", ABOUT.page, tier.name)
                return
        where = _counted(ground, seen)
        if where:
            yield failed(
                f"{tier.label}: {where}",
                f"Let the role write it: docs/probes/{ABOUT.name}.md",
                tier.name,
            )
        else:
            said = "; ".join(f"{each.operation} {each.most} times" for each in tier.limits.rates)
            yield passed(f"{tier.label}: {said}, and one more had to wait; its server counts", tier.name)

    yield from ground.over(_limited(ground), judge, none="no tier was asked that may lose nothing")


def _limited(ground: Ground) -> tuple[Tier, ...]:
    return tuple(tier for tier in ground.tiers if tier.may_lose is Loss.NOTHING or tier.limits.rates)


def _ignored(ground: Ground, rate: Rate) -> str:
    """Return what is wrong where one more than the limit is let through, on the private server; empty: nothing."""
    server = embedded.look(ground.project.settings.root, embedded.Kind.THROWAWAY)
    if server is None or not server.running:
        raise UnseenError("no private server runs here on which the limits could be tried", "invoke server start")
    base = server.conninfo("postgres")
    try:
        connection = open_to_write(Scratch(base), base.with_database(COORDINATION))
    except ServerUnreachableError:
        raise UnseenError("the private server has no place to count yet", "invoke prepare") from None
    with closing(connection), connection.transaction(force_rollback=True):
        return _used_up(connection, rate)


def _used_up(connection: Connection, rate: Rate) -> str:
    most = min(rate.most, _MOST)
    limits = Limits(rates=(Rate(operation=rate.operation, most=most, per=max(rate.per, timedelta(minutes=1))),))
    asked = Asked(project="score", tier="score", operation=rate.operation, person="score")
    taken = [isinstance(take_in(connection, asked, limits), int) for _ in range(most + 1)]
    if not all(taken[:most]):
        return f"{rate.operation} had to wait before its limit was reached"
    return f"{rate.operation} ran {most + 1} times where {most} are allowed" if taken[most] else ""


def _counted(ground: Ground, seen: Seen) -> str:
    """Return why runs could not be counted on the tier's server; empty: they could be."""
    who, rates = ground.project.who.person, seen.tier.limits.rates
    project, strict = ground.project.settings.project, replace(seen.evidence.situation.floor, may_lose=Loss.NOTHING)
    for rate in rates:
        try:
            look_first(
                seen.target, Asked(project=project, tier=seen.tier.name, operation=rate.operation, person=who), strict
            )
        except RefusedError as refused:
            if refused.code != "E-LIMIT":  # that one says that the limit holds at this very moment
                return refused.saw.removesuffix(".")
    query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"
    with seen.reading() as reading:
        aside = reading.execute(query, [COORDINATION]).fetchone() == (True,)
    place = seen.target.conninfo.with_database(COORDINATION) if aside else seen.target.conninfo
    with closing(connection_to(place)) as connection:
        may = connection.execute(_COUNTS).fetchone() == (True,)
    return "" if may else f"{seen.evidence.server.role} may not write dbtasks.uses in {place.database}"
