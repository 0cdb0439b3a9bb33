"""Where recovered servers live, one folder each, and how what killed runs left of them is swept.

Two locks in a folder tell the truth whoever is killed: `working` is held by the process that makes it, `alive` also by
the server and all its children, which inherit it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dbtasks.conninfo import Conninfo
from dbtasks.embedded import locks, places
from dbtasks.embedded.account import Account
from dbtasks.embedded.state import Postmaster, make_folder, process_lives
from dbtasks.errors import RecoveryFailedError
from dbtasks.evidence import RECOVERED_NAME
from dbtasks.values import dataclass

NOTE, _LOCK = "recovered.json", "lock"
_ROOM = re.compile(r"[0-9a-f]{8}")
_LONGEST_SOCKET = 100  # of the 103 bytes that macOS allows
_END_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A recovered server that waits at its goal, read-only, and listens on a socket in a folder of its own alone.

    `stopped` is what its log says of that, `lsn` how far it has replayed; `superuser` sees everything in it.
    """

    id: str
    folder: Path
    socket: Path
    port: int
    superuser: str
    goal: str
    base: str
    lsn: str
    stopped: str
    restored: int
    seconds: float

    @property
    def cluster_name(self) -> str:
        return f"{RECOVERED_NAME}{self.id}"

    def conninfo(self, database: str) -> Conninfo:
        """How to connect to a database of it; no password is asked, since nobody else may enter its folder."""
        return Conninfo(host=str(self.socket), port=self.port, database=database, user=self.superuser)

    def as_data(self) -> dict[str, object]:
        paths = {"folder": str(self.folder), "socket": str(self.socket), "seconds": round(self.seconds, 3)}
        names = ("id", "port", "superuser", "goal", "base", "lsn", "stopped", "restored")
        return {**{name: getattr(self, name) for name in names}, **paths}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A folder in which a recovered server is made.

    `working` is the lock that whoever makes it holds, and `alive` the one that the server inherits.
    """

    id: str
    folder: Path
    socket: Path
    working: int
    alive: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"


@contextlib.contextmanager
def opened(root: Path, account: Account) -> Iterator[Room]:
    """Yield a new folder. It stays where a note was `kept` in it; else nothing of it is left, its server included."""
    place = _place(root, account)
    folder = place / secrets.token_hex(4)
    with contextlib.ExitStack() as held:
        with locks.held(place / _LOCK, _END_S):  # else somebody's sweep could come between the folder and its locks
            folder.mkdir(0o700)
            working = held.enter_context(locks.opened(folder / "working"))
            alive = held.enter_context(locks.opened(folder / "alive"))
            locks.acquire(working, 0)
            locks.acquire(alive, 0)
        socket = _socket(folder, account)
        account.own(folder)
        try:
            yield Room(id=folder.name, folder=folder, socket=socket, working=working, alive=alive)
        finally:
            if not (folder / NOTE).exists():
                held.close()
                _remove(folder)


def keep(room: Room, recovered: Recovered) -> None:
    """Note that the server is there to stay until somebody drops it."""
    new = room.folder / f"{NOTE}.new"
    new.write_text(json.dumps(recovered.as_data()), encoding="utf-8")
    new.replace(room.folder / NOTE)


def found(root: Path, account: Account) -> tuple[Recovered, ...]:
    """Return the recovered servers of a project that run and wait."""
    folders = (folder for place in _places(root, account) for folder in _folders(place))
    there = (_read(folder) for folder in folders if _serves(folder))
    return tuple(each for each in there if each is not None)


def drop(recovered: Recovered) -> None:
    """Stop a recovered server and remove all of it."""
    _remove(recovered.folder)


def sweep(root: Path, account: Account) -> tuple[str, ...]:
    """Stop and remove what killed runs left, and recovered servers that do not run any more; return their ids."""
    swept = []
    for place in _places(root, account):
        if not place.is_dir():
            continue
        with locks.held(place / _LOCK, _END_S):
            for folder in _folders(place):
                if _is_worked_on(folder) or (_read(folder) is not None and _serves(folder)):
                    continue
                _remove(folder)
                swept.append(folder.name)
    return tuple(swept)


def _place(root: Path, account: Account) -> Path:
    for place in _places(root, account):
        with contextlib.suppress(OSError):
            place.parent.parent.mkdir(parents=True, exist_ok=True)
            make_folder(place.parent, enterable=account.is_other)
            make_folder(place, enterable=account.is_other)
            if places.holds_data(place, account):
                return place
    raise RecoveryFailedError(
        "No folder was found in which a recovered server could keep its data. Run this as a user who may write there."
    )


def _places(root: Path, account: Account) -> tuple[Path, ...]:
    return (
        root / ".dbtasks" / "recovered",
        places.outside(places.folder_name(root, "recovered"), account) / "servers",
    )


def _folders(place: Path) -> list[Path]:
    """Return the rooms in a place, and nothing else that may lie there: unfinished probes of what it can hold."""
    return sorted(path for path in place.iterdir() if _ROOM.fullmatch(path.name)) if place.is_dir() else []


def _socket(folder: Path, account: Account) -> Path:
    socket = folder / "socket"
    if len(os.fsencode(socket / ".s.PGSQL.65535")) > _LONGEST_SOCKET:
        socket = Path(tempfile.mkdtemp(prefix="dbtasks-r-", dir="/tmp"))
        (folder / "socket-elsewhere").write_bytes(os.fsencode(socket))
    else:
        socket.mkdir(0o700)
    account.own(socket)
    return socket


def _is_worked_on(folder: Path) -> bool:
    with locks.opened(folder / "working") as descriptor:
        return not locks.acquire(descriptor, 0)


def _serves(folder: Path) -> bool:
    postmaster = _postmaster(folder)
    return postmaster is not None and process_lives(postmaster.pid, folder / "data")


def _postmaster(folder: Path) -> Postmaster | None:
    try:
        lines = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return Postmaster(pid=int(lines[0]), data=lines[1], port=0, status="")
    except (OSError, ValueError, IndexError):
        return None


def _read(folder: Path) -> Recovered | None:
    try:
        data = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        data |= {"folder": folder, "socket": Path(data["socket"])}
        return Recovered(**data)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def stop(room: Room) -> None:
    """End a room's server, to start it again with other settings."""
    deadline = time.monotonic() + _END_S
    while _serves(room.folder):
        _end(room.folder)
        if time.monotonic() > deadline:
            raise RecoveryFailedError(f"The recovered server in {room.folder} does not end.")
        time.sleep(0.02)
    room.log.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """End the server, wait until no process holds the folder, and remove it."""
    (folder / NOTE).unlink(missing_ok=True)
    deadline = time.monotonic() + _END_S
    with locks.opened(folder / "alive") as alive:
        while not locks.acquire(alive, 0):  # also between the start of a server and its first note of itself
            _end(folder)
            if time.monotonic() > deadline:
                raise RecoveryFailedError(
                    f"The recovered server in {folder} does not end. End it, then run this again."
                )
            time.sleep(0.02)
    with contextlib.suppress(OSError):
        shutil.rmtree(Path(os.fsdecode((folder / "socket-elsewhere").read_bytes())))
    shutil.rmtree(folder, ignore_errors=True)


def _end(folder: Path) -> None:
    postmaster = _postmaster(folder)
    if postmaster is not None and process_lives(postmaster.pid, folder / "data"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(postmaster.pid, signal.SIGQUIT)
