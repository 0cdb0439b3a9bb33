"""A shelf: a folder of base backups of ours, each taken by `pg_basebackup` while the server goes on."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, cast

import psycopg

from dbtasks import base_backups, wal
from dbtasks.base_backups import TAR, BaseBackup, Hashed, Origin
from dbtasks.database import Connection
from dbtasks.embedded import locks
from dbtasks.embedded.account import Account
from dbtasks.errors import RecoveryFailedError
from dbtasks.masking import mask
from dbtasks.programs import child_environment, find_client
from dbtasks.recovery import unpacking
from dbtasks.recovery.source import Source, identifier_of, settings_of, superuser_of
from dbtasks.values import dataclass

_PATIENCE_S = 3600.0
_COPY_BYTES, _ROOM_BYTES = 1 << 20, 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The folder, which need not exist yet."""

    folder: Path

    @property
    def shown(self) -> str:
        return str(self.folder)

    def kept(self) -> tuple[BaseBackup, ...]:
        return base_backups.kept(self.folder)

    def take(self, source: Source, report: Callable[[str], None]) -> BaseBackup:
        """Take one in one pass over its bytes; RecoveryFailedError says why not."""
        identifier = identifier_of(source.connection)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _told(), locks.held(self.folder / "lock", _PATIENCE_S):
            base_backups.sweep(self.folder)
            _check_room(source.connection, self.folder)
            with base_backups.being_made(self.folder) as (folder, written):
                report("taking a base backup")
                _stream(source, written)
                written.file.flush()
                begin, end, timeline = _span(folder / TAR)
                origin = Origin(
                    system_identifier=identifier,
                    timeline=timeline,
                    begin=begin,
                    end=end,
                    segment_bytes=_number(source.connection, _SEGMENT),
                    major=source.major,
                    superuser=superuser_of(source.connection),
                    settings=tuple(settings_of(source.connection).items()),
                )
                made = base_backups.finish(folder, written, origin)
        report(f"took the base backup {made.id} ({made.size_bytes >> 20} MB)")
        return made

    def lay_out(self, base: BaseBackup, data: Path, account: Account, inherit: tuple[int, ...]) -> None:  # noqa: ARG002 - no program does it
        unpacking.unpack(base, data, account)

    def prune(self, system_identifier: int, since: datetime) -> tuple[tuple[str, ...], str | None]:
        with locks.held(self.folder / "lock", _PATIENCE_S):
            own = [each for each in self.kept() if each.origin.system_identifier == system_identifier]
            gone = [each for each in own if each.taken_at <= since][:-1]
            for each in gone:
                base_backups.remove(each)
        left = [each.origin for each in own if each not in gone]
        first = min(left, key=lambda each: each.begin, default=None)
        names = wal.segments(first.timeline, first.begin, first.begin + 1, first.segment_bytes) if first else (None,)
        return tuple(each.id for each in gone), names[0]


@contextmanager
def _told() -> Iterator[None]:
    """What the system refuses, as a sentence."""
    try:
        yield
    except OSError as error:
        raise RecoveryFailedError(f"No base backup could be kept: {error}. Nothing is left of it.") from error


def _check_room(connection: Connection, shelf: Path) -> None:
    try:
        needed = _number(connection, "SELECT sum(pg_database_size(oid))::bigint FROM pg_database")
    except psycopg.errors.InsufficientPrivilege:
        return  # a role that may not know; then the disk itself says so
    free = shutil.disk_usage(shelf).free
    if free < needed + _ROOM_BYTES:
        raise RecoveryFailedError(
            f"The disk that holds {shelf} has {free >> 20} MB left, and a base backup takes {needed >> 20} MB. "
            "Free that much, or name another folder: recovery.base."
        )


def _stream(source: Source, written: Hashed) -> None:
    where, secret = source.way()
    how = ["--format=tar", "--pgdata=-", "--wal-method=none", "--checkpoint=fast", "--no-password", "--label=dbtasks"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(find_client("pg_basebackup", source.major)), *how, f"--dbname={where}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**child_environment(), **secret},
        )
        try:
            _copy(cast("IO[bytes]", process.stdout), written)
            code = process.wait()
        finally:
            process.kill()
            process.communicate()
        if code != 0:
            said.seek(0)
            text = mask(said.read().decode(errors="replace")).strip()
            raise RecoveryFailedError(f"No base backup could be taken.\n  {text}\n  {_ADVICE}")


_ADVICE = (
    "It needs a role with REPLICATION, wal_level replica, a free max_wal_senders, a replication line in pg_hba.conf, "
    "and no tablespace outside of the data directory."
)


def _copy(pipe: IO[bytes], written: Hashed) -> None:
    while data := pipe.read(_COPY_BYTES):
        written.write(data)


def _span(tar: Path) -> tuple[int, int, int]:
    """Return where a copy's replay begins, from where on it is consistent, and its timeline, by its own manifest."""
    try:
        with tarfile.open(tar) as packed:
            manifest = packed.extractfile("backup_manifest") or io.BytesIO()
            (span,) = json.load(manifest)["WAL-Ranges"]
        return wal.position(span["Start-LSN"]), wal.position(span["End-LSN"]), int(span["Timeline"])
    except (KeyError, ValueError, tarfile.TarError, OSError) as error:
        raise RecoveryFailedError(f"What pg_basebackup wrote has no manifest that can be read: {error}.") from error


def _number(connection: Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return cast(int, row[0]) if row else 0


_SEGMENT = "SELECT pg_size_bytes(current_setting('wal_segment_size'))"
