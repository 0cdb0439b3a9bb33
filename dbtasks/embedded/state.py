"""What is remembered of a private server in `<project>/.dbtasks/<kind>/`, and whether its postmaster lives.

Small text files of one value each, replaced atomically, so that they can be read at any time without a lock.
"""

from __future__ import annotations

import enum
import os
import secrets
import stat
import sys
import time
from pathlib import Path

from dbtasks.errors import EmbeddedServerError
from dbtasks.values import dataclass

HOST = "127.0.0.1"
USER = "postgres"  # a role called dbtasks would find our bookkeeping schema first on its search path


class Kind(enum.StrEnum):
    """Which of the two private servers."""

    THROWAWAY = "throwaway"
    DURABLE = "durable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """The lines of a postmaster.pid that matter (https://www.postgresql.org/docs/current/storage-file-layout.html)."""

    pid: int
    data: str
    port: int
    status: str

    def serves(self, data: Path) -> bool:
        """Whether it takes connections, is alive, and is the one of this data directory, not of its original."""
        return self.status == "ready" and self.lives(data)

    def lives(self, data: Path) -> bool:
        """Whether the process is there; a zombie, a number used again and a copied file are not."""
        return self.data == str(data) and is_postmaster(self.pid, data, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The folder `.dbtasks/<kind>` of the project at `root` (an absolute path without links)."""

    root: Path
    kind: Kind

    @property
    def folder(self) -> Path:
        return self.root / ".dbtasks" / self.kind.value

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def place(self) -> Path | None:
        """The folder that holds the data directory: this one, or one elsewhere that a pointer names."""
        pointer = self.read("place")
        return None if pointer is None else self.folder / pointer

    @property
    def data(self) -> Path | None:
        """The data directory; None where none was made, or where it is gone."""
        place = self.place
        return place / "data" if place is not None and (place / "data" / "PG_VERSION").exists() else None

    @property
    def port(self) -> int | None:
        text = self.read("port")
        return int(text) if text is not None and text.isdecimal() else None

    @property
    def password(self) -> str | None:
        return self.read("password")

    @property
    def version(self) -> str | None:
        return self.read("version")

    def postmaster(self, data: Path) -> Postmaster | None:
        """What the data directory's postmaster.pid says; None without a whole one."""
        try:
            lines = os.fsdecode((data / "postmaster.pid").read_bytes()).splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < 4 or not lines[0].isdecimal() or not lines[3].isdecimal():
            return None
        status = lines[7].strip() if len(lines) > 7 else "starting"
        return Postmaster(pid=int(lines[0]), data=lines[1], port=int(lines[3]), status=status)

    def read(self, name: str) -> str | None:
        """One remembered value; None where it was never written."""
        try:
            return os.fsdecode((self.folder / name).read_bytes()).removesuffix("\n") or None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, value: str) -> None:
        """Remember a value; a reader finds the old or the new one, whole."""
        new = self.folder / f"{name}.new"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.fsencode(f"{value}\n"))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / name)

    def forget(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def make(self, *, enterable: bool) -> None:
        """The folder, made where it is missing and kept out of version control.

        `enterable`: others may pass through it, as the account must to which root hands over.
        """
        for folder in (self.folder.parent, self.folder):
            make_folder(folder, enterable=enterable)
        ignore = self.folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")

    def new_password(self) -> None:
        self.write("password", secrets.token_urlsafe(24))


def make_folder(folder: Path, *, enterable: bool) -> None:
    """A folder of ours. One that is there must be ours already: a link or another user's is refused."""
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        found = folder.lstat()
        mine = sys.platform == "win32" or found.st_uid == os.geteuid()
        if not (stat.S_ISDIR(found.st_mode) and mine):
            raise EmbeddedServerError(
                f"{folder} must be a folder that belongs to the user who runs this, and is not. "
                "Run this as its owner, or remove it."
            ) from None
    else:
        if enterable:
            folder.chmod(0o711)


def is_postmaster(pid: int, data: Path, port: int) -> bool:
    """Whether this process is alive and a PostgreSQL server on that data directory."""
    return process_lives(pid, data) and (sys.platform == "linux" or _listens(port))


if sys.platform == "linux":

    def process_lives(pid: int, data: Path) -> bool:
        """Whether this process is alive and works on that data directory; a zombie does not."""
        try:
            for _ in range(_LOOKS):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                if words or _has_ended(pid):
                    return os.fsencode(data) in words.split(b"\0")
                time.sleep(_PAUSE_S)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return False  # a thread of the system's own, which never has any

    # In the middle of execve(2) a process has no words either, for as long as a busy machine lets it wait there.
    _LOOKS, _PAUSE_S = 200, 0.005

    def _has_ended(pid: int) -> bool:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] in b"ZX"

elif sys.platform == "win32":

    def process_lives(pid: int, data: Path) -> bool:  # noqa: ARG001 - there is no cheap way to ask
        """Yes: Windows does not tell, so whoever asks looks at the port, too."""
        return True

else:

    def process_lives(pid: int, data: Path) -> bool:  # noqa: ARG001 - the system tells no more than this
        """Whether there is a process of that number."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def _listens(port: int) -> bool:
    import socket  # late: not needed where /proc tells

    try:
        with socket.create_connection((HOST, port), timeout=2):
            return True
    except OSError:
        return False


def boot_id() -> str:
    """What changes when the machine restarts; the same word always where the system has no such thing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return "unknown"
