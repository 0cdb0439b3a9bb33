"""Makes databases for one process's tests, and drops them.

A row in the registry precedes each; the session that wrote it holds the row's lock for as long as the process lives,
so that another process can tell what is in use from what a killed one has left.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import psycopg

from dbtasks import identity, readiness, snapshots
from dbtasks.database import Connection, telling_failures, without_pg_environment
from dbtasks.errors import DbtasksError
from dbtasks.registry import BUILD_LOCK_CLASS, Registry, Row
from dbtasks.testing import source
from dbtasks.testing.way_in import WayIn

KIND = "clone"
KEPT_FOR = timedelta(days=3)

# Sessions that one process holds for as long as it lives: servers allow a hundred, and many runs share one.
_SESSIONS = 2
_TRIES = 3

_DEAD = """
WITH ours AS MATERIALIZED (
    SELECT id, name, oid FROM dbtasks.registry
     WHERE project = %s AND tier = %s AND kind = %s AND coalesce(keep_until <= now(), true)
)
SELECT id, name, oid FROM ours WHERE pg_try_advisory_lock(%s, id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database for tests. `url` holds its password; `masked` is what may be shown."""

    name: str
    masked: str
    url: str = field(repr=False)
    _drop: Callable[[], None] = field(repr=False, compare=False)

    def connect(self, **parameters: Any) -> psycopg.Connection[Any]:
        """Return a psycopg connection; `parameters` as of `psycopg.connect`."""
        with without_pg_environment():
            return psycopg.connect(self.url, **parameters)

    def drop(self) -> None:
        """Drop the database and end its sessions. Again, and once it is gone, it does nothing."""
        self._drop()


@dataclass(eq=False, slots=True, kw_only=True)
class _Session:
    """A connection to the registry, used by one thread at a time. It holds the locks of the rows written with it."""

    registry: Registry
    turn: threading.Lock = field(default_factory=threading.Lock)


class Databases:
    """Makes databases for the tests of this process. Threads may ask at the same time."""

    def __init__(self, way_in: WayIn) -> None:
        self.way_in = way_in
        self._process = os.getpid()
        self._opening = threading.Lock()
        self._sessions: list[_Session] = []
        self._next = 0
        self._made: dict[str, tuple[_Session, Row]] = {}
        self._looking = threading.Lock()
        self._source: str | None = None

    def clone(self) -> Database:
        """Return a database as a reset of the default tier would build it: migrations and seeds applied."""
        for _ in range(_TRIES):
            with suppress(psycopg.errors.InvalidCatalogName):  # somebody needed its room
                return self._clone_of(self._template())
            self._source = None
        return self._clone_of(self._template())

    def _clone_of(self, name: str) -> Database:
        return self._make(lambda registry, new: snapshots.clone(registry.connection, new, name))

    def empty(self) -> Database:
        """Return a database that holds nothing but its stamp, for tests of migrations and loaders."""
        model = self.way_in.clearance.evidence.identity
        oid = model.oid if model else None
        return self._make(lambda registry, name: snapshots.create_like(registry.connection, name, oid))

    def prepare(self) -> None:
        """Build what clones are made from, where that is not kept yet."""
        self._template()

    def sweep(self) -> tuple[str, ...]:
        """Drop what killed processes left and what was kept long enough, and return the names."""
        tier = self.way_in.tier.name
        with self._telling(), self._session() as session:
            registry = session.registry
            found = registry.connection.execute(_DEAD, [registry.project, tier, KIND, BUILD_LOCK_CLASS]).fetchall()
            for id_, name, oid in found:
                row = Row(
                    id=cast(int, id_),
                    tier=tier,
                    kind=KIND,
                    name=str(name),
                    oid=cast("int | None", oid),
                    keep_until=None,
                )
                registry.drop(row)
                registry.release(row)
        return tuple(str(name) for _, name, _ in found)

    def close(self, *, keep: bool = False) -> None:
        """Drop every database that was made and is still there, or leave them for some days."""
        if os.getpid() != self._process:  # a fork: what its parent uses is not its own
            return
        try:
            for name in tuple(self._made):
                if keep:
                    self.keep(name)
                else:
                    self._drop(name)
        finally:
            for session in self._sessions:
                session.registry.connection.close()
            self._sessions.clear()

    def keep(self, name: str) -> None:
        """Leave a database on the server when this process ends, for some days."""
        session, row = self._made.pop(name)
        with self._telling(), session.turn:
            session.registry.connection.execute(
                "UPDATE dbtasks.registry SET keep_until = now() + %s WHERE id = %s", [KEPT_FOR, row.id]
            )

    def _template(self) -> str:
        """Return what to clone, looked for once in the life of this process."""
        with self._looking:
            if self._source is None:
                with self._session() as session:
                    self._source = source.template(self.way_in, session.registry)
            if self._source is None:
                self._source = self._copy_of_the_live_one()
            return self._source

    def _copy_of_the_live_one(self) -> str:
        """Return a copy of the tier's own database, brought up to date, which nobody will connect to."""
        readiness.make_ready(self.way_in.project, self.way_in.console, readiness.PURPOSE)
        with self._session() as session:
            live = source.live(self.way_in, session.registry)
        return self._clone_of(live).name

    # How one is made

    def _make(self, create: Callable[[Registry, str], None]) -> Database:
        if os.getpid() != self._process:
            raise DbtasksError("A process that was forked makes databases of its own: open databases() in it.")
        with self._telling():
            with self._session() as session:
                registry = session.registry
                row = registry.reserve(self.way_in.tier.name, self.way_in.entry, KIND)
                self._made[row.name] = (session, row)
                with self._dropping(row.name, locked=True):
                    create(registry, row.name)
                    row = dataclasses.replace(row, oid=registry.record_built(row))
                    self._made[row.name] = (session, row)
            with self._dropping(row.name), self.way_in.open(row.name) as connection:
                self._stamp(connection)
        conninfo = self.way_in.to(row.name)
        return Database(
            name=row.name,
            masked=conninfo.masked,
            url=conninfo.url(self.way_in.clearance),
            _drop=lambda: self._drop(row.name),
        )

    def _stamp(self, connection: Connection) -> None:
        """Give the database a stamp of its own; it has inherited the one of what it was cloned from."""
        project, floor = self.way_in.project, self.way_in.clearance.evidence.situation.floor
        connection.execute("SET synchronous_commit = off")
        with connection.pipeline():  # few round trips
            identity.put_stamp(
                connection,
                project=project.settings.project,
                tier=self.way_in.tier.name,
                floor=floor,
                person=project.who.person,
                alone=True,
            )

    def _drop(self, name: str) -> None:
        if name not in self._made:
            return
        session, row = self._made[name]
        with self._telling(), session.turn:
            self._drop_in(session, row)

    def _drop_in(self, session: _Session, row: Row) -> None:
        session.registry.drop(row)
        session.registry.release(row)
        self._made.pop(row.name, None)

    @contextmanager
    def _dropping(self, name: str, *, locked: bool = False) -> Iterator[None]:
        """Drop what was made when the block fails. `locked`: this thread has its session's turn already."""
        try:
            yield
        except BaseException:
            with suppress(psycopg.Error):
                if locked:
                    self._drop_in(*self._made[name])
                else:
                    self._drop(name)
            raise

    @contextmanager
    def _telling(self) -> Iterator[None]:
        with telling_failures(self.way_in.tier.name, self.way_in.conninfo.database):
            yield

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        """Take a session that no other thread uses, a new one where there may be one more, else wait for one."""
        with self._opening:
            session = next((each for each in self._sessions if each.turn.acquire(blocking=False)), None)
            if session is None and len(self._sessions) < _SESSIONS:
                session = _Session(registry=self.way_in.registry())
                session.turn.acquire()
                self._sessions.append(session)
            self._next = (self._next + 1) % _SESSIONS
            waited_for = None if session else self._sessions[self._next]
        if session is None:
            session = cast(_Session, waited_for)
            session.turn.acquire()
        try:
            yield session
        finally:
            session.turn.release()
