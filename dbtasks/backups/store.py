"""Where backups lie: what a place must be able to do. A folder in `local`, an object store in `remote`.

A backup is written under a name that nobody takes for one, and gets its own at the end: whatever is killed, there is a
whole backup or none. Nothing that is there is ever overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from dbtasks.backups.manifest import File

MANIFEST, CHECKED = "manifest.json", "checked-"
PIECE_BYTES = 1 << 20


class Draft(Protocol):
    """A backup that is being written. Nobody else sees it before `finish`."""

    @property
    def folder(self) -> Path | None:
        """Where another program may write files of it; `None` where there is no file system."""
        ...

    @property
    def lock(self) -> tuple[int, ...]:
        """Descriptors for such a program to inherit: nothing is swept while it lives."""
        ...

    def start(self, name: str) -> None:
        """Begin the next stored file."""
        ...

    def write(self, data: bytes | memoryview) -> None: ...

    def stop(self) -> tuple[File, ...]:
        """End it, durably, and return what it became: one file, or several pieces."""
        ...

    def adopt(self) -> tuple[File, ...]:
        """Return the files that another program wrote into `folder`, durable and hashed."""
        ...

    def finish(self, manifest: bytes) -> None:
        """Make it a backup."""
        ...

    def abandon(self) -> None:
        """Leave nothing of it that the next run would not sweep."""
        ...


class Store(Protocol):
    """A place for backups, each by its id."""

    @property
    def shown(self) -> str:
        """What people know it as."""
        ...

    def free_bytes(self) -> int | None:
        """Return how much fits; `None` where nobody knows."""
        ...

    def begin(self, id_: str) -> Draft: ...

    def ids(self) -> tuple[str, ...]:
        """Return those of whole backups, the oldest first."""
        ...

    def small(self, id_: str, name: str) -> bytes:
        """Return a small file. DamagedBackupError where it is not there."""
        ...

    def read(self, id_: str, name: str) -> Iterator[bytes]:
        """Yield a file in pieces. DamagedBackupError where it is not there."""
        ...

    def folder(self, id_: str, /) -> Path | None:
        """Return where its files lie; `None` where there is no file system."""
        ...

    def verdicts(self, id_: str) -> tuple[bytes, ...]: ...

    def add(self, id_: str, name: str, data: bytes) -> None:
        """Add a small file to a whole backup; BackupError where one of that name is there."""
        ...

    def remove(self, id_: str) -> None: ...

    def sweep(self) -> tuple[str, ...]:
        """Remove what killed runs left, and return the ids. What is still being written stays."""
        ...
