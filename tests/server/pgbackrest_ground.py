"""A team's own server whose log and backups go into a repository of pgBackRest, as its manual has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbtasks.conninfo import parse
from dbtasks.database import Scratch, open_to_write
from dbtasks.recovery.engines.pgbackrest import PgBackRest
from dbtasks.recovery.repository import Repository
from tests.server import abroad
from tests.server.recovery_ground import DATABASE, Ground, project
from tests.server.road import Server, as_postgres, own, until

STANZA, PASSPHRASE = "shop", "kept by nobody else"
ENCRYPTED = f"repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={PASSPHRASE}"
_QUIET = ("--log-level-console=off", "--log-level-file=off")
_CONFIG = """\
[global]
repo1-path={folder}/repo
lock-path={folder}/lock
archive-timeout=3
job-retry=0
spool-path={folder}/spool
start-fast=y
compress-level=1
{more}
[{stanza}]
pg1-path={folder}/data
pg1-port={port}
pg1-socket-path={folder}
pg1-user={boss}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A server, its repository, and the file in which pgBackRest reads of both."""

    server: Server
    config: Path
    repo: Path

    @property
    def repository(self) -> Repository:
        return Repository(stanza=STANZA, config=str(self.config))

    def run(self, *words: str, stanza: str = STANZA) -> None:
        """Run pgBackRest as its user would."""
        as_postgres(["pgbackrest", f"--config={self.config}", f"--stanza={stanza}", *_QUIET, *words])

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.repo.glob(pattern))

    @contextmanager
    def archiving(self, command: str) -> Iterator[None]:
        """The server archives by another command."""
        usual = self.server.sql("SHOW archive_command")[0]
        self.archive_by(command)
        try:
            yield
        finally:
            self.archive_by(usual)

    def archive_by(self, command: str) -> None:
        self.server.sql(f"ALTER SYSTEM SET archive_command = '{command}'")
        self.server.sql("SELECT pg_reload_conf()")
        until(lambda: self.server.sql("SHOW archive_command") == [command])

    @contextmanager
    def broken(self) -> Iterator[None]:
        """The list of the stanza's backups cannot be read, nor its copy."""
        before = {path: path.read_bytes() for path in self.files("backup/*/backup.info*")}
        for path in before:
            path.write_bytes(b"no more")
        try:
            yield
        finally:
            for path, data in before.items():
                path.write_bytes(data)

    @contextmanager
    def gone(self) -> Iterator[None]:
        """The repository cannot be reached."""
        away = self.repo.with_name("repo.away")
        self.repo.rename(away)
        try:
            yield
        finally:
            if self.repo.exists():  # what somebody has made in its place meanwhile
                shutil.rmtree(self.repo)
            away.rename(self.repo)


@contextmanager
def flipped(path: Path) -> Iterator[None]:
    """A file with one bit in its middle turned."""
    before = path.read_bytes()
    middle = len(before) // 2
    path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
    try:
        yield
    finally:
        path.write_bytes(before)


@contextmanager
def site(more: str = "") -> Iterator[Site]:
    """A server that archives into a new stanza, of which there is no backup yet. `more` is for every stanza."""
    options = {"wal_level": "replica", "archive_mode": "on"}
    with abroad.started(options=options) as server:
        made = Site(server=server, config=server.folder / "pgbackrest.conf", repo=server.folder / "repo")
        made.config.write_text(
            _CONFIG.format(folder=server.folder, port=server.port, boss=server.boss, stanza=STANZA, more=more)
        )
        own(made.config)
        entrance = server.folder / "data" / "pg_hba.conf"
        entrance.write_text(f"local all all trust\n{entrance.read_text()}")  # pgBackRest comes by the socket
        abroad.stop(server)
        abroad.start(server, {**options, "unix_socket_directories": str(server.folder)})
        made.run("stanza-create")
        made.archive_by(f"pgbackrest --config={made.config} --stanza={STANZA} {' '.join(_QUIET)} archive-push %p")
        yield made


@contextmanager
def ground(made: Site) -> Iterator[Ground]:
    """The same as the tests of recoveries know it."""
    with project() as root:
        conninfo = parse(made.server.url(DATABASE), variable="a test's")
        with closing(open_to_write(Scratch(conninfo), conninfo)) as connection:
            engine = PgBackRest(repository=made.repository)
            yield Ground(root=root, conninfo=conninfo, connection=connection, engine=engine)


@contextmanager
def foreign(made: Site, more: str = "") -> Iterator[Repository]:
    """A stanza of another server, in a repository that is not encrypted but where `more` says so."""
    data, config = made.server.folder / "other", made.server.folder / "other.conf"
    as_postgres([f"{made.server.bindir}/initdb", "-D", str(data), "-U", "boss", "--no-sync"])
    config.write_text(f"[global]\nrepo1-path={made.server.folder}/other-repo\n{more}\n[{STANZA}]\npg1-path={data}\n")
    own(config)
    as_postgres(["pgbackrest", f"--config={config}", f"--stanza={STANZA}", *_QUIET, "--no-online", "stanza-create"])
    try:
        yield Repository(stanza=STANZA, config=str(config))
    finally:
        for folder in (data, made.server.folder / "other-repo"):
            shutil.rmtree(folder)


def misread(made: Site) -> Repository:
    """The same repository for somebody who has the wrong passphrase."""
    config = made.server.folder / "wrong.conf"
    config.write_text(made.config.read_text().replace(PASSPHRASE, "another"))
    own(config)
    return Repository(stanza=STANZA, config=str(config))
