"""A folder of backups on this machine, each a folder of its own that nobody else can enter."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbtasks.backups.manifest import ID, MOST_BYTES, File
from dbtasks.backups.store import CHECKED, MANIFEST, PIECE_BYTES
from dbtasks.embedded import locks
from dbtasks.errors import BackupError, DamagedBackupError

PARTIAL, GONE, LOCK = ".partial", ".gone", ".lock"
_OTHERS_WRITE = 0o022


class Local:
    """A folder, closed to everybody else. `root` is made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def shown(self) -> str:
        return str(self.root)

    def free_bytes(self) -> int | None:
        there = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        return shutil.disk_usage(there).free

    def begin(self, id_: str) -> LocalDraft:
        with _telling(self.shown):
            made = not self.root.exists()
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if made:
                self.root.chmod(0o700)
                _write_whole(self.root / ".gitignore", b"*\n")  # rows of a tier are in no repository
            elif sys.platform != "win32" and self.root.stat().st_mode & _OTHERS_WRITE:
                raise BackupError(
                    f"Others can write to {self.root}, and so change backups. Run: chmod go-w {self.root}"
                )
            if (self.root / id_).exists():
                raise BackupError(f"{self.root / id_} is there already, and nothing is overwritten.")
            return LocalDraft(self.root, id_)

    def ids(self) -> tuple[str, ...]:
        if not self.root.is_dir():
            return ()
        return tuple(sorted(each.name for each in self.root.iterdir() if ID.fullmatch(each.name) and each.is_dir()))

    def small(self, id_: str, name: str) -> bytes:
        with self._opened(id_, name) as stream:
            return stream.read(MOST_BYTES)

    def read(self, id_: str, name: str) -> Iterator[bytes]:
        with self._opened(id_, name) as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece

    def folder(self, id_: str) -> Path | None:
        return self.root / id_

    def verdicts(self, id_: str) -> tuple[bytes, ...]:
        names = sorted(each.name for each in (self.root / id_).iterdir() if each.name.startswith(CHECKED))
        return tuple(self.small(id_, name) for name in names)

    def add(self, id_: str, name: str, data: bytes) -> None:
        folder = self.root / id_
        with _telling(self.shown, then="The backup is as it was."):
            try:
                _write_whole(folder / name, data)  # what a kill tears is no JSON, and says nothing
            except FileExistsError:
                raise BackupError(f"{folder / name} is there already, and nothing is overwritten.") from None
            _sync(folder)

    def remove(self, id_: str) -> None:
        aside = self.root / f"{id_}{GONE}"
        with _telling(self.shown, then=f"To remove it by hand: {aside}"):
            (self.root / id_).rename(aside)  # never half of a backup under its name
            shutil.rmtree(aside)

    def sweep(self) -> tuple[str, ...]:
        if not self.root.is_dir():
            return ()
        for gone in self.root.glob(f"*{GONE}"):
            shutil.rmtree(gone, ignore_errors=True)
        left = {each.name.partition(".")[0] for each in self.root.iterdir() if each.suffix in (PARTIAL, LOCK)}
        return tuple(id_ for id_ in sorted(left) if ID.fullmatch(id_) and self._swept(id_))

    def _swept(self, id_: str) -> bool:
        lock, partial = self.root / f"{id_}{LOCK}", self.root / f"{id_}{PARTIAL}"
        with locks.opened(lock) as descriptor:
            if not locks.acquire(descriptor, 0):
                return False
            existed = partial.exists()
            shutil.rmtree(partial, ignore_errors=True)
            if not partial.exists():
                lock.unlink(missing_ok=True)
        return existed and not partial.exists()

    @contextmanager
    def _opened(self, id_: str, name: str) -> Iterator[io.FileIO]:
        path = self.root / id_ / name
        try:
            with io.FileIO(path) as stream:
                yield stream
        except FileNotFoundError:
            raise DamagedBackupError(id_, f"{name} is missing") from None
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}.") from None


class LocalDraft:
    """A folder beside the backups, with a lock that its maker and the maker's children hold."""

    def __init__(self, root: Path, id_: str) -> None:
        self.root, self.id = root, id_
        self._name, self._digest, self._bytes = "", hashlib.sha256(), 0
        self._stream: io.FileIO | None = None
        self._lock = _held_lock(root / f"{id_}{LOCK}")
        self._partial = root / f"{id_}{PARTIAL}"
        self._partial.mkdir(mode=0o700)

    @property
    def folder(self) -> Path | None:
        return self._partial

    @property
    def lock(self) -> tuple[int, ...]:
        return locks.inherited(self._lock)

    def start(self, name: str) -> None:
        self._name, self._digest, self._bytes = name, hashlib.sha256(), 0
        with _telling(str(self.root)):
            self._stream = io.FileIO(_new_file(self._partial / name), "wb")

    def write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        with _telling(str(self.root), so_far=self._bytes):
            rest = memoryview(data)
            while rest:
                rest = rest[self._its_stream.write(rest) or 0 :]
        self._bytes += len(data)

    def stop(self) -> tuple[File, ...]:
        with _telling(str(self.root), so_far=self._bytes):
            os.fsync(self._its_stream.fileno())
            self._its_stream.close()
        self._stream = None
        return (File(name=self._name, sha256=self._digest.hexdigest(), bytes=self._bytes),)

    def adopt(self) -> tuple[File, ...]:
        with _telling(str(self.root)):
            paths = sorted(path for path in self._partial.rglob("*") if path.is_file())
            return tuple(self._adopted(path) for path in paths)

    def _adopted(self, path: Path) -> File:
        path.chmod(0o600)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
            name = path.relative_to(self._partial).as_posix()
            return File(name=name, sha256=digest, bytes=os.fstat(stream.fileno()).st_size)

    def finish(self, manifest: bytes) -> None:
        with _telling(str(self.root)):
            _write_whole(self._partial / MANIFEST, manifest)
            for folder in (*(each for each in self._partial.rglob("*") if each.is_dir()), self._partial):
                _sync(folder)
            self._partial.rename(self.root / self.id)
            _sync(self.root)
        self._release()

    def abandon(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()
        shutil.rmtree(self._partial, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock >= 0:
            if not self._partial.exists():
                (self.root / f"{self.id}{LOCK}").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    @property
    def _its_stream(self) -> io.FileIO:
        if self._stream is None:
            raise TypeError("no file was started")
        return self._stream


def _held_lock(path: Path) -> int:
    """Return a lock that is held, on the file that lies there: somebody who sweeps may have just removed another."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        if locks.acquire(descriptor, 5):
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        os.close(descriptor)


def _write_whole(path: Path, data: bytes) -> None:
    """Make a file, durably; FileExistsError where there is one."""
    with os.fdopen(_new_file(path), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _new_file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _telling(shown: str, *, so_far: int | None = None, then: str = "Nothing of this backup is kept.") -> Iterator[None]:
    """Turn what a file system may well say into a sentence."""
    try:
        yield
    except OSError as error:
        written = "" if so_far is None else f" after {so_far / 1e6:,.1f} MB"
        raise BackupError(f"{shown} could not be written to{written}: {error.strerror}. {then}") from error
