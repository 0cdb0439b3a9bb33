"""What the revisions produce: a database that they alone have built, on the project's private server.

It goes as far as the target is, not to the head: a target that is behind has drifted no more for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from dbtasks import elsewhere, kept, schemas
from dbtasks.database import Connection, look, open_to_write
from dbtasks.elsewhere import Elsewhere
from dbtasks.environment import for_worker
from dbtasks.errors import DbtasksError
from dbtasks.inspection import look_at_server
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.project import Project
from dbtasks.registry import Row
from dbtasks.schemas import Likeness
from dbtasks.settings import MigrationSettings
from dbtasks.targets import Target
from dbtasks.tiers import Loss

if TYPE_CHECKING:
    from dbtasks.migrations.history import History


@contextmanager
def built(
    project: Project, target: Target, history: History, current: frozenset[str], report: Callable[[str], None]
) -> Iterator[Connection]:
    """Build a database like the target's at these revisions, and drop it with the block; yield a connection to it.

    DbtasksError and psycopg.Error where that cannot be done: then nothing is known of the target's schema.
    """
    with closing(look(target.conninfo)) as connection:
        like = schemas.likeness_of(connection)
        server = look_at_server(connection)
    # What may lose everything often lives on that server itself, where no database but our own is opened.
    away = 0 if target.tier.may_lose is Loss.EVERYTHING else server.system_identifier
    place = elsewhere.scratch(project, kept.maker(project.who), report, not_on=away)
    with closing(place.known.connection):
        place.known.sweep(target.tier.name)  # what a run that was killed has left
        for each in _ways(like):
            row = place.known.reserve(target.tier.name, 0)
            try:
                made = replace(row, oid=schemas.build(place.known, row, each, lambda name: _open(place, name)))
                _apply(project, (place, made), history, current)
                with _open(place, row.name) as connection:
                    yield connection
                return
            except MigrationFailedError:
                if each is like or not like.extensions:
                    raise
            finally:
                with suppress(psycopg.Error):  # the next run sweeps it
                    place.known.drop(row)


def _open(place: Elsewhere, name: str) -> Connection:
    return open_to_write(place.permit, place.way(name))


def _ways(like: Likeness) -> Iterator[Likeness]:
    """Yield how to begin: with no extension, so that one which no revision makes is seen, else with all of them."""
    if like.extensions:
        yield replace(like, extensions=())
    yield like


def _apply(project: Project, made: tuple[Elsewhere, Row], history: History, current: frozenset[str]) -> None:
    """Apply what the target has, history by history."""
    for settings in project.settings.migrations.each:
        mine = {each.id: each.checksum for each in history.revisions if each.id.startswith(settings.prefix)}
        heads = {each for each in history.heads if each in mine}
        wanted = sorted(current & mine.keys())
        if settings.program and wanted and set(wanted) != heads:
            raise DbtasksError("the project's program knows the heads alone, and the database is behind them")
        for revision in ["heads"] if set(wanted) == heads else wanted:
            _upgrade(project, made, settings, mine, revision)


def _upgrade(
    project: Project, made: tuple[Elsewhere, Row], settings: MigrationSettings, checksums: dict[str, str], to: str
) -> None:
    from dbtasks.migrations import upgrade
    from dbtasks.migrations.job import Job  # late: most looks at a schema build none

    place, row = made
    way = place.way(row.name)
    url = way.url(place.permit)
    job = Job(
        root=project.settings.root,
        settings=settings,
        url=url,
        host=way.host,
        port=way.port,
        database=way.database,
        user=way.user,
        system_identifier=place.identifier,
        oid=row.oid or 0,
        person=project.who.person,
        entry=0,
        checksums=checksums,
        environ=for_worker(project, url),
        target_revision=to,
        log=project.settings.trail.with_name("migrations.log"),
        records=False,
        command=f"invoke drift --tier={row.tier}",
    )
    upgrade.upgrade(job, lambda _event: None)
