"""Whether a dry run changes nothing: a reset of the default tier is planned, and its server watched meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from dbtasks import pipeline
from dbtasks.console import Console
from dbtasks.database import look as connection_to
from dbtasks.drift import read_schema
from dbtasks.moment import Moment
from dbtasks.operations import reset
from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.selection import Choice

ABOUT = About(
    name="dry_run_mode",
    promise="--dry-run makes the real plan and changes nothing",
)
# The next transaction that writes gets this number: while nobody writes anywhere on the server, it stays.
_WRITES = "SELECT txid_snapshot_xmax(txid_current_snapshot())"
_OID = "SELECT oid::bigint FROM pg_database WHERE datname = current_database()"
_TRIES = 3


class _Deaf(Console):
    """Nobody reads what the planning says."""

    def say(self, text: str) -> None: ...

    def hear(self, told: str | Moment) -> None: ...


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what became of the default tier while a reset of it was planned."""
    tier = ground.default
    seen = ground.seen(tier)
    for _ in range(_TRIES):
        before = _state(ground, seen)
        report = pipeline.carry_out(ground.project, _call(ground), _Deaf({}))
        after = _state(ground, seen)
        if before[1:] != after[1:]:
            yield failed(f"{tier.label} changed while nothing but a dry run was made", ABOUT.page, tier.name)
            return
        if not report.plan.steps or report.entry is not None:
            yield failed(f"{tier.label}: a dry run of reset planned nothing, or ran it", ABOUT.page, tier.name)
            return
        if before[0] == after[0]:
            steps = f"{len(report.plan.steps)} steps planned for {tier.label}"
            yield passed(f"{steps}, and its server wrote nothing meanwhile", tier.name)
            return
    saw = f"{tier.label}: somebody writes on its server all the time, so that it cannot be told"
    yield unknown(saw, "Run it again when it is quiet: invoke score", tier.name)


def _call(ground: Ground) -> pipeline.Call:
    return pipeline.Call(
        operation=reset.OPERATION, choice=Choice(tier=ground.default, source="--tier"), dry_run=True, reason="score"
    )


def _state(ground: Ground, seen: Seen) -> tuple[object, ...]:
    """Return how many have written on the server, then what the database is: its oid and its schema."""
    with closing(connection_to(seen.target.conninfo)) as connection:
        writes, oid = connection.execute(_WRITES).fetchone(), connection.execute(_OID).fetchone()
        schema = read_schema(connection, ground.project.settings.migrations.version_tables)
        return writes, oid, schema.fingerprint
