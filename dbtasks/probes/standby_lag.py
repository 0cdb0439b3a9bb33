"""Whether the standbys of what is real follow it: by what the primary knows of them now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Consent

ABOUT = About(
    name="standby_lag",
    promise="the standbys of what is real can be reached and are no more than a minute behind",
    feature=False,
)
MOST_SECONDS, MOST_BYTES = 60, 64 << 20
_STANDBYS = """
SELECT coalesce(nullif(application_name, ''), client_addr::text, 'a standby'),
       extract(epoch FROM replay_lag)::float8, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint
  FROM pg_stat_replication WHERE state IN ('streaming', 'catchup') ORDER BY 3 DESC NULLS FIRST
"""
_LEFT = "SELECT slot_name::text FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active ORDER BY 1"


def look(ground: Ground) -> Iterator[Finding]:
    """Yield how the standbys of each tier that needs a person stand."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _of(seen)

    tiers = tuple(tier for tier in ground.tiers if tier.consent is Consent.PERSON)
    yield from ground.over(tiers, judge, none="no tier that needs a person's consent was asked")


def _of(seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    with seen.reading() as connection:
        left = connection.execute(_LEFT).fetchone()
        standbys = connection.execute(_STANDBYS).fetchall()
    if left is not None:
        saw = f"{tier}: whoever uses the slot {left[0]} is not connected, and the server keeps its log for it"
        return failed(saw, "Start that standby, or drop its slot: SELECT pg_drop_replication_slot('...')", name)
    if not standbys:
        return unknown(f"{tier}: no standby is connected", "", name)
    for who, seconds, behind in standbys:
        if behind is None:
            role = seen.evidence.server.role
            return unknown(f"{tier}: {role} may not know how far {who} is", f"GRANT pg_monitor TO {role}", name)
        bytes_, lag = cast(int, behind), cast("float | None", seconds) or 0.0
        if bytes_ > MOST_BYTES or lag > MOST_SECONDS:
            saw = f"{tier}: {who} is {bytes_ >> 20} MB and {lag:.0f} s behind"
            return failed(saw, "See what holds it up: pg_stat_replication, and that server's own log", name)
    return passed(f"{tier}: {len(standbys)} standbys, at the most {cast(int, standbys[0][2]) >> 20} MB behind", name)
