"""Makes databases for one process's tests, and drops them.

A row in the registry precedes each; the session that wrote it holds the row's lock for as long as the process lives,
so that another process can tell what is in use from what a killed one has left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psycopg

from dbtasks import identity, snapshots
from dbtasks.database import telling_failures, without_pg_environment
from dbtasks.errors import DbtasksError
from dbtasks.registry import BUILD_LOCK_CLASS, Registry, Row, row_of
from dbtasks.testing import mould, source
from dbtasks.testing.sessions import MOST, Session, Sessions
from dbtasks.testing.way_in import WayIn

KIND = "clone"
KEPT_FOR = timedelta(days=3)
_TRIES = 3

_DEAD = """
WITH ours AS MATERIALIZED (
    SELECT id, tier, kind, name, oid, keep_until, entry, made_by, since FROM dbtasks.registry
     WHERE project = %s AND tier = %s AND kind = %s AND coalesce(keep_until <= now(), true)
)
SELECT * FROM ours WHERE pg_try_advisory_lock(%s, id)
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


class Databases:
    """Makes databases for the tests of this process. Threads may ask at the same time."""

    def __init__(self, way_in: WayIn) -> None:
        self.way_in = way_in
        self._process = os.getpid()
        self._sessions = Sessions(way_in.registry)
        self._made: dict[str, tuple[Session, Row]] = {}
        self._looking = threading.Lock()
        self._template: str | None = None

    def clone(self) -> Database:
        """Return a database as a reset of the default tier would build it: migrations and seeds applied."""
        for _ in range(_TRIES):
            template = self.template()
            with suppress(psycopg.errors.InvalidCatalogName):  # it is gone: somebody needed its room
                return self._make(_copying(template), template)
            self._template = None
        raise DbtasksError(
            "What clones are made from is dropped again and again. Raise stock.databases in the settings."
        )

    def empty(self) -> Database:
        """Return a database that holds nothing but its stamp, for tests of migrations and loaders."""
        model = self.way_in.clearance.evidence.identity
        oid = model.oid if model else None
        with self._ours(), self._sessions.any() as session:
            shape = mould.shape(session.registry, oid)
        return self._make(lambda registry, name: snapshots.create_like(registry.connection, name, oid), shape)

    def template(self) -> str:
        """Return the name of what is cloned, looked for once in the life of this process and built where it is missing.

        Where none can be kept it is a copy of the tier's own database as it stands, which nobody connects to.
        """
        with self._looking:
            if self._template is None:
                with self._ours(), self._sessions.any() as session:
                    self._template = source.template(self.way_in, session.registry)
            if self._template is None:
                with self._ours(), self._sessions.any() as session:
                    live = source.up_to_date(self.way_in, session.registry)
                self._template = self._make(_copying(live)).name
            return self._template

    def sweep(self) -> tuple[str, ...]:
        """Drop what killed processes left and what was kept long enough, and return the names."""
        with self._ours(), self._sessions.any() as session:
            registry, tier = session.registry, self.way_in.tier.name
            values = [registry.project, tier, KIND, BUILD_LOCK_CLASS]
            dead = [row_of(row) for row in registry.connection.execute(_DEAD, values).fetchall()]
            for row in dead:
                registry.drop(row)
                registry.release(row)
            built = registry.sweep(tier)
        return (*(row.name for row in dead), *built)

    def keep(self, name: str) -> None:
        """Leave a database on the server when this process ends, for some days."""
        session, row = self._made.pop(name)
        with self._ours(), session.turn:
            session.registry.connection.execute(
                "UPDATE dbtasks.registry SET keep_until = now() + %s WHERE id = %s", [KEPT_FOR, row.id]
            )

    def close(self, *, keep: bool = False) -> None:
        """Drop every database that was made and is still there, or leave them for some days.

        What cannot be dropped does not keep the others; the first error is raised at the end.
        """
        if os.getpid() != self._process:  # a fork: what its parent uses is not its own
            return
        end = self.keep if keep else self._drop
        with ThreadPoolExecutor(MOST, thread_name_prefix="dbtasks") as threads:
            errors = [error for error in threads.map(_error_of(end), tuple(self._made)) if error is not None]
        self._sessions.close()
        if errors:
            raise errors[0]

    # How one is made

    def _make(self, create: Callable[[Registry, str], None], casts_as: str = "") -> Database:
        """Register a name, make a database under it by `create`, and stamp it.

        `casts_as` names what `create` makes, where a mould of it can be kept and is cloned instead.
        """
        with self._ours():
            with self._sessions.any() as session:
                registry = session.registry
                row = registry.reserve(self.way_in.tier.name, self.way_in.entry, KIND)
                self._made[row.name] = (session, row)
                with self._dropping(row.name, locked=True):
                    cast = bool(casts_as) and mould.cast(self.way_in, registry, row.name, (casts_as, create))
                    if not cast:
                        create(registry, row.name)
                    row = replace(row, oid=registry.record_built(row))
                    self._made[row.name] = (session, row)
            if not cast:
                with self._dropping(row.name):
                    self._stamp(row.name)
        return self._database(row.name)

    def _stamp(self, name: str) -> None:
        """Give the database a stamp of its own; it may have inherited one."""
        project, floor = self.way_in.project, self.way_in.clearance.evidence.situation.floor
        with self.way_in.open(name) as connection:
            connection.execute("SET synchronous_commit = off")
            identity.put_stamp(
                connection,
                project=project.settings.project,
                tier=self.way_in.tier.name,
                floor=floor,
                person=project.who.person,
                alone=True,
            )

    def _database(self, name: str) -> Database:
        conninfo = self.way_in.to(name)
        url = conninfo.url(self.way_in.clearance)
        return Database(name=name, masked=conninfo.masked, url=url, _drop=lambda: self._drop(name))

    def _drop(self, name: str, *, locked: bool = False) -> None:
        if name not in self._made:
            return
        session, row = self._made[name]
        with self._ours(), nullcontext() if locked else session.turn:
            session.registry.drop(row)
            session.registry.release(row)
            self._made.pop(name, None)

    @contextmanager
    def _dropping(self, name: str, *, locked: bool = False) -> Iterator[None]:
        """Drop what was made when the block fails. `locked`: this thread has its session's turn already."""
        try:
            yield
        except BaseException:
            with suppress(psycopg.Error, DbtasksError):
                self._drop(name, locked=locked)
            raise

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Refuse a fork, whose connections are its parent's, and tell what the server does not let happen."""
        if os.getpid() != self._process:
            raise DbtasksError("A process that was forked makes databases of its own: open databases() in it.")
        with telling_failures(self.way_in.tier.name, self.way_in.conninfo.database):
            yield


def _copying(template: str) -> Callable[[Registry, str], None]:
    return lambda registry, name: snapshots.clone(registry.connection, name, template)


def _error_of(act: Callable[[str], None]) -> Callable[[str], Exception | None]:
    def acted(name: str) -> Exception | None:
        try:
            act(name)
        except (DbtasksError, psycopg.Error) as error:
            return error
        return None

    return acted
