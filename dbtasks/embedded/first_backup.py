"""The durable server's first base backup: its data directory as initdb left it, so that nobody ever waits for one.

Nothing runs on it yet, so its files can be copied as they are; the write-ahead log since then is in the archive.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tarfile
import time
from pathlib import Path
from typing import IO, cast

from dbtasks import base_backups
from dbtasks.base_backups import Hashed, Origin
from dbtasks.embedded.cluster import PATIENCE_S, Cluster
from dbtasks.embedded.state import USER
from dbtasks.wal import position

SHELF, ARCHIVE = "base", "archive"

# What the server writes anew, or takes from the archive.
_LEFT_OUT = re.compile(r"\./(pg_wal/[^/]+|postmaster\..*)")
_KEPT_FOLDERS = ("./pg_wal/archive_status", "./pg_wal/summaries")
_SETTINGS = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}


def keep_first(cluster: Cluster, data: Path) -> None:
    """Copy a data directory that no server has ever used. Where that fails, one is taken when it is needed."""
    with contextlib.suppress(OSError, KeyError, ValueError):
        code, told = cluster.run("pg_controldata", "-D", str(data), timeout_s=PATIENCE_S)
        if code != 0:
            return
        said = dict(_pair(line) for line in told.splitlines() if ":" in line)
        with base_backups.being_made(cluster.place / SHELF) as (folder, written):
            _pack(data, written)
            base_backups.finish(folder, written, _origin(said, cluster.programs.major))


def put_aside(place: Path) -> None:
    """Put aside what belongs to an earlier data directory: segments of both would bear the same names."""
    shelf, archive = place / SHELF, place / ARCHIVE
    if archive.is_dir() and any(archive.iterdir()):
        then = time.time_ns()
        archive.rename(place / f"{ARCHIVE}.{then}")
        if shelf.is_dir():
            shelf.rename(place / f"{SHELF}.{then}")
    elif shelf.is_dir():  # of an installation that was interrupted
        shutil.rmtree(shelf)


def _origin(said: dict[str, str], major: int) -> Origin:
    return Origin(
        system_identifier=int(said["Database system identifier"]),
        timeline=int(said["Latest checkpoint's TimeLineID"]),
        begin=position(said["Latest checkpoint's REDO location"]),
        end=position(said["Latest checkpoint location"]),
        segment_bytes=int(said["Bytes per WAL segment"]),
        major=major,
        superuser=USER,
        settings=tuple((name, said[label]) for name, label in _SETTINGS.items()),
    )


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _pack(data: Path, written: Hashed) -> None:
    file = cast("IO[bytes]", written)  # it is written to, and that is all
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(data, arcname=".", filter=_wanted)


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = member.name if member.name.startswith(".") else f"./{member.name}"
    return None if _LEFT_OUT.fullmatch(name) and name not in _KEPT_FOLDERS else member
