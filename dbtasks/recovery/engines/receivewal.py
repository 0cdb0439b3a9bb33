"""`receivewal`: a `pg_receivewal` of ours takes the server's log over a replication slot, as it is written.

No restart and no archive_command is needed. The slot makes the server keep what was not received, so a server that
would keep it without a limit gets none: a receiver that stands still would fill its disk.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dbtasks import wal
from dbtasks.database import Connection
from dbtasks.embedded import locks, places
from dbtasks.embedded.account import choose_account
from dbtasks.embedded.cluster import last_lines
from dbtasks.embedded.state import process_lives
from dbtasks.errors import RecoveryFailedError
from dbtasks.programs import Programs, find_client
from dbtasks.recovery.engines import PATIENCE_S, Fetching
from dbtasks.recovery.marks import Mark
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.shelf import Shelf
from dbtasks.recovery.source import Source
from dbtasks.values import dataclass

PARTIAL = ".partial"
_LINKS = "proof-"
_PAUSE_S, _START_S, _END_S = 0.005, 20.0, 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A receiver. `folder` holds what it has received, `slot` is its name at the server."""

    folder: Path
    shelf: Path
    slot: str
    owned: bool = True
    name: str = "receivewal"

    @property
    def bases(self) -> Shelf:
        return Shelf(folder=self.shelf)

    def obstacles(self, connection: Connection) -> tuple[str, ...]:
        row = connection.execute(_SETTINGS).fetchone()
        level, keep = (str(value) for value in row) if row else ("", "-1")
        found = []
        if level == "minimal":
            found.append("wal_level is minimal: set it to replica and restart the server")
        if keep == "-1":
            found.append(
                "max_slot_wal_keep_size is -1, so that a receiver which stands still fills the server's disk: "
                "set a limit, for example ALTER SYSTEM SET max_slot_wal_keep_size = '10GB', and SELECT pg_reload_conf()"
            )
        return tuple(found)

    @contextmanager
    def brought(self, connection: Connection, mark: Mark, patience_s: float = PATIENCE_S) -> Iterator[Path | Unproven]:
        begun = time.monotonic()
        while not self._is_whole(mark) and ((state := self._flushed(connection)) is None or state < mark.lsn):
            if not self.runs():
                yield Unproven(why="The receiver of the server's log does not run.", instead="Start it first.")
                return
            if time.monotonic() - begun > patience_s:
                far = "nothing" if state is None else f"the log up to {wal.shown(state)}"
                why = f"The receiver has flushed {far}, and the mark lies at {wal.shown(mark.lsn)}."
                yield Unproven(why=why, instead=f"Look into {self.folder / 'receiver.log'}, then try again.")
                return
            time.sleep(_PAUSE_S)
        with tempfile.TemporaryDirectory(prefix=_LINKS, dir=self.folder) as folder:
            for name in mark.segments:
                self._link(name, Path(folder) / name)
            yield Path(folder)

    def names(self) -> frozenset[str] | None:
        try:
            names = (path.name.removesuffix(PARTIAL) for path in self.folder.iterdir())
            return frozenset(name for name in names if wal.is_segment(name))
        except OSError:
            return frozenset()

    def fetching(self) -> Fetching:
        folder = shlex.quote(str(self.folder))
        whole = f'if test -e {folder}/"$1"; then cp -- {folder}/"$1" "$2" || or 2'
        partly = f'elif test -e {folder}/"$1"{PARTIAL}; then cp -- {folder}/"$1"{PARTIAL} "$2" || or 2'
        return Fetching(body=f"{whole}\n  {partly}\n  else return 1; fi")

    def forget(self, before: str) -> int:
        old = sorted(name for name in self.names() or () if name[8:] < before[8:])
        for name in old:
            (self.folder / name).unlink(missing_ok=True)
        return len(old)

    def runs(self) -> bool:
        """Return whether the receiver lives."""
        if not (self.folder / "lock").exists():
            return False
        with locks.opened(self.folder / "lock") as lock:
            return not locks.acquire(lock, 0)

    def begin(self, source: Source, report: Callable[[str], None]) -> None:
        """Start the receiver where it does not run, its slot made first. RecoveryFailedError says why not."""
        obstacles = self.obstacles(source.connection)
        if obstacles:
            raise RecoveryFailedError(f"The server's log is not received: {'; '.join(obstacles)}.")
        account = choose_account()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        account.own(self.folder)
        with locks.opened(self.folder / "lock") as lock:
            if not locks.acquire(lock, 0):
                return
            for left in self.folder.glob(f"{_LINKS}*"):  # by killed runs
                shutil.rmtree(left, ignore_errors=True)
            source.connection.execute(_SLOT, {"slot": self.slot})
            found = find_client("pg_receivewal", source.major)
            version = divmod(source.connection.info.server_version, 10000)
            programs = places.reachable(Programs(bindir=found.parent, version=version), account, report)
            where, secret = source.way()
            command = [str(programs.path("pg_receivewal")), f"--directory={self.folder}", f"--slot={self.slot}"]
            how = ["--synchronous", "--no-password", f"--dbname={where}"]
            log = self.folder / "receiver.log"
            pid = account.launch([*command, *how], log=log, inherit=locks.inherited(lock), more=secret)
            (self.folder / "pid").write_text(f"{pid}\n", encoding="ascii")
        self._await_begin(source.connection, report)

    def stop(self) -> bool:
        """End the receiver, and return whether it ran. Its slot stays: the server keeps what was not received."""
        if not self.runs():
            return False
        deadline = time.monotonic() + _END_S
        while self.runs() and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                pid = int((self.folder / "pid").read_text(encoding="ascii"))
                if process_lives(pid, Path(f"--directory={self.folder}")):
                    os.kill(pid, signal.SIGINT)
            time.sleep(0.05)
        return True

    def _is_whole(self, mark: Mark) -> bool:
        """Return whether the segments have their names: they get them once they are whole and on the disk.

        The server learns of that only when the receiver reports the next time, up to ten seconds later.
        """
        return all((self.folder / name).exists() for name in mark.segments)

    def _link(self, name: str, new: Path) -> None:
        """Give a segment a second name, which stays while the receiver takes `.partial` from the first."""
        for _ in range(2):
            for there in (self.folder / f"{name}{PARTIAL}", self.folder / name):
                with contextlib.suppress(FileNotFoundError):
                    os.link(there, new)
                    return

    def _await_begin(self, connection: Connection, report: Callable[[str], None]) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._flushed(connection) is not None and connection.execute(_ACTIVE, [self.slot]).fetchone():
                report(f"the server's log is received in {self.folder}")
                return
            if not self.runs():
                break
            time.sleep(0.02)
        log = self.folder / "receiver.log"
        said = last_lines(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else ""
        self.stop()
        raise RecoveryFailedError(f"The receiver of the server's log did not start.\n{said}")

    def _flushed(self, connection: Connection) -> int | None:
        row = connection.execute(_FLUSHED, [self.slot]).fetchone()
        return wal.position(str(row[0])) if row and row[0] is not None else None


_SETTINGS = "SELECT current_setting('wal_level'), current_setting('max_slot_wal_keep_size')"
_SLOT = """
SELECT pg_create_physical_replication_slot(%(slot)s, true)
 WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s)
"""
# A receiver tells the server how far it has flushed, and the slot remembers it.
_FLUSHED = "SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
_ACTIVE = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND active"
