"""Rehearsals: revisions run for real, in a throw-away database on a scratch server, with what they do written down.

The database is like the target's: its definitions, its settings, its role; or it holds what earlier revisions made.
Nothing is written to a tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import psycopg

from dbtasks import elsewhere, schemas, snapshots
from dbtasks.conninfo import Conninfo, mask
from dbtasks.database import Connection, Inspection, look, open_to_write
from dbtasks.elsewhere import Elsewhere
from dbtasks.environment import for_worker
from dbtasks.errors import DbtasksError, MigrationFailedError, ProgramNotFoundError, RefusedError
from dbtasks.kept import maker
from dbtasks.migrations import upgrade
from dbtasks.migrations.events import Changed, Event, RevisionApplied, StatementRun
from dbtasks.migrations.upgrade import Job
from dbtasks.plan import RevisionBytes
from dbtasks.project import Project
from dbtasks.registry import Row
from dbtasks.rehearsed import Rehearsed, RehearsedRevision
from dbtasks.statements import Change, Statement

Report = Callable[[str], None]
LOG = "rehearsals.log"


class Stage:
    """A scratch server during one rehearsal. Each database on it is registered before it is made."""

    def __init__(self, project: Project, there: Elsewhere, tier: str) -> None:
        self.project, self.there, self.tier = project, there, tier
        self._made: list[Row] = []

    def open(self, row: Row) -> Connection:
        return open_to_write(self.there.permit, self.way(row))

    def way(self, row: Row) -> Conninfo:
        return self.there.way(row.name)

    def empty(self) -> Row:
        """Make a database that holds nothing."""
        row = self._reserved()
        snapshots.create_like(self.there.known.connection, row.name, None)
        return replace(row, oid=self.there.known.record_built(row))

    def like(self, model: schemas.Model) -> Row:
        """Make a database like the target. psycopg.Error where this server cannot hold what the target holds."""
        known, row = self.there.known, self._reserved()
        oid = schemas.build(known, row, model.bare, lambda name: open_to_write(self.there.permit, self.there.way(name)))
        with closing(open_to_write(self.there.permit, self.there.way(row.name))) as connection:
            model.load(connection)
        return replace(row, oid=oid)

    def clone(self, template: Row) -> Row:
        """Make a copy of a database that nobody is connected to."""
        row = self._reserved()
        snapshots.clone(self.there.known.connection, row.name, template.name)
        return replace(row, oid=self.there.known.record_built(row))

    def run(
        self, row: Row, revisions: Sequence[RevisionBytes], *, to: str = "heads", records: bool = True
    ) -> Rehearsed:
        """Run revisions in a database of this stage. MigrationFailedError and RefusedError say which one stopped."""
        statements: list[Statement] = []
        changes: list[Change] = []
        times: list[RehearsedRevision] = []

        def heard(event: Event) -> None:
            match event:
                case StatementRun(statement=statement):
                    statements.append(statement)
                case Changed(change=change):
                    changes.append(change)
                case RevisionApplied(revision=revision, duration_ms=milliseconds):
                    times.append(RehearsedRevision(id=revision, milliseconds=milliseconds))

        upgrade.upgrade(self._job(row, revisions, to=to, records=records), heard)
        return Rehearsed(
            revisions=tuple(times), statements=tuple(statements), changes=tuple(changes), on=self.there.shown
        )

    def drop(self) -> None:
        """Drop what was made. What cannot be dropped now goes with the next rehearsal."""
        for row in self._made:
            with suppress(psycopg.Error):
                self.there.known.drop(row)

    def _reserved(self) -> Row:
        row = self.there.known.reserve(self.tier, 0)
        self._made.append(row)
        return row

    def _job(self, row: Row, revisions: Sequence[RevisionBytes], *, to: str, records: bool) -> Job:
        project, way = self.project, self.way(row)
        url = way.url(self.there.permit)
        return Job(
            root=project.settings.root,
            settings=project.settings.migrations,
            url=url,
            host=way.host,
            port=way.port,
            database=way.database,
            user=way.user,
            system_identifier=self.there.identifier,
            oid=row.oid or 0,
            person=project.who.person,
            entry=0,
            checksums={each.id: each.checksum for each in revisions},
            environ=for_worker(project, url),
            target_revision=to,
            log=project.settings.trail.with_name(LOG),
            command=f"invoke migrate --tier={self.tier} --dry-run",
            records=False,
            rehearses=records,
        )


@contextmanager
def stage(project: Project, tier: str, report: Report) -> Iterator[Stage]:
    """Open the scratch server; nothing of this rehearsal is left on it, nor of one that was killed."""
    there = elsewhere.scratch(project, maker(project.who), report)
    made = Stage(project, there, tier)
    try:
        for name in there.known.sweep(tier):
            report(f"removed {name}, left by a run that was killed")
        yield made
    finally:
        made.drop()
        there.close()


def rehearse(
    project: Project, target: Conninfo, tier: str, pending: Sequence[RevisionBytes], report: Report
) -> Rehearsed:
    """Rehearse pending revisions on a database with the target's definitions. What went wrong is in the result."""
    try:
        model = _model(project, target)
        with stage(project, tier, report) as there:
            return _rehearsed(there, model, pending)
    except (DbtasksError, psycopg.Error) as error:
        return Rehearsed(missing=_first(error))


def again(
    project: Project,
    target: Conninfo,
    tier: str,
    pending: Sequence[RevisionBytes],
    earlier: Rehearsed | None,
    report: Report,
) -> Rehearsed:
    """Rehearse, unless an earlier rehearsal of the same revisions began with the same definitions."""
    if earlier is not None and earlier.model and not earlier.failed:
        try:
            if _model(project, target).digest == earlier.model:
                return earlier
        except (DbtasksError, psycopg.Error) as error:
            return Rehearsed(missing=_first(error))
    return rehearse(project, target, tier, pending, report)


def _model(project: Project, target: Conninfo) -> schemas.Model:
    with closing(look(target)) as connection:
        return schemas.model_of(
            target, connection, Inspection(), [table for _, table in project.settings.migrations.version_tables]
        )


def from_nothing(
    project: Project, tier: str, before: Sequence[RevisionBytes], revisions: Sequence[RevisionBytes], report: Report
) -> Rehearsed:
    """Rehearse revisions on a database that the ones before them have made. Raises what stopped them."""
    with stage(project, tier, report) as there:
        row = there.empty()
        if before:
            there.run(row, before, to=before[-1].id, records=False)
        return there.run(row, [*before, *revisions], to=revisions[-1].id if revisions else "heads")


def _rehearsed(there: Stage, model: schemas.Model, pending: Sequence[RevisionBytes]) -> Rehearsed:
    lacking = schemas.missing_extensions(there.there.known.connection, model.like.extensions)
    if lacking:
        return Rehearsed(missing=f"the scratch server lacks the extension {', '.join(lacking)}", on=there.there.shown)
    row = there.like(model)
    try:
        return replace(there.run(row, pending), model=model.digest)
    except MigrationFailedError as error:
        revision = f"revision {error.failed}: " if error.failed else ""
        notes = tuple((name, note) for name, note in error.notes.items() if name != "next")
        return Rehearsed(failed=f"{revision}{error.reason}", notes=notes, on=there.there.shown, model=model.digest)
    except RefusedError as error:
        return Rehearsed(failed=error.saw, on=there.there.shown, model=model.digest)


def _first(error: Exception) -> str:
    text = error.saw if isinstance(error, RefusedError) else mask(str(error))
    lines = text.strip().splitlines() or [type(error).__name__]
    return lines[0] if not isinstance(error, ProgramNotFoundError) else text
