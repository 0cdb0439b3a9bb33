"""A base backup unpacked into a data directory, hashed as it is read."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from dbtasks.base_backups import BaseBackup
from dbtasks.embedded.account import Account
from dbtasks.errors import RecoveryFailedError

_COPY_BYTES = 1 << 20
_ROOM_BYTES = 256 << 20
# Of the live server; the recovered one has its own.
_LEFT_OUT = frozenset({"backup_manifest", "postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal"})


class DamagedBaseError(RecoveryFailedError):
    """A base backup is not any more what was made."""


class _Hashing:
    """A file that is read once, and hashed by the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def check_room(base: BaseBackup, place: Path) -> None:
    """RecoveryFailedError where the disk is too full for a copy and what it grows by."""
    free, needed = shutil.disk_usage(place).free, base.size_bytes + _ROOM_BYTES
    if free < needed:
        raise RecoveryFailedError(
            f"The disk that holds {place} has {free >> 20} MB left, and the recovered server needs {needed >> 20} MB. "
            "Free that much, then run this again."
        )


def unpack(base: BaseBackup, data: Path, account: Account) -> None:
    """Unpack into a folder that does not exist yet. RecoveryFailedError where the tar file is not what was made."""
    data.mkdir(0o700)
    try:
        with base.tar.open("rb") as file:
            reading = _Hashing(file)
            with tarfile.open(fileobj=reading, mode="r|", bufsize=_COPY_BYTES) as tar:  # type: ignore[call-overload] # it reads, and that is all
                for member in tar:
                    _place(tar, member, data)
            while reading.read(_COPY_BYTES):
                pass
    except (tarfile.TarError, EOFError, FileNotFoundError) as error:
        raise _damaged(base, str(error)) from error
    if reading.digest.hexdigest() != base.sha256:
        raise _damaged(base, "its sha256 is not the one that was noted")
    for folder, folders, files in os.walk(data):
        for name in (*folders, *files):
            account.own(Path(folder) / name)
    account.own(data)


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, data: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise tarfile.TarError(f"it holds the path {member.name}")
    if str(name) in _LEFT_OUT:
        return
    target = data / name
    if member.isdir():
        target.mkdir(0o700, parents=True, exist_ok=True)
        return
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise tarfile.TarError(f"{member.name} is no file")
    target.parent.mkdir(0o700, parents=True, exist_ok=True)
    with content, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - of a descriptor
        shutil.copyfileobj(content, file, _COPY_BYTES)


def _damaged(base: BaseBackup, why: str) -> DamagedBaseError:
    return DamagedBaseError(f"The base backup {base.id} is damaged: {why}. Remove {base.folder}, and take another one.")
