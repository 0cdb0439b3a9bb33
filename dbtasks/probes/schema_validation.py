"""Whether each schema still is what its migrations left: read now, and compared by its fingerprint."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.drift import as_it_was_left
from dbtasks.evidence import Drift
from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Loss

ABOUT = About(
    name="schema_validation",
    promise="no schema with rows that are kept was changed by hand: each is as a migration or a person left it",
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield of each tier whether its schema has the fingerprint that was written down."""
    tables = ground.project.settings.migrations.version_tables

    def judge(seen: Seen) -> Iterator[Finding]:
        tier, name = seen.tier.label, seen.tier.name
        with seen.reading() as connection:
            found = as_it_was_left(connection, tables)
        if found is Drift.NONE:
            yield passed(f"{tier}: as its last migration left it", name)
        elif found is Drift.THERE:
            yield failed(f"{tier}: changed since its last migration", f"invoke drift --tier={name}", name)
        else:
            yield unknown(
                f"{tier}: no migration has written down how it left the schema", f"invoke drift --tier={name}", name
            )

    # What may lose everything is built anew where it differs, and so nobody writes down how it was left.
    tiers = tuple(tier for tier in ground.tiers if tier.may_lose is not Loss.EVERYTHING)
    yield from ground.over(tiers, judge, none="no tier was asked whose rows anybody keeps")
