"""Making a report: every tier by the same look as `status`, the files that belong to the project, and the trail.

Reads only, but for the notes that measuring the score leaves in the trail. A tier whose flag is off is not contacted,
and one that cannot be reached is told as such.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import psycopg

from dbtasks.database import look
from dbtasks.drift import read_schema, record
from dbtasks.errors import DbtasksError
from dbtasks.evidence import own_stamp
from dbtasks.kept import inside, kept
from dbtasks.lint.engine import NAMES
from dbtasks.lint.waivers import Waiver, read_waivers
from dbtasks.operations import status
from dbtasks.overview import Row, look_over
from dbtasks.plan import RevisionBytes
from dbtasks.points import marked_entries
from dbtasks.probes import measure
from dbtasks.project import Project
from dbtasks.recovery.engines import Provider
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.report import Report, Shape, Standing, Stands, Window, lately
from dbtasks.report.glancing import first_line, list_all, of, report_of
from dbtasks.score_history import keep, past
from dbtasks.survey import Files
from dbtasks.targets import Target
from dbtasks.tiers import RecoveryEngine, Tier
from dbtasks.way_back import Backup

_MARKS = 3


def gather(project: Project) -> Report:
    """Return everything that a page tells."""
    unread: list[str] = []
    score = measure(project, project.settings.tiers)
    scores = past(project, score)
    keep(project, score)
    trail = lately.Reader(project).glance()
    rows = list(look_over(project, status.OPERATION, "", lambda tier: trail.last[tier.name]))
    backups = list_all(project, tuple(row.way for row in rows if row.way is not None), unread)
    standings = tuple(_standing(project, row, of(row.tier, backups)) for row in rows)
    revisions, waivers = _revisions(project, rows, unread), _waivers(project, unread)
    report = report_of(project, standings, trail, unread)
    return lately.told(replace(report, revisions=revisions, waivers=waivers, score=score, scores=scores), project)


# What belongs to the project


def _revisions(project: Project, rows: list[Row], unread: list[str]) -> tuple[RevisionBytes, ...]:
    """Return the project's revisions, base first: as a tier was looked at with them, else read for this."""
    seen = next((row.materials.revisions for row in rows if row.materials is not None), None)
    if seen is not None:
        return seen
    try:
        history = Files(project).history
    except DbtasksError as error:
        unread.append(f"The revisions could not be read: {first_line(error)}")
        return ()
    return tuple(RevisionBytes(id=each.id, checksum=each.checksum, message=each.message) for each in history.revisions)


def _waivers(project: Project, unread: list[str]) -> tuple[Waiver, ...]:
    try:
        found = read_waivers(project.settings.root, NAMES)
    except DbtasksError as error:
        unread.append(f"The waivers could not be read: {first_line(error)}")
        return ()
    return tuple(sorted(found, key=lambda each: (each.expires, each.rule, each.revision)))


# One tier


def _standing(project: Project, row: Row, backups: tuple[Backup, ...] | None) -> Standing:
    standing = Standing(row=row, backups=backups)
    target, evidence = row.way, row.evidence
    if target is None or evidence is None or evidence.database is None:
        return standing
    database, server = evidence.database, evidence.server
    stamp = own_stamp(server, database)
    name = row.tier.name
    return replace(
        standing,
        server=f"PostgreSQL {server.version}, {'standby' if server.standby else 'primary'}",
        tables=len(database.tables),
        rows=sum(table.rows for table in database.tables),
        size_bytes=database.size_bytes,
        stamped=f"set {stamp.stamped_at.astimezone():%d %b %Y} by {stamp.stamped_by}" if stamp else "",
        revisions=_stands(row),
        shape=_shape(project, target),
        kept=(*kept(target.conninfo, project.settings.project, name), *inside(target.conninfo)),
        window=_window(project, row.tier, target),
    )


def _stands(row: Row) -> tuple[tuple[str, Stands], ...]:
    if row.materials is None or row.evidence is None or row.evidence.database is None:
        return ()
    if row.materials.unknown:  # the code does not have where it is, so nobody can tell what it lacks
        return tuple((each.id, Stands.UNKNOWN) for each in row.materials.revisions)
    ledger, pending = dict(row.evidence.database.ledger), {each.id for each in row.materials.pending}

    def stands(each: RevisionBytes) -> Stands:
        if each.id in pending:
            return Stands.PENDING
        return Stands.APPLIED if ledger.get(each.id, each.checksum) == each.checksum else Stands.EDITED

    return tuple((each.id, stands(each)) for each in row.materials.revisions)


def _shape(project: Project, target: Target) -> Shape:
    """Compare the schema's fingerprint with the one that its last migration has left beside it. Builds nothing."""
    try:
        with closing(look(target.conninfo)) as connection:
            recorded = record.read(connection).fingerprint
            if not recorded:
                return Shape.NEVER
            live = read_schema(connection, project.settings.migrations.version_tables).fingerprint
    except (DbtasksError, psycopg.Error):
        return Shape.UNKNOWN
    return Shape.AS_LEFT if live == recorded else Shape.CHANGED


def _window(project: Project, tier: Tier, target: Target) -> Window:
    try:
        engine = engine_for(project, target)
        marks = tuple((entry, mark.at) for entry, mark in marked_entries(project, tier)[:_MARKS])
        if engine is None:
            return Window(why_not="nothing keeps this server's log")
        name = RecoveryEngine(engine.name).in_words
        if isinstance(engine, Provider):
            return Window(engine=name, marks=marks)
        bases = engine.bases.kept()
    except DbtasksError as error:
        return Window(why_not=first_line(error))
    if not bases:
        return Window(engine=name, why_not="there is no base backup yet")
    return Window(engine=name, since=bases[0].taken_at, marks=marks)
