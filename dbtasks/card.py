"""What a person reads before consenting: where the command leads, what is there, and what the plan would do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from dbtasks.brought import Brought
from dbtasks.card_steps import fact, megabytes, sessions, steps
from dbtasks.database import look
from dbtasks.errors import ServerUnreachableError
from dbtasks.evidence import Contents, Database, Evidence, Table, own_stamp
from dbtasks.inspection import count_rows
from dbtasks.migration_rules import torn_words
from dbtasks.survey import Survey
from dbtasks.targets import Target
from dbtasks.verdicts import Ask, Decision, Refuse
from dbtasks.way_back import Backup

MOST_TABLES = 3


def before_asking(seen: Survey, target: Target, newest: Backup | None) -> Iterator[str]:
    """Yield the card: the live facts, then the steps. `newest` is the tier's newest good backup."""
    yield from _facts(seen.evidence, target, newest)
    yield from steps(seen.plan, seen.materials, seen.evidence)
    if seen.evidence.situation.contents is Contents.HOLDS and seen.plan.operation.builds and seen.materials.pending:
        count, tier = len(seen.materials.pending), seen.evidence.tier.name
        rows = sum(table.rows for table in seen.evidence.database.tables) if seen.evidence.database else 0
        kept = f"about {rows:,} rows" if rows else "the rows"
        yield f"  {count} pending. To apply {_them(count)} and keep {kept}: invoke migrate --tier={tier}"


def approved(seen: Survey, target: Target, brought: Brought) -> Iterator[str]:
    """Yield the card of a plan that others have agreed to."""
    yield from before_asking(seen, target, None)
    yield fact("asked for by", str(brought.requester) if brought.requester else "nobody with a key")
    yield fact("approved by", ", ".join(str(each) for each in brought.approvers))


def would(verdict: Decision) -> str:
    """Return what the guard would say, in a few words for a dry run."""
    match verdict:
        case Refuse():
            return f"would be refused ({verdict.code}): {verdict.saw.splitlines()[0].removesuffix('.')}"
        case Ask():
            return "would ask first" + (" (or --yes)" if verdict.yes_counts else "")
    return "would run without a question"


def _facts(evidence: Evidence, target: Target, newest: Backup | None) -> Iterator[str]:
    server, database = evidence.server, evidence.database
    resolved = "" if evidence.place == server.address else f" ({server.address})"
    where = f"{evidence.place}{resolved} as {server.role}"
    kind = "standby" if server.standby else "primary"
    yield fact("server", f"{where} · PostgreSQL {server.version}, {kind}")
    if database is None:
        yield fact("database", f"{evidence.name} does not exist yet")
        return
    yield fact("stamp", _stamp(evidence, database))
    yield fact("database", f"{database.name} · {len(database.tables)} tables, {megabytes(database.size_bytes)}")
    if database.torn:
        yield fact("torn", f"{torn_words(database.torn)}; look what it did")
    largest = _largest(target, database)
    if largest:
        yield fact("largest", " · ".join(f"{table.name} {_rows(table)}" for table in largest))
    yield fact("sessions", sessions(database))
    yield fact("last backup", _age(newest))


def _stamp(evidence: Evidence, database: Database) -> str:
    stamp = own_stamp(evidence.server, database)
    if stamp is None:
        return evidence.situation.stamp.value
    return f"{evidence.situation.stamp.value}, set {stamp.stamped_at:%d %b %Y} by {stamp.stamped_by}"


def _largest(target: Target, database: Database) -> tuple[Table, ...]:
    try:
        with closing(look(target.conninfo)) as connection:
            return count_rows(connection, database.tables, MOST_TABLES)
    except ServerUnreachableError:
        return database.tables[:MOST_TABLES]


def _rows(table: Table) -> str:
    count = f"{table.rows:,} row{'s' if table.rows != 1 else ''}"
    return count if table.exact else f"about {count}"


def _age(newest: Backup | None) -> str:
    if newest is None:
        return "none known"
    minutes = (datetime.now(UTC) - newest.at).total_seconds() / 60
    return f"{minutes / 60:.0f} h ago, {newest.grade}" if minutes >= 90 else f"{minutes:.0f} min ago, {newest.grade}"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"
