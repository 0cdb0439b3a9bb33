"""One pg_dump, from the snapshot of a session of ours to the store, while that session counts the rows."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

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
OPTIONS = ("--compress=1", "--lock-wait-timeout=10000", "--no-password")
_TELL_EVERY_BYTES = 1 << 24
_READ_BYTES = 1 << 18
_PATIENCE_S = 10


@dataclasses.dataclass(slots=True, kw_only=True)
class Made:
    """What comes of a dump. `digest` and `bytes` are the artefact's before it is sealed."""

    version: str
    form: Form = Form.CUSTOM
    rows: Rows = ()
    files: tuple[File, ...] = ()
    digest: hashlib._Hash = dataclasses.field(default_factory=hashlib.sha256)
    bytes: int = 0


def dump(job: Taking, draft: Draft, connection: Connection, facts: Facts) -> Made:
    """Dump what the connection's transaction sees. BackupError where pg_dump fails or the store takes no more."""
    row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    to = way(job.source.conninfo, job.permit, "dbtasks backup")
    program = find_client("pg_dump", int(facts.version.partition(".")[0]), to.tls)
    command: list[str | Path] = [program, *OPTIONS, f"--snapshot={row[0] if row else ''}", f"--dbname={to.dbname}"]
    made = Made(version=version_of(program))
    with _counting(connection, facts) as counter:
        if job.vault.jobs > 1 and job.vault.recipients is None and draft.folder is not None:
            _into_folder(job, draft.folder / FOLDER, draft, (command, to), made)
        else:
            _through_pipe(job, draft, (command, to), made, counter)
    made.rows = counter.rows()
    return made


Call = tuple[list[str | Path], Way]


def _through_pipe(job: Taking, draft: Draft, call: Call, made: Made, counter: _Counter) -> None:
    recipients, (command, to) = job.vault.recipients, call
    draft.start(SEALED if recipients else NAME)
    with running([*command, "--format=custom"], to.environ, inherit=draft.lock) as child:
        source = _Hashed(child, made, job.report, counter)
        if recipients:
            recipients.seal(source, draft.write)
        else:
            while piece := source.read(_READ_BYTES):
                draft.write(piece)
        child.finish()
    made.files = draft.stop()


def _into_folder(job: Taking, place: Path, draft: Draft, call: Call, made: Made) -> None:
    command, to = call
    options = ["--format=directory", f"--jobs={job.vault.jobs}", f"--file={place}"]
    job.report(Progress(doing="dumping"))
    with running([*command, *options], to.environ, inherit=draft.lock) as child:
        child.out.read()
        child.finish()
    made.form, made.files = Form.DIRECTORY, draft.adopt()
    for file in made.files:  # of a folder: the digests of its files, in their order
        made.digest.update(bytes.fromhex(file.sha256))
        made.bytes += file.bytes


class _Hashed:
    """What pg_dump writes, hashed while it is read. Where the rows cannot be counted, it is given up."""

    def __init__(self, child: Child, made: Made, report: Report, counter: _Counter) -> None:
        self._child, self._made, self._report, self._counter, self._told = child, made, report, counter, 0

    def read(self, size: int, /) -> bytes:
        piece = self._child.out.read(size)
        self._made.digest.update(piece)
        self._made.bytes += len(piece)
        if self._made.bytes - self._told >= _TELL_EVERY_BYTES:
            self._told = self._made.bytes
            self._report(Progress(doing="dumping", done=self._told, total=self._counter.facts.table_bytes))
            self._counter.check()
        return piece


@contextmanager
def _counting(connection: Connection, facts: Facts) -> Iterator[_Counter]:
    """Count rows while the block runs. Where the block fails, the counting is called off, if it did not fail first."""
    counter = _Counter(connection, facts)
    counter.start()
    try:
        yield counter
    except BaseException as error:
        if isinstance(error, Exception):
            counter.check()  # where the counting failed first: the snapshot went with its transaction
        counter.call_off()
        raise
    counter.join()


class _Counter(threading.Thread):
    """The session that lent its snapshot has nothing else to do."""

    def __init__(self, connection: Connection, facts: Facts) -> None:
        super().__init__(name="count rows", daemon=True)
        self._connection, self.facts = connection, facts
        self._rows: Rows = ()
        self._error: BaseException | None = None
        self._called_off = False

    def run(self) -> None:
        try:
            tables = takewhile(lambda _: not self._called_off, self.facts.tables)
            self._rows = of_source.count(self._connection, tables)
        except BaseException as error:  # raised where the rows are asked for
            self._error = error

    def check(self) -> None:
        """Raise what has stopped the counting."""
        if self._error is not None:
            raise self._error

    def call_off(self) -> None:
        """Stop the counting. Where the server does not answer, it ends with the connection."""
        self._called_off = True
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=5)
        self.join(_PATIENCE_S)

    def rows(self) -> Rows:
        self.check()
        return self._rows
