"""Base backups: renewed before a replay gets long, removed when they are too old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

from dbtasks import wal
from dbtasks.base_backups import BaseBackup
from dbtasks.database import Connection
from dbtasks.errors import RecoveryFailedError
from dbtasks.recovery.engines import Engine
from dbtasks.recovery.source import Source

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


def wants_base(engine: Engine, connection: Connection) -> str | None:
    """Return why a base backup should be taken before the next mark; `None` where the newest one will do."""
    identifier, timeline, here = _where(connection)
    kept = [each for each in engine.bases.kept() if each.origin.system_identifier == identifier]
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
    taken = [each.taken_at for each in engine.bases.kept() if each.origin.system_identifier == identifier]
    age = (now or datetime.now(UTC)) - max(taken) if taken else timedelta(0)
    return f"the newest one is {age.days} days old" if age > renew else None


def take_base(engine: Engine, source: Source, report: Callable[[str], None]) -> BaseBackup:
    """Take a base backup; RecoveryFailedError says why not."""
    return engine.bases.take(source, report)


def prune(engine: Engine, system_identifier: int, keep: timedelta, *, now: datetime | None = None) -> tuple[str, ...]:
    """Remove base backups, and segments, that no recovery to a time within `keep` needs; return the former's ids.

    The newest base backup older than that stays, since recoveries to the first moments of the span begin from it.
    """
    gone, first = engine.bases.prune(system_identifier, (now or datetime.now(UTC)) - keep)
    if first is not None:
        engine.forget(first)
    return gone


def _where(connection: Connection) -> tuple[int, int, int]:
    row = connection.execute(_WHERE).fetchone()
    identifier, timeline, here = row or (0, 0, "0/0")
    return cast(int, identifier), cast(int, timeline), wal.position(str(here))


_WHERE = """
SELECT s.system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
       pg_current_wal_lsn()::text
  FROM pg_control_system() s
"""
