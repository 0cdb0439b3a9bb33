"""Base backups: taken while the server goes on, renewed before a replay gets long, removed when they are too old."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast

import psycopg

from dbtasks import base_backups, wal
from dbtasks.base_backups import TAR, BaseBackup, Hashed, Origin
from dbtasks.database import Connection
from dbtasks.embedded import locks
from dbtasks.errors import RecoveryFailedError
from dbtasks.masking import mask
from dbtasks.programs import child_environment, find_client
from dbtasks.recovery.engines import Engine
from dbtasks.recovery.source import Source

_PATIENCE_S = 3600.0
_COPY_BYTES, _ROOM_BYTES = 1 << 20, 64 << 20
# A replay of this much takes some ten seconds; a copy of the server may be as large without being a nuisance.
_LONG_REPLAY_BYTES = 512 << 20


def make_ready(
    engine: Engine,
    source: Source,
    keep: timedelta,
    report: Callable[[str], None] = lambda _line: None,
    renew: timedelta | None = None,
) -> None:
    """See to it that the next mark can be proven: the log goes where it should, and a base backup is recent enough.

    Takes another where the newest is older than `renew`, and removes what is older than `keep`. RecoveryFailedError
    says what stands in the way.
    """
    obstacles = engine.obstacles(source.connection)
    if obstacles:
        raise RecoveryFailedError(f"The server cannot be recovered: {'; '.join(obstacles)}.")
    engine.begin(source, report)
    why = wants_base(engine, source.connection)
    if why is None and renew is not None:
        why = is_old(engine, source.connection, renew)
    if why is None:
        return
    report(f"a base backup is due: {why}")
    made = take_base(engine, source, report)
    prune(engine, made.origin.system_identifier, keep)


def settings_of(connection: Connection) -> dict[str, str]:
    """Return the settings that a server on a copy of this one must not fall below, and the libraries it needs."""
    return {str(name): str(value) for name, value in connection.execute(_SETTINGS).fetchall() if value}


def wants_base(engine: Engine, connection: Connection) -> str | None:
    """Return why a base backup should be taken before the next mark; `None` where the newest one will do."""
    identifier, timeline, here = _where(connection)
    kept = [each for each in base_backups.kept(engine.shelf) if each.origin.system_identifier == identifier]
    fitting = [each for each in kept if each.origin.timeline == timeline]
    if not fitting:
        return "there is none of this server's timeline" if kept else "there is none of this server"
    newest = max(fitting, key=lambda each: each.origin.end)
    there = engine.names()
    if there is not None:
        # What is not archived yet is no gap: only what lies before something that is.
        known = [name for name in there if name[:8] == f"{timeline:08X}"]
        size = newest.origin.segment_bytes
        needed = wal.segments(timeline, newest.origin.begin, max(newest.origin.begin + 1, here), size)
        gaps = [name for name in needed if name not in there and known and name < max(known)]
        if gaps:
            return f"the archive lacks {gaps[0]}, which the newest one needs"
    if here - newest.origin.end > max(_LONG_REPLAY_BYTES, 2 * newest.size_bytes):
        return f"{(here - newest.origin.end) >> 20} MB were written since the newest one"
    return None


def is_old(engine: Engine, connection: Connection, renew: timedelta, *, now: datetime | None = None) -> str | None:
    """Return that the newest base backup is older than `renew`; `None` where it is not, or where there is none."""
    identifier, _, _ = _where(connection)
    taken = [each.taken_at for each in base_backups.kept(engine.shelf) if each.origin.system_identifier == identifier]
    age = (now or datetime.now(UTC)) - max(taken) if taken else timedelta(0)
    return f"the newest one is {age.days} days old" if age > renew else None


def take_base(engine: Engine, source: Source, report: Callable[[str], None]) -> BaseBackup:
    """Take a base backup with `pg_basebackup`, in one pass over its bytes; RecoveryFailedError says why not."""
    identifier, _, _ = _where(source.connection)
    engine.shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _told(), locks.held(engine.shelf / "lock", _PATIENCE_S):
        base_backups.sweep(engine.shelf)
        _check_room(source.connection, engine.shelf)
        with base_backups.being_made(engine.shelf) as (folder, written):
            report("taking a base backup")
            _stream(source, written)
            written.file.flush()
            begin, end, timeline = _span(folder / TAR)
            origin = Origin(
                system_identifier=identifier,
                timeline=timeline,
                begin=begin,
                end=end,
                segment_bytes=_number(source.connection, "SELECT pg_size_bytes(current_setting('wal_segment_size'))"),
                major=source.major,
                superuser=_text(source.connection, "SELECT rolname FROM pg_roles WHERE oid = 10"),
                settings=tuple(settings_of(source.connection).items()),
            )
            made = base_backups.finish(folder, written, origin)
    report(f"took the base backup {made.id} ({made.size_bytes >> 20} MB)")
    return made


def prune(engine: Engine, system_identifier: int, keep: timedelta, *, now: datetime | None = None) -> tuple[str, ...]:
    """Remove base backups, and segments, that no recovery to a time within `keep` needs; return the former's ids.

    The newest base backup older than that stays, since recoveries to the first moments of the span begin from it.
    """
    since = (now or datetime.now(UTC)) - keep
    with locks.held(engine.shelf / "lock", _PATIENCE_S):
        every = base_backups.kept(engine.shelf)
        own = sorted((b for b in every if b.origin.system_identifier == system_identifier), key=lambda b: b.taken_at)
        older = [each for each in own if each.taken_at <= since]
        gone = older[:-1]
        for each in gone:
            base_backups.remove(each)
        left = [each for each in own if each not in gone]
        if left:
            first = min(left, key=lambda each: each.origin.begin).origin
            names = wal.segments(first.timeline, first.begin, first.begin + 1, first.segment_bytes)
            engine.forget(names[0])
    return tuple(each.id for each in gone)


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


def _where(connection: Connection) -> tuple[int, int, int]:
    row = connection.execute(_WHERE).fetchone()
    identifier, timeline, here = row or (0, 0, "0/0")
    return cast(int, identifier), cast(int, timeline), wal.position(str(here))


def _number(connection: Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return cast(int, row[0]) if row else 0


def _text(connection: Connection, query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""


_SETTINGS = """
SELECT name, setting FROM pg_settings
 WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions',
                'max_locks_per_transaction', 'shared_preload_libraries')
"""
_WHERE = """
SELECT s.system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
       pg_current_wal_lsn()::text
  FROM pg_control_system() s
"""
