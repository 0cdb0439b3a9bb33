"""Rehearsals: revisions run for real, in a throw-away database on a scratch server, with what they do written down.

The database is like the target's: its definitions, its settings, its role; or it holds what earlier revisions made.
Nothing is written to a tier.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg import sql

from dbtasks import elsewhere, rehearsal_rows, schemas, snapshots
from dbtasks.conninfo import Conninfo, mask
from dbtasks.database import Connection, Inspection, look, open_to_write
from dbtasks.elsewhere import Elsewhere
from dbtasks.environment import for_worker
from dbtasks.errors import (
    DbtasksError,
    InterruptedByPersonError,
    MigrationFailedError,
    ProgramNotFoundError,
    RefusedError,
    ServerUnreachableError,
)
from dbtasks.kept import maker
from dbtasks.migrations import upgrade
from dbtasks.migrations.events import Changed, Event, RevisionApplied, StatementRun
from dbtasks.migrations.upgrade import Job
from dbtasks.plan import RevisionBytes, TakeBack
from dbtasks.project import Project
from dbtasks.registry import BUILD_LOCK_CLASS, Row, row_of
from dbtasks.rehearsed import Rehearsed, RehearsedRevision
from dbtasks.statements import Change, Statement
from dbtasks.values import dataclass

Report = Callable[[str], None]
Moves = Sequence[RevisionBytes] | TakeBack  # what is to be applied, or taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where rows for a rehearsal come from. `own`: they are the target's, so that what fails with them would fail.

    `not_on`: see `stage`.
    """

    source: Conninfo | None = None
    own: bool = False
    label: str = ""
    not_on: int = 0


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
        return self._built(row)

    def like(self, model: schemas.Model) -> Row:
        """Make a database like the target. psycopg.Error where this server cannot hold what the target holds."""
        known, row = self.there.known, self._reserved()
        schemas.build(known, row, model.bare, lambda name: open_to_write(self.there.permit, self.there.way(name)))
        with closing(self.open(row)) as connection:
            model.load(connection)
        return self._built(row)

    def template(self, key: str) -> Row | None:
        """Return the database that was kept under a key, held against others who would drop it."""
        row = self.there.known.connection.execute(_TEMPLATE, [self.project.settings.project, self.tier, key]).fetchone()
        return None if row is None or row[-1] is not True else row_of(row[:-1])

    def keep(self, row: Row, key: str) -> Row:
        """Keep a database under a key, to be cloned by this and the next rehearsal; the tier's older ones go."""
        known = self.there.known
        for older in known.connection.execute(_OLDER, [self.project.settings.project, self.tier]).fetchall():
            known.drop_unused(row_of(older))
        known.connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(row.name)))
        known.connection.execute(_KEEP, [json.dumps({"model": key}), row.id])
        self._made.remove(row)
        return row

    def clone(self, template: Row) -> Row:
        """Make a copy of a database that nobody is connected to."""
        row = self._reserved()
        snapshots.clone(self.there.known.connection, row.name, template.name)
        return self._built(row)

    def run(self, row: Row, moves: Moves, *, to: str = "heads", records: bool = True) -> Rehearsed:
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

        upgrade.upgrade(self._job(row, moves, to=to, records=records), heard)
        return Rehearsed(
            revisions=tuple(times), statements=tuple(statements), changes=tuple(changes), on=self.there.shown
        )

    def drop(self) -> None:
        """Drop what was made. What cannot be dropped now goes with the next rehearsal."""
        for row in self._made:
            with suppress(psycopg.Error):
                self.there.known.drop(row)

    def _built(self, row: Row) -> Row:
        built = replace(row, oid=self.there.known.record_built(row))
        self._made[self._made.index(row)] = built
        return built

    def _reserved(self) -> Row:
        row = self.there.known.reserve(self.tier, 0)
        self._made.append(row)
        return row

    def _job(self, row: Row, moves: Moves, *, to: str, records: bool) -> Job:
        project, way = self.project, self.way(row)
        url, down = way.url(self.there.permit), isinstance(moves, TakeBack)
        revisions = moves.revisions if isinstance(moves, TakeBack) else moves
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
            target_revision=moves.to if isinstance(moves, TakeBack) else to,
            down=down,
            log=project.settings.trail.with_name(LOG),
            command=f"invoke migrate --tier={self.tier} --dry-run",
            records=False,
            rehearses=records,
        )


@contextmanager
def stage(project: Project, tier: str, report: Report, *, not_on: int = 0) -> Iterator[Stage]:
    """Open the scratch server; nothing of this rehearsal is left on it, nor of one that was killed.

    `not_on` is the system identifier of the server where nothing may be tried out.
    """
    there = elsewhere.scratch(project, maker(project.who), report, not_on=not_on)
    made = Stage(project, there, tier)
    try:
        for name in there.known.sweep(tier):
            report(f"removed {name}, left by a run that was killed")
        yield made
    finally:
        made.drop()
        there.close()


