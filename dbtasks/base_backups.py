"""Copies of whole data directories from which a recovery begins: one folder each, with a tar file and what it is.

A folder has its name only once it is whole; `.partial` is what was being made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from dbtasks.errors import DbtasksError
from dbtasks.values import dataclass

TAR, FACTS, PARTIAL = "base.tar", "base.json", ".partial"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a copy comes from. Replay begins at `begin`, and the copy is consistent from `end` on.

    `settings` are those that a server on the copy must not fall below; `superuser` is the one who made the server.
    """

    system_identifier: int
    timeline: int
    begin: int
    end: int
    segment_bytes: int
    major: int
    superuser: str
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBackup:
    """One copy. `size_bytes` and `sha256` are those of its tar file."""

    id: str
    folder: Path
    origin: Origin
    taken_at: datetime
    size_bytes: int
    sha256: str

    @property
    def tar(self) -> Path:
        return self.folder / TAR


class Hashed:
    """A file to write to that knows the size and the sha256 of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size_bytes, self._digest = file, 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.size_bytes += len(data)
        return self.file.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextlib.contextmanager
def being_made(shelf: Path) -> Iterator[tuple[Path, Hashed]]:
    """Yield the folder of a copy to be made and its tar file to write to; `finish` gives it its name.

    Nothing is left where that did not come. The folder is the user's own.
    """
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = shelf / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}{PARTIAL}"
    folder.mkdir(mode=0o700)
    try:
        with (folder / TAR).open("xb") as file:
            yield folder, Hashed(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def finish(folder: Path, written: Hashed, origin: Origin) -> BaseBackup:
    """Note what the copy is, see it on the disk, and give it its name."""
    written.file.flush()
    os.fsync(written.file.fileno())
    final = folder.with_name(folder.name.removesuffix(PARTIAL))
    made = BaseBackup(
        id=final.name,
        folder=final,
        origin=origin,
        taken_at=datetime.now(UTC),
        size_bytes=written.size_bytes,
        sha256=written.sha256,
    )
    with (folder / FACTS).open("x", encoding="utf-8") as file:
        json.dump(_as_data(made), file)
        file.flush()
        os.fsync(file.fileno())
    folder.rename(final)
    return made


def kept(shelf: Path) -> tuple[BaseBackup, ...]:
    """Return the copies on a shelf, oldest first. DbtasksError names one whose note cannot be read."""
    found = shelf.glob(f"*/{FACTS}") if shelf.is_dir() else []
    read = (_read(facts) for facts in found if not facts.parent.name.endswith(PARTIAL))
    return tuple(sorted(read, key=lambda each: each.taken_at))


def remove(backup: BaseBackup) -> None:
    """Remove a copy; what is killed meanwhile is swept."""
    gone = backup.folder.with_name(f"{backup.folder.name}{PARTIAL}")
    backup.folder.rename(gone)
    shutil.rmtree(gone)


def sweep(shelf: Path) -> None:
    """Remove what killed runs left on a shelf. Only for whoever knows that none is at work."""
    for left in shelf.glob(f"*{PARTIAL}"):
        shutil.rmtree(left, ignore_errors=True)


def _as_data(backup: BaseBackup) -> dict[str, object]:
    origin = backup.origin
    return {
        "version": 1,
        "system_identifier": str(origin.system_identifier),
        "timeline": origin.timeline,
        "begin": origin.begin,
        "end": origin.end,
        "segment_bytes": origin.segment_bytes,
        "major": origin.major,
        "superuser": origin.superuser,
        "settings": dict(origin.settings),
        "taken_at": backup.taken_at.isoformat(),
        "size_bytes": backup.size_bytes,
        "sha256": backup.sha256,
    }


def _read(facts: Path) -> BaseBackup:
    try:
        data: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
        if data["version"] != 1:
            raise ValueError(f"version {data['version']}")
        origin = Origin(
            system_identifier=int(data["system_identifier"]),
            timeline=int(data["timeline"]),
            begin=int(data["begin"]),
            end=int(data["end"]),
            segment_bytes=int(data["segment_bytes"]),
            major=int(data["major"]),
            superuser=str(data["superuser"]),
            settings=tuple((str(name), str(value)) for name, value in data["settings"].items()),
        )
        return BaseBackup(
            id=facts.parent.name,
            folder=facts.parent,
            origin=origin,
            taken_at=datetime.fromisoformat(data["taken_at"]),
            size_bytes=int(data["size_bytes"]),
            sha256=str(data["sha256"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DbtasksError(
            f"The note of a base backup cannot be read: {facts} ({error}). Remove its folder."
        ) from error
