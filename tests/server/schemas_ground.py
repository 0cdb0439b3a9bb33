"""Databases whose role may not create databases, scratch databases beside them, and what is loaded from one into the
other.

The revisions are a text of SQL here: what matters is what a database holds, not how it came to be.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from dbtasks import schemas
from dbtasks.conninfo import Conninfo, parse
from dbtasks.database import Connection, look, open_to_write
from dbtasks.embedded import Server as Embedded
from dbtasks.guard import Clearance, clear
from dbtasks.migrations import ledger
from dbtasks.registry import Registry, open_registry
from dbtasks.schemas import Dump, Errand, Likeness
from dbtasks.surroundings import Kind
from tests.server.road import PASSWORD, dump
from tests.unit.guard_cells import INT
from tests.unit.guard_samples import RESET, evidence_of, plan_for, request_for

KEEP = timedelta(days=7)


def cleared() -> Clearance:
    request, evidence = request_for(INT, RESET, Kind.SCRIPT), evidence_of(INT)
    return clear(request, plan_for(request, evidence), evidence)


@dataclass(slots=True, kw_only=True)
class Target:
    """A database of a role that may not create another. `boss` is the server's superuser there, `app` that role."""

    name: str
    boss: Conninfo
    app: Conninfo
    clearance: Clearance = field(default_factory=cleared)

    def open(self) -> Connection:
        return open_to_write(self.clearance, self.app)

    def look(self) -> Connection:
        return look(self.app)

    def sql(self, text: str, *, as_boss: bool = False) -> list[tuple[Any, ...]]:
        """Run statements in one transaction and return the last one's rows."""
        with open_to_write(self.clearance, self.boss if as_boss else self.app) as connection:
            cursor = connection.execute(text.encode())
            while cursor.nextset():
                pass
            return list(cursor.fetchall()) if cursor.description else []

    def dump(self) -> str:
        """Return what is in service, as pg_dump writes it."""
        text = dump(self.boss.url(self.clearance), "--exclude-schema=dbtasks", "--exclude-schema=*_dbtasks_*")
        return text.replace(self.name, "it")

    def obstacles(self) -> tuple[str, ...]:
        with self.look() as connection:
            return schemas.obstacles(connection)


@dataclass(slots=True, kw_only=True)
class Ground:
    """A server with targets, and the private server with scratch databases; sometimes one and the same."""

    boss: Conninfo
    private: Embedded
    clearance: Clearance = field(default_factory=cleared)

    def role(self, name: str) -> str:
        with open_to_write(self.clearance, self.boss) as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
            verb = "ALTER" if known else "CREATE"
            connection.execute(f"{verb} ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}'".encode())
        return name

    @contextmanager
    def target(self, *texts: str, before: str = "", owner: str = "app") -> Iterator[Target]:
        """A database of `owner`'s; `before` is run by the superuser, the texts by the owner."""
        name = f"target_{secrets.token_hex(4)}"
        self.role("reader")
        self.role(owner)
        app = parse(
            f"host={self.boss.host} port={self.boss.port} dbname={name} user={owner} password='{PASSWORD}'",
            variable="a test's",
        )
        made = Target(name=name, boss=self.boss.with_database(name), app=app)
        self.run(f'CREATE DATABASE "{name}" OWNER "{owner}" TEMPLATE template0')
        try:
            if before:
                made.sql(before, as_boss=True)
            for text in texts:
                made.sql(text)
            yield made
        finally:
            self.run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def run(self, statement: str) -> None:
        # A connection for each: in between, a test may kill the server.
        with open_to_write(self.clearance, self.boss) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def scratch(self, like: Likeness) -> Iterator[str]:
        """An empty scratch database."""
        maintenance = self.private.conninfo("postgres")
        registry = Registry(open_registry(self.clearance, maintenance, maintenance), "shop")
        row = registry.reserve("int", 1)
        try:
            schemas.build(registry, row, like, self.inside)
            yield row.name
        finally:
            registry.drop(row)
            registry.connection.close()

    def inside(self, name: str) -> Connection:
        return open_to_write(self.clearance, self.private.conninfo(name))

    @contextmanager
    def built(self, target: Target, *texts: str) -> Iterator[Dump]:
        """What revisions and seeds make in a scratch database, dumped for this target."""
        with target.look() as connection:
            like = schemas.likeness_of(connection)
        with self.dumped(like, *texts) as made:
            yield made

    @contextmanager
    def dumped(self, like: Likeness, *texts: str) -> Iterator[Dump]:
        """The same for whatever is like that."""
        with self.scratch(like) as name, self.inside(name) as connection:
            for text in texts:
                connection.execute(text.encode())
            connection.execute(ledger.CREATE)
            connection.execute(
                "INSERT INTO dbtasks.ledger (revision, checksum, direction, started_at, duration_ms, person, entry,"
                " tool_version) VALUES ('r1', 'new', 'upgrade', now(), 1, 'anna', 7, '1')"
            )
            with tempfile.TemporaryDirectory() as folder:
                yield schemas.dump(self.private.conninfo(name), connection, self.clearance, Path(folder))

    def replace(self, target: Target, *texts: str) -> schemas.Replaced:
        with self.built(target, *texts) as dumped, target.open() as connection:
            return schemas.replace(connection, dumped, errand())

    def bring_back(self, target: Target, mark: str) -> schemas.Replaced:
        with target.open() as connection:
            return schemas.bring_back(connection, mark, errand())


def errand(keep: timedelta = KEEP) -> Errand:
    return Errand(mark=secrets.token_hex(4), entry=7, made_by="anna@here", keep=keep)