def rehearse(project: Project, target: Conninfo, tier: str, pending: Moves, rows: Rows, report: Report) -> Rehearsed:
    """Rehearse pending revisions on a database with the target's definitions. What went wrong is in the result."""
    try:
        model = _model(project, target)
        with stage(project, tier, report, not_on=rows.not_on) as there:
            lacking = schemas.missing_extensions(there.there.known.connection, model.like.extensions)
            if lacking:
                return Rehearsed(missing=f"the scratch server lacks the extension {', '.join(lacking)}")
            return _with_or_without(there, model, pending, rows)
    except InterruptedByPersonError:
        raise InterruptedByPersonError(f"interrupted in the rehearsal; {target.database} was not touched") from None
    except (DbtasksError, psycopg.Error) as error:
        return Rehearsed(missing=_first(error))


def again(
    project: Project,
    target: Conninfo,
    tier: str,
    pending: Moves,
    rows: Rows,
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
    return rehearse(project, target, tier, pending, rows, report)


def from_nothing(
    project: Project, tier: str, before: Sequence[RevisionBytes], revisions: Sequence[RevisionBytes], report: Report
) -> Rehearsed:
    """Rehearse revisions on a database that the ones before them have made. Raises what stopped them."""
    with stage(project, tier, report) as there:
        row = there.empty()
        if before:
            there.run(row, before, to=before[-1].id, records=False)
        return there.run(row, [*before, *revisions], to=revisions[-1].id if revisions else "heads")


def _with_or_without(there: Stage, model: schemas.Model, pending: Moves, rows: Rows) -> Rehearsed:
    """Rehearse with rows where there are some. Another tier's rows may not fit, so that their word is none."""
    if rows.source is None:
        return _once(there, model, pending, None)
    found = _once(there, model, pending, rows.source)
    if not found.failed or rows.own:
        return found
    without = _once(there, model, pending, None)
    return replace(without, beware=f"with the rows of {rows.label} it failed: {found.failed}")


def _once(there: Stage, model: schemas.Model, pending: Moves, source: Conninfo | None) -> Rehearsed:
    row = _like(there, model)
    copied = None
    if source is not None:
        with closing(there.open(row)) as connection, suppress(psycopg.Error, ServerUnreachableError):
            connection.execute("SET ROLE none")
            copied = rehearsal_rows.copy(source, connection, frozenset(table for table, _ in model.versions))
    known = Rehearsed(on=there.there.shown, model=model.digest, rows=copied)
    try:
        found = there.run(row, pending)
    except MigrationFailedError as error:
        revision = f"revision {error.failed}: " if error.failed else ""
        notes = tuple((name, note) for name, note in error.notes.items() if name != "next")
        return replace(known, failed=f"{revision}{error.reason}", notes=notes)
    except RefusedError as error:
        return replace(known, failed=error.saw)
    return replace(found, on=known.on, model=known.model, rows=known.rows)


def _like(there: Stage, model: schemas.Model) -> Row:
    """Return a database like the target: a clone of one that was loaded before, where there is one."""
    if not there.project.settings.stock.databases:
        return there.like(model)
    key = f"{_LOADER} {there.there.shown} {model.digest}"
    return there.clone(there.template(key) or there.keep(there.like(model), key))


def _model(project: Project, target: Conninfo) -> schemas.Model:
    with closing(look(target)) as connection:
        tables = [table for _, table in project.settings.migrations.version_tables]
        return schemas.model_of(target, connection, Inspection(), tables)


def _first(error: Exception) -> str:
    text = error.saw if isinstance(error, RefusedError) else mask(str(error))
    lines = text.strip().splitlines() or [type(error).__name__]
    return lines[0] if not isinstance(error, ProgramNotFoundError) else text


# Counts up when what is made of a target's definitions changes.
_LOADER = 1

_COLUMNS = "r.id, r.tier, r.kind, r.name, r.oid, r.keep_until, r.entry, r.made_by, r.since"

_TEMPLATE = f"""
SELECT {_COLUMNS}, pg_try_advisory_lock_shared({BUILD_LOCK_CLASS}, r.id)
  FROM dbtasks.registry r JOIN pg_database d ON d.oid::bigint = r.oid AND d.datname = r.name
 WHERE r.project = %s AND r.tier = %s AND r.kind = 'template' AND r.record ->> 'model' = %s
 ORDER BY r.id DESC LIMIT 1
"""  # noqa: S608 - a list of columns, no value

_OLDER = f"""
SELECT {_COLUMNS} FROM dbtasks.registry r
 WHERE r.project = %s AND r.tier = %s AND r.kind = 'template' AND r.record ? 'model'
"""  # noqa: S608 - as above

_KEEP = "UPDATE dbtasks.registry SET kind = 'template', record = %s, used_at = now(), since = now() WHERE id = %s"
