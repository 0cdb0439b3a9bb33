"""A run's entries, anchored on the server that it works on: the intent before the first write, the result at the end.

First the trail, then the anchor: whoever is killed in between leaves an entry more than is anchored, never an anchor
of an entry that is not there. No tier's entries are anchored on another tier's server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql

from dbtasks import anchors
from dbtasks.anchors import Anchor, NotAnchoredError
from dbtasks.conninfo import mask
from dbtasks.database import Connection, open_to_write, several
from dbtasks.effects import Effect
from dbtasks.errors import DbtasksError, RefusedError, ServerUnreachableError, TrailError
from dbtasks.guard import Clearance
from dbtasks.project import Project
from dbtasks.registry import COORDINATION
from dbtasks.targets import Target
from dbtasks.tiers import Loss
from dbtasks.trail import Trail
from dbtasks.trail_file import Link, first_hash

_NO_PLACE = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InvalidSchemaName,
)
_FAILS = (psycopg.Error, DbtasksError, NotAnchoredError, OSError)


class Anchoring:
    """Anchors what one run writes into the trail. `warn` hears what could not be anchored.

    It goes by the connection that holds the tier's lock, and keeps both until the result is in the trail. Where a run
    takes no lock, what may lose everything and what only reads goes without: the next anchor covers it.
    """

    def __init__(
        self, project: Project, trail: Trail, clearance: Clearance, target: Target, warn: Callable[[str], None]
    ) -> None:
        self._project, self._trail, self._clearance, self._target = project, trail, clearance, target
        self._warn = warn
        self._held: Connection | None = None
        self._unlock: tuple[sql.Composed, ...] = ()
        self._begun = False

    def begin(self, connection: Connection | None) -> None:
        """Anchor the intent. RefusedError where that fails, on a tier that may lose nothing.

        The connection is closed by `close`.
        """
        self._held = connection
        loss = self._clearance.evidence.situation.floor.may_lose
        managed, reads = self._clearance.request.managed, self._clearance.plan.effect is Effect.READ
        if connection is None and (managed or reads or loss is Loss.EVERYTHING):
            return
        self._begun = True
        try:
            self._put()
        except psycopg.errors.InvalidSchemaName:
            return  # the target is to be stamped yet, which makes the schema: then the result is anchored in it
        except _FAILS as error:
            if loss is Loss.NOTHING and not reads:
                raise self._refusal(_first_line(error)) from None
            self._say(_first_line(error))

    def locked(self, unlock: sql.Composed) -> None:
        """Give the lock back by this statement: in the round trip of the result's anchor."""
        self._unlock = (unlock,)

    def end(self) -> None:
        """Anchor the result, where the intent was to be."""
        if not self._begun:
            return
        try:
            self._put()
        except _FAILS as error:
            self._say(_first_line(error))

    def close(self) -> None:
        """Give back the lock, if it is not yet, and the connection."""
        if self._held is None:
            return
        with suppress(psycopg.Error):  # the session has gone, and its lock
            if self._unlock:
                several(self._held, *self._unlock)
            self._held.close()

    def _put(self) -> None:
        link = self._trail.written
        if link is None:
            return
        anchor = anchor_of(self._project, link, first_hash(self._trail.path) or "")
        with self._connection() as connection:
            try:
                anchors.put(connection, anchor, *self._unlock)
                self._unlock = ()
                return
            except NotAnchoredError:
                self._unlock = ()
                raise
            except _NO_PLACE:
                if connection.info.dbname != COORDINATION:
                    raise
        with open_to_write(
            self._clearance, self._target.conninfo.as_login()
        ) as inside:  # where nobody has made a place beside it
            anchors.put(inside, anchor)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if self._held is not None:
            yield self._held
            return
        conninfo = self._target.conninfo
        try:
            connection = open_to_write(self._clearance, conninfo.with_database(COORDINATION))
        except ServerUnreachableError:
            connection = open_to_write(self._clearance, conninfo.as_login())
        with connection:
            yield connection

    def _say(self, why: str) -> None:
        link = self._trail.written
        self._warn(f"! entry {link.entry if link else '?'} of the trail is not anchored: {why}")

    def _refusal(self, why: str) -> RefusedError:
        return RefusedError(
            code="E-ANCHOR",
            saw=f"The intent of this run cannot be anchored on the server of [{self._target.tier.label}]: {why}.",
            why="What could not be proved afterwards is not done to a tier that may lose nothing. Nothing was changed.",
            instead="To see how the trail stands: invoke audit --verify",
        )


def anchor_of(project: Project, link: Link, chain: str) -> Anchor:
    """Return an entry as it is anchored. TrailError where the trail's first entry is not there."""
    if link.entry and not chain:
        raise TrailError("the trail's beginning is not there; put the files back that were taken away")
    place = f"{project.who.host}:{project.settings.trail.absolute()}"
    return Anchor(project=project.settings.project, chain=chain, entry=link.entry, hash=link.hash, place=mask(place))


def _first_line(error: Exception) -> str:
    return (mask(str(error)).strip().splitlines() or [type(error).__name__])[0].removesuffix(".")
