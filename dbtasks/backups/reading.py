"""A stored artefact, read back: every byte compared with the manifest on the way, and opened where it is sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from dbtasks.backups.manifest import Manifest
from dbtasks.backups.progress import Progress, Report
from dbtasks.backups.store import Store
from dbtasks.backups.vault import Vault
from dbtasks.errors import BackupError, DamagedBackupError

_TELL_EVERY_BYTES = 1 << 24


def checked(store: Store, manifest: Manifest, report: Report, doing: str) -> Iterator[bytes]:
    """Yield the stored bytes, file by file. DamagedBackupError at the end of the first that is not what it was."""
    done, told = 0, 0
    for file in manifest.files:
        digest, size = hashlib.sha256(), 0
        for piece in store.read(manifest.id, file.name):
            digest.update(piece)
            size += len(piece)
            done += len(piece)
            if size > file.bytes:
                break
            if done - told >= _TELL_EVERY_BYTES:
                told = done
                report(Progress(doing=doing, done=done, total=manifest.stored_bytes))
            yield piece
        if size != file.bytes:
            longer = "longer" if size > file.bytes else "shorter"
            raise DamagedBackupError(manifest.id, f"{file.name} is {longer} than the {file.bytes:,} bytes it had")
        if digest.hexdigest() != file.sha256:
            raise DamagedBackupError(manifest.id, f"{file.name} is not what was written: its sha256 is another one")


def check_files(store: Store, manifest: Manifest, report: Report) -> None:
    """Return when every stored byte is what was written."""
    for _ in checked(store, manifest, report, "comparing"):
        pass


def deliver(vault: Vault, manifest: Manifest, take: Callable[[bytes], object], report: Report, doing: str) -> None:
    """Hand over the artefact as it was before it was sealed, piece by piece.

    DamagedBackupError where it is not what it was; by then it has been handed over in part or as a whole.
    """
    whole = hashlib.sha256()

    def on(piece: bytes) -> None:
        whole.update(piece)
        take(piece)

    pieces = checked(vault.store, manifest, report, doing)
    if manifest.sealed_to:
        _open(vault, manifest, pieces, on)
    else:
        for piece in pieces:
            on(piece)
    if whole.hexdigest() != manifest.sha256:
        raise DamagedBackupError(manifest.id, "what was sealed in it is not what was dumped: its sha256 is another one")


def _open(vault: Vault, manifest: Manifest, pieces: Iterator[bytes], on: Callable[[bytes], object]) -> None:
    if vault.identities is None:
        keys = ", ".join(manifest.sealed_to)
        raise BackupError(
            f"The backup {manifest.id} is sealed, and no private key is at hand. It was sealed to {keys}. Set the "
            "variable that backups.identity names to the path of one of these keys."
        )
    source = _Joined(pieces)
    try:
        vault.identities.open(source, on)
    except DamagedBackupError:
        raise
    except BackupError as error:
        for _ in pieces:  # a damaged byte breaks the seal, too, and says more
            pass
        raise BackupError(f"The backup {manifest.id} was sealed to {', '.join(manifest.sealed_to)}. {error}") from None
    for _ in pieces:
        raise DamagedBackupError(manifest.id, "there is more in it than was sealed")


class _Joined:
    """Pieces as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int, /) -> bytes:
        return next(self._pieces, b"")
