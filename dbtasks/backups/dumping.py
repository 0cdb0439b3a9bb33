"""One pg_dump, from the snapshot of a session of ours to the store, while that session counts the rows."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import psycopg

from dbtasks.backups import facts as of_source
from dbtasks.backups.children import Child, running, version_of
from dbtasks.backups.engines import Taking
from dbtasks.backups.facts import Facts, Rows
from dbtasks.backups.manifest import File, Form
from dbtasks.backups.progress import Progress, Report
from dbtasks.backups.store import Draft
from dbtasks.clients import Way, way
from dbtasks.database import Connection
from dbtasks.programs import find_client

NAME, SEALED, FOLDER = "database.dump", "database.dump.age", "dump"
OPTIONS = ("--compress=1", "--exclude-table=dbtasks.hardening", "--lock-wait-timeout=10000", "--no-password")
_TELL_EVERY_BYTES = 1 << 24
_READ_BYTES = 1 << 18
_PATIENCE_S = 10

VersionTables = tuple[tuple[str, str], ...]


class Lent(NamedTuple):
    """A session in a transaction whose snapshot others import, and the bytes of what it sees."""

    connection: Connection
    snapshot: str
    table_bytes: int


@dataclasses.dataclass(slots=True, kw_only=True)
class Made:
    """What comes of a dump. `sha256` and `bytes` are the artefact's before it is sealed."""

    version: str
    form: Form = Form.CUSTOM
    rows: Rows = ()
    files: tuple[File, ...] = ()
    sha256: str = ""
    bytes: int = 0


def dump(job: Taking, draft: Draft, lent: Lent) -> tuple[Made, Facts]:
    """Dump what the session sees, and return what else it saw.

    BackupError where pg_dump fails or the store takes no more.
    """
    to = way(job.source.conninfo, job.permit, "backup")
    program = find_client("pg_dump", lent.connection.info.server_version // 10000, to.tls)
    command: list[str | Path] = [program, *OPTIONS, f"--snapshot={lent.snapshot}", f"--dbname={to.dbname}"]
    made = Made(version=version_of(program))
    with _looking(lent, job.source.version_tables) as looker:
        if job.vault.jobs > 1 and job.vault.recipients is None and draft.folder is not None:
            _into_folder(job, draft.folder / FOLDER, draft, (command, to), made)
        else:
            _through_pipe(job, draft, (command, to), made, looker)
    facts, made.rows = looker.found()
    return made, facts


Call = tuple[list[str | Path], Way]


def _through_pipe(job: Taking, draft: Draft, call: Call, made: Made, looker: _Looker) -> None:
    recipients, (command, to) = job.vault.recipients, call
    draft.start(SEALED if recipients else NAME)
    with running([*command, "--format=custom"], to.environ, inherit=draft.lock) as child:
        # In one file as it came, it is hashed where it is stored.
        source = _Dump(child, job.report, looker, hashed=recipients is not None or draft.folder is None)
        if recipients:
            recipients.seal(source, draft.write)
        else:
            while piece := source.read(_READ_BYTES):
                draft.write(piece)
        child.finish()
    made.files, made.bytes = draft.stop(), source.bytes
    made.sha256 = source.digest.hexdigest() if source.hashed else made.files[0].sha256


def _into_folder(job: Taking, place: Path, draft: Draft, call: Call, made: Made) -> None:
    command, to = call
    options = ["--format=directory", f"--jobs={job.vault.jobs}", f"--file={place}"]
    job.report(Progress(doing="dumping"))
    with running([*command, *options], to.environ, inherit=draft.lock) as child:
        child.out.read()
        child.finish()
    made.form, made.files = Form.DIRECTORY, draft.adopt()
    made.bytes = sum(file.bytes for file in made.files)
    # Of a folder: the digests of its files, in their order.
    made.sha256 = hashlib.sha256(b"".join(bytes.fromhex(file.sha256) for file in made.files)).hexdigest()


class _Dump:
    """What pg_dump writes, hashed while it is read. Where the rows cannot be counted, it is given up."""

    def __init__(self, child: Child, report: Report, looker: _Looker, *, hashed: bool) -> None:
        self._child, self._report, self._looker, self._told = child, report, looker, 0
        self.digest, self.bytes, self.hashed = hashlib.sha256(), 0, hashed

    def read(self, size: int, /) -> bytes:
        piece = self._child.out.read(size)
        if self.hashed:
            self.digest.update(piece)
        self.bytes += len(piece)
        if self.bytes - self._told >= _TELL_EVERY_BYTES:
            self._told = self.bytes
            self._report(Progress(doing="dumping", done=self._told, total=self._looker.lent.table_bytes))
            self._looker.check()
        return piece


@contextmanager
def _looking(lent: Lent, version_tables: VersionTables) -> Iterator[_Looker]:
    """Look while the block runs. Where the block fails, that is called off, if it did not fail first."""
    looker = _Looker(lent, version_tables)
    looker.start()
    try:
        yield looker
    except BaseException as error:
        if isinstance(error, Exception):
            looker.check()  # where the look failed first: the snapshot went with its transaction
        looker.call_off()
        raise
    looker.join()


class _Looker(threading.Thread):
    """Reads the facts and counts the rows: the session that lent its snapshot has nothing else to do."""

    def __init__(self, lent: Lent, version_tables: VersionTables) -> None:
        super().__init__(name="count rows", daemon=True)
        self.lent, self._version_tables = lent, version_tables
        self._found: tuple[Facts, Rows] | None = None
        self._error: BaseException | None = None
        self._called_off = False

    def run(self) -> None:
        try:
            facts = of_source.read(self.lent.connection, self._version_tables)
            tables = takewhile(lambda _: not self._called_off, facts.tables)
            self._found = facts, of_source.count(self.lent.connection, tables)
        except BaseException as error:  # raised where what was found is asked for
            self._error = error

    def check(self) -> None:
        """Raise what has stopped the look."""
        if self._error is not None:
            raise self._error

    def call_off(self) -> None:
        """Stop looking. Where the server does not answer, it ends with the connection."""
        self._called_off = True
        with suppress(psycopg.Error):
            self.lent.connection.cancel_safe(timeout=5)
        self.join(_PATIENCE_S)

    def found(self) -> tuple[Facts, Rows]:
        self.check()
        if self._found is None:
            raise TypeError("asked before the look had ended")
        return self._found
