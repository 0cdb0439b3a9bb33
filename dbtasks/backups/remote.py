"""Backups in an object store: S3, Google Cloud Storage, Azure, and whatever speaks as they do.

Every object is created and never replaced. A backup begins with a claim on its id, goes up in pieces, so that it needs
no file here and no more memory than a piece, and is one when its manifest is there, which comes last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbtasks.backups.manifest import ID, MOST_BYTES, File
from dbtasks.backups.store import CHECKED, MANIFEST
from dbtasks.conninfo import mask
from dbtasks.errors import BackupError, DamagedBackupError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PIECE_BYTES = 32 << 20
CLAIM = "claim"
# Younger ones may still be written, by another machine: nobody can tell.
_LEFT_AFTER = timedelta(days=2)


def from_url(url: str) -> Remote:
    """Return the store behind s3://, gs:// or az://. Its keys come from the provider's own variables and files."""
    with _telling(url):
        return Remote(_obstore().store.from_url(url), url)


class Remote:
    """An object store, below the folder that its URL names."""

    def __init__(self, store: ObjectStore, shown: str) -> None:
        self._store, self._shown = store, shown

    @property
    def shown(self) -> str:
        return self._shown

    def free_bytes(self) -> int | None:
        return None

    def begin(self, id_: str) -> RemoteDraft:
        return RemoteDraft(self, id_)

    def ids(self) -> tuple[str, ...]:
        return tuple(sorted(id_ for id_, objects in self._objects().items() if MANIFEST in objects))

    def small(self, id_: str, name: str) -> bytes:
        data = b"".join(self._pieces(id_, name, MOST_BYTES))
        return data[:MOST_BYTES]

    def read(self, id_: str, name: str) -> Iterator[bytes]:
        yield from self._pieces(id_, name, None)

    def folder(self, _id: str, /) -> Path | None:
        return None

    def verdicts(self, id_: str) -> tuple[bytes, ...]:
        names = sorted(name for name in self._objects(f"{id_}/").get(id_, {}) if name.startswith(CHECKED))
        return tuple(self.small(id_, name) for name in names)

    def add(self, id_: str, name: str, data: bytes) -> None:
        """Create an object. BackupError where it is there already."""
        obstore = _obstore()
        with _telling(self.shown):
            try:
                obstore.put(self._store, f"{id_}/{name}", data, mode="create", use_multipart=False)
            except obstore.exceptions.AlreadyExistsError:
                raise BackupError(f"{self.shown}/{id_}/{name} is there already, and nothing is overwritten.") from None

    def remove(self, id_: str) -> None:
        self._delete(id_, self._objects(f"{id_}/").get(id_, {}))

    def sweep(self) -> tuple[str, ...]:
        now, swept = datetime.now(UTC), []
        for id_, objects in self._objects().items():
            if MANIFEST not in objects and now - max(objects.values()) > _LEFT_AFTER:
                with suppress(BackupError):  # whoever may only add to the store sweeps nothing
                    self._delete(id_, objects)
                    swept.append(id_)
        return tuple(swept)

    def _delete(self, id_: str, objects: dict[str, datetime]) -> None:
        with _telling(self.shown):
            # Without its manifest it is no backup any more, whatever happens next.
            for name in sorted(objects, key=lambda name: name != MANIFEST):
                _obstore().delete(self._store, f"{id_}/{name}")

    def _objects(self, prefix: str = "") -> dict[str, dict[str, datetime]]:
        """Return when each object was made, by its name, by the id that it belongs to."""
        found: dict[str, dict[str, datetime]] = {}
        with _telling(self.shown):
            for batch in _obstore().list(self._store, prefix=prefix or None):
                for each in batch:
                    id_, _, name = str(each["path"]).rpartition("/")
                    if ID.fullmatch(id_):
                        found.setdefault(id_, {})[name] = each["last_modified"]
        return found

    def _pieces(self, id_: str, name: str, most: int | None) -> Iterator[bytes]:
        obstore = _obstore()
        with _telling(self.shown):
            try:
                answer = obstore.get(self._store, f"{id_}/{name}")
            except (FileNotFoundError, obstore.exceptions.NotFoundError):
                raise DamagedBackupError(id_, f"{name} is missing") from None
            if most is not None and answer.meta["size"] > most:
                raise DamagedBackupError(id_, f"{name} is too large")
            for piece in answer.stream():
                yield bytes(piece)


class RemoteDraft:
    """Pieces that are there and belong to no backup yet."""

    def __init__(self, remote: Remote, id_: str) -> None:
        self._remote, self._id = remote, id_
        self._name, self._number, self._piece = "", 0, bytearray()
        self._files: list[File] = []
        remote.add(id_, CLAIM, b"")

    @property
    def folder(self) -> Path | None:
        return None

    @property
    def lock(self) -> tuple[int, ...]:
        return ()

    def start(self, name: str) -> None:
        self._name, self._number, self._files = name, 0, []
        self._piece.clear()

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            room = PIECE_BYTES - len(self._piece)
            self._piece += rest[:room]
            rest = rest[room:]
            if len(self._piece) == PIECE_BYTES:
                self._send()

    def stop(self) -> tuple[File, ...]:
        if self._piece or not self._files:
            self._send()
        return tuple(self._files)

    def adopt(self) -> tuple[File, ...]:
        raise TypeError("an object store has no folder")

    def finish(self, manifest: bytes) -> None:
        self._remote.add(self._id, MANIFEST, manifest)

    def abandon(self) -> None:
        with suppress(BackupError):  # else the sweep of a later day does
            self._remote.remove(self._id)

    def _send(self) -> None:
        data, name = bytes(self._piece), f"{self._name}.{self._number:05}"
        self._piece.clear()
        self._remote.add(self._id, name, data)
        self._files.append(File(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)))
        self._number += 1


@contextmanager
def _telling(shown: str) -> Iterator[None]:
    """Turn what an object store says into a sentence."""
    obstore = _obstore()
    try:
        yield
    except (obstore.exceptions.BaseError, OSError) as error:
        raise BackupError(f"{shown}: {mask(_first_line(error))}") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _obstore() -> Any:
    try:
        import obstore  # late: whoever keeps backups here needs it not
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise BackupError('Backups in a bucket need one more package: pip install "dbtasks[remote]"') from None
    return obstore
