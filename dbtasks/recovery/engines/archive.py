"""`archive`: the server's own archive_command. The files are in a folder, or a command of the team's fetches them."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from dbtasks import wal
from dbtasks.database import Connection
from dbtasks.programs import child_environment
from dbtasks.recovery.engines import PATIENCE_S, Fetching
from dbtasks.recovery.marks import Mark, needed
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.shelf import Shelf
from dbtasks.recovery.source import Source
from dbtasks.values import dataclass

_PAUSE_S, _LOOK_EVERY_S = 0.002, 0.25
_FETCH_PATIENCE_S = 60.0
_SAID_TO_BE_THERE_S = 2.0  # how long a file may take to be seen once the server says that it was archived


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive. `folder` holds the files, or `command` fetches one: words in which {name} and {path} are filled."""

    folder: Path
    shelf: Path
    command: tuple[str, ...] = ()
    owned: bool = False
    name: str = "archive"

    @property
    def bases(self) -> Shelf:
        return Shelf(folder=self.shelf)

    def obstacles(self, connection: Connection) -> tuple[str, ...]:
        return obstacles(connection)

    def begin(self, source: Source, report: Callable[[str], None]) -> None:
        """Nothing: the server does it."""

    @contextmanager
    def brought(self, connection: Connection, mark: Mark, patience_s: float = PATIENCE_S) -> Iterator[Path | Unproven]:
        if not self.command:
            there = (self._lies_there, f"it is not in {self.folder}")
            yield waited(connection, mark, patience_s, there) or self.folder
            return
        with tempfile.TemporaryDirectory(prefix="dbtasks-wal-") as folder:
            into = Path(folder)

            def fetched(name: str, size: int) -> bool:
                path = into / name
                return path.exists() or (self._fetch(name, path) and path.exists() and path.stat().st_size == size)

            there = (fetched, "the command that fetches it does not get it")
            yield waited(connection, mark, patience_s, there) or into

    def names(self) -> frozenset[str] | None:
        if self.command:
            return None
        try:
            return frozenset(path.name for path in self.folder.iterdir() if wal.is_segment(path.name))
        except OSError:
            return frozenset()

    def fetching(self) -> Fetching:
        if self.command:
            words = " ".join(shlex.quote(word) for word in self.command)
            filled = words.replace("{name}", "'\"$1\"'").replace("{path}", "'\"$2\"'")
            return Fetching(body=f"{filled} || or 1")
        folder = shlex.quote(str(self.folder))
        return Fetching(body=f'test -e {folder}/"$1" || return 1\n  cp -- {folder}/"$1" "$2" || or 2')

    def forget(self, before: str) -> int:
        if not self.owned:
            return 0
        old = sorted(name for name in self.names() or () if name[8:] < before[8:])
        for name in old:
            (self.folder / name).unlink(missing_ok=True)
        return len(old)

    def _lies_there(self, name: str, size: int) -> bool:
        try:
            return (self.folder / name).stat().st_size == size
        except FileNotFoundError:
            return False

    def _fetch(self, name: str, path: Path) -> bool:
        words = [word.replace("{name}", name).replace("{path}", str(path)) for word in self.command]
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                timeout=_FETCH_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


def obstacles(connection: Connection) -> tuple[str, ...]:
    """Return what of a server's own settings keeps it from archiving, each with what to do."""
    row = connection.execute(_SETTINGS).fetchone()
    level, mode = (str(value) for value in row) if row else ("", "")
    found = []
    if level == "minimal":
        found.append("wal_level is minimal: set it to replica and restart the server")
    if mode == "off":
        found.append("archive_mode is off: set it to on, with an archive_command, and restart the server")
    return tuple(found)


def waited(
    connection: Connection, mark: Mark, patience_s: float, where: tuple[Callable[[str, int], bool], str]
) -> Unproven | None:
    """Wait for the segments of a mark: `None` when all of them are there.

    `where` is how to look for a segment of that name and size, and the words for its not being there.
    """
    (there, not_there), begun = where, time.monotonic()
    looked, said_since = 0.0, None
    while not _all_there(mark, there):
        now = time.monotonic()
        if now - looked >= _LOOK_EVERY_S or now - begun > patience_s:
            looked = now
            found = _archiver(connection, mark)
            if isinstance(found, Unproven):
                return found
            said_since = (said_since or now) if found else None
            if said_since is not None and now - said_since > _SAID_TO_BE_THERE_S:
                return Unproven(
                    why=f"The server says that it archived {mark.segment}, and {not_there}: "
                    "its archive_command puts files elsewhere, or nowhere.",
                    instead="Let archive_command and the tier's recovery settings name the same place, "
                    "then run this again.",
                )
            if now - begun > patience_s:
                return _late(connection, mark, patience_s)
        time.sleep(_PAUSE_S)
    return None


def _all_there(mark: Mark, there: Callable[[str, int], bool]) -> bool:
    try:
        return all(there(name, mark.segment_bytes) for name in mark.segments)
    except OSError:
        return False  # what cannot be looked at is not there


def _archiver(connection: Connection, mark: Mark) -> bool | Unproven:
    """Return whether the server says that it archived the mark's segment, or why it never will."""
    row = connection.execute(_STATE).fetchone()
    mode, last = (str(row[0]), row[1]) if row else ("", None)
    if mode == "off":
        return Unproven(
            why="The server archives nothing: its archive_mode is off.",
            instead="Set archive_mode to on, with an archive_command, and restart the server.",
        )
    if not mark.switched:
        return Unproven(
            why=f"The role may not end {mark.segment}, so that it is archived only when it is full.",
            instead=needed(connection),
        )
    return last is not None and str(last)[:24] >= mark.segment


def _late(connection: Connection, mark: Mark, patience_s: float) -> Unproven:
    row = connection.execute(_STATE).fetchone()
    failed, times = (cast("str | None", row[2]), cast(int, row[3])) if row else (None, 0)
    if failed is not None:
        why = f"archive_command fails: for {failed}, {times} times so far; {mark.segment} is not archived."
        return Unproven(why=why, instead="Read the server's log for what the command says, and mend it.")
    why = f"{mark.segment} was not archived within {patience_s:g} s."
    return Unproven(why=why, instead="Look at pg_stat_archiver and at the server's log, then run this again.")


_SETTINGS = "SELECT current_setting('wal_level'), current_setting('archive_mode')"
_STATE = """
SELECT current_setting('archive_mode'), last_archived_wal,
       CASE WHEN last_failed_time >= coalesce(last_archived_time, '-infinity') THEN last_failed_wal END, failed_count
  FROM pg_stat_archiver
"""
