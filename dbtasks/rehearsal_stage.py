"""The stage of a rehearsal: a scratch server, and databases on it that are registered before they are made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg import sql

from dbtasks import elsewhere, schemas, snapshots
from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, open_to_write
from dbtasks.elsewhere import Elsewhere
from dbtasks.environment import for_worker
from dbtasks.kept import maker
from dbtasks.migrations import upgrade
from dbtasks.migrations.events import Changed, Event, RevisionApplied, RevisionStarted, StatementRun
from dbtasks.migrations.job import Job
from dbtasks.moment import Hearing, Moment
from dbtasks.plan import RevisionBytes, TakeBack
from dbtasks.project import Project
from dbtasks.registry import BUILD_LOCK_CLASS, Row, row_of
from dbtasks.rehearsed import Rehearsed, RehearsedRevision
from dbtasks.statements import Change, Statement

Moves = Sequence[RevisionBytes] | TakeBack  # what is to be applied, or taken back
LOG = "rehearsals.log"


class Stage:
    """A scratch server during one rehearsal. Each database on it is registered before it is made."""

    def __init__(self, project: Project, there: Elsewhere, tier: str, report: Hearing) -> None:
        self.project, self.there, self.tier, self.report = project, there, tier, report
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
        job = self._job(row, moves, to=to, records=records)

        def heard(event: Event) -> None:
            match event:
                case RevisionStarted(revision=revision):
                    self.report(Moment(step="rehearse", done=len(times), total=len(job.checksums), doing=revision))
                case StatementRun(statement=statement):
                    statements.append(statement)
                case Changed(change=change):
                    changes.append(change)
                case RevisionApplied(revision=revision, duration_ms=milliseconds):
                    times.append(RehearsedRevision(id=revision, milliseconds=milliseconds))

        upgrade.upgrade(job, heard)
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
            stays=False,
        )


@contextmanager
def stage(project: Project, tier: str, report: Hearing, *, not_on: int = 0) -> Iterator[Stage]:
    """Open the scratch server; nothing of this rehearsal is left on it, nor of one that was killed.

    `not_on` is the system identifier of the server where nothing may be tried out.
    """
    there = elsewhere.scratch(project, maker(project.who), report, not_on=not_on)
    made = Stage(project, there, tier, report)
    try:
        for name in there.known.sweep(tier):
            report(f"removed {name}, left by a run that was killed")
        yield made
    finally:
        made.drop()
        there.close()


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
