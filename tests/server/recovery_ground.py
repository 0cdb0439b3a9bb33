"""Servers that can be recovered: the private durable one as it comes, and a team's own of another version."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbtasks import embedded
from dbtasks.conninfo import Conninfo, parse
from dbtasks.database import Connection, Scratch, look, open_to_write
from dbtasks.embedded.account import choose_account
from dbtasks.recovery import rooms, upkeep
from dbtasks.recovery.engines import Engine
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.engines.choosing import private_archive
from dbtasks.recovery.engines.receivewal import Receiver
from dbtasks.recovery.goals import BeforeMark, Goal
from dbtasks.recovery.marks import Mark, make_mark
from dbtasks.recovery.proof import Proof, Unproven
from dbtasks.recovery.proving import prove
from dbtasks.recovery.recovering import Request, recover
from dbtasks.recovery.rooms import Recovered
from dbtasks.recovery.source import Source, settings_of, superuser_of
from tests.server import abroad
from tests.server.road import Server, dump, own

DATABASE = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A live server, a connection that may write to it, and how it can be recovered. `root` is a project's folder."""

    root: Path
    conninfo: Conninfo
    connection: Connection
    engine: Engine

    @property
    def source(self) -> Source:
        return Source(connection=self.connection, conninfo=self.conninfo, permit=Scratch(self.conninfo))

    @property
    def shelf(self) -> Path:
        """The folder of the base backups."""
        assert isinstance(self.engine, Archive | Receiver)
        return self.engine.shelf

    @property
    def identifier(self) -> int:
        (row,) = self.rows("SELECT system_identifier FROM pg_control_system()")
        return int(str(row))

    def run(self, statements: str) -> None:
        self.connection.execute(statements.encode())

    def rows(self, query: str) -> list[object]:
        return [row[0] for row in self.connection.execute(query.encode()).fetchall()]

    def mark(self) -> Mark:
        return make_mark(self.connection)

    def request(self, goal: Goal, engine: Engine | None = None) -> Request:
        return Request(
            root=self.root,
            engine=engine or self.engine,
            system_identifier=self.identifier,
            goal=goal,
            at_least=settings_of(self.connection),
            superuser=superuser_of(self.connection),
        )

    @contextmanager
    def recovered(self, goal: Goal | Mark, engine: Engine | None = None) -> Iterator[Recovered]:
        """Recover, and drop what came up afterwards. A mark of ours is waited for until it is in the archive."""
        if isinstance(goal, Mark) and engine is None:
            proven(self, goal)
        goal = BeforeMark(mark=goal) if isinstance(goal, Mark) else goal
        made = recover(self.request(goal, engine), lambda _line: None)
        try:
            yield made
        finally:
            rooms.drop(made)

    def left(self) -> list[str]:
        """Return what there is of recovered servers: folders, and processes that work in them."""
        place = self.root / ".dbtasks" / "recovered"
        folders = [path.name for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
        return sorted([*folders, *processes(place)])


def processes(folder: Path) -> list[str]:
    """Return the command lines that name something in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().decode(errors="replace").replace("\0", " ")
            if str(folder) in words:
                found.append(words.strip())
    return found


def seen(recovered: Recovered, query: str) -> list[object]:
    with look(recovered.conninfo(DATABASE)) as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]


def write(ground: Ground, text: str) -> None:
    ground.run(f"INSERT INTO notes (text) VALUES ('{text}')")  # noqa: S608 - words of these tests


def proven(ground: Ground, mark: Mark) -> Proof:
    found = prove(ground.engine, ground.connection, mark)
    assert isinstance(found, Proof), found
    return found


def unproven(ground: Ground, mark: Mark, engine: Archive | None = None, patience_s: float = 10.0) -> str:
    found = prove(engine or ground.engine, ground.connection, mark, patience_s=patience_s)
    assert isinstance(found, Unproven), found
    return f"{found.why} {found.instead}"


def live_dump(ground: Ground) -> str:
    return dump(ground.conninfo.url(Scratch(ground.conninfo)))


def recovered_dump(recovered: Recovered) -> str:
    return dump(recovered.conninfo(DATABASE).url(Scratch(recovered.conninfo(DATABASE))))


@contextmanager
def project() -> Iterator[Path]:
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="dbtasks-test-", dir=memory if memory.is_dir() else None))
    root.chmod(0o755)
    try:
        yield root
    finally:
        rooms.sweep(root, choose_account())
        shutil.rmtree(root)


@contextmanager
def private() -> Iterator[Ground]:
    """The private durable server, as it comes."""
    with project() as root:
        server = embedded.ensure(root, embedded.Kind.DURABLE)
        conninfo = server.conninfo(DATABASE)
        try:
            with closing(open_to_write(Scratch(conninfo), conninfo)) as connection:
                engine = private_archive(server.data.parent)
                yield Ground(root=root, conninfo=conninfo, connection=connection, engine=engine)
        finally:
            embedded.stop(root, embedded.Kind.DURABLE)


@contextmanager
def teams(**options: str) -> Iterator[tuple[Server, Ground]]:
    """A team's own server of another version, with an archive_command as its manual has it."""
    with project() as root:
        archive = own_folder(root / "archive")
        command = f"test ! -f {archive}/%f && cp %p {archive}/%f"
        with abroad.started(options={"archive_mode": "on", "wal_level": "replica", **options}) as server:
            conninfo = parse(server.url(DATABASE), variable="a test's")
            with closing(open_to_write(Scratch(conninfo), conninfo)) as connection:
                engine = Archive(folder=archive, shelf=root / "base")
                ground = Ground(root=root, conninfo=conninfo, connection=connection, engine=engine)
                if options.get("archive_mode") != "off":
                    archive_with(ground, command)
                yield server, ground


@pytest.fixture(scope="module")
def team() -> Iterator[tuple[Server, Ground]]:
    """A team's own server with a table and a base backup."""
    with teams() as made:
        made[1].run("CREATE TABLE notes (text text)")
        upkeep.take_base(made[1].engine, made[1].source, lambda _line: None)
        yield made


@contextmanager
def received() -> Iterator[Ground]:
    """A team's own server that archives nothing, and a receiver that does not run yet."""
    with project() as root, abroad.started(options={"wal_level": "replica"}) as server:
        conninfo = parse(server.url(DATABASE), variable="a test's")
        engine = Receiver(folder=root / "received", shelf=root / "base", slot="dbtasks_test")
        with closing(open_to_write(Scratch(conninfo), conninfo)) as connection:
            try:
                yield Ground(root=root, conninfo=conninfo, connection=connection, engine=engine)
            finally:
                engine.stop()


def archive_with(ground: Ground, command: str) -> None:
    """Set the server's archive_command, and wait until it counts."""
    setting(ground, "archive_command", command)


def setting(ground: Ground, name: str, value: str) -> None:
    ground.run(f"ALTER SYSTEM SET {name} = '{value}'")
    ground.run("SELECT pg_reload_conf()")
    for _ in range(1000):
        if ground.rows(f"SELECT current_setting('{name}')") == [value]:
            return
        ground.run("SELECT pg_sleep(0.01)")
    raise AssertionError(f"{name} did not become {value}")


def own_folder(path: Path) -> Path:
    path.mkdir(0o700)
    return own(path)
