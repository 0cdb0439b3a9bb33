"""Where the write-ahead log of a server goes, so that it can be had again: one module for each way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from dbtasks.base_backups import BaseBackup
from dbtasks.database import Connection
from dbtasks.embedded.account import Account
from dbtasks.errors import RefusedError
from dbtasks.recovery.goals import Goal
from dbtasks.recovery.marks import Mark
from dbtasks.recovery.proof import Promise, Unproven
from dbtasks.recovery.source import Source
from dbtasks.values import dataclass

PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How a recovered server gets a file of the log: the body of a shell function of a file's name and its target.

    It returns 0 when the file is there, 1 when it is not, and anything else when that cannot be told. `|| or 2` behind
    its last command makes 2 of a failure, unless the command was killed.
    """

    body: str


class Bases(Protocol):
    """Where base backups are."""

    @property
    def shown(self) -> str:
        """What people know the place as."""

    def kept(self) -> tuple[BaseBackup, ...]:
        """Return what is there, the oldest first; DbtasksError where that cannot be told."""

    def take(self, source: Source, report: Callable[[str], None]) -> BaseBackup:
        """Take one while the server goes on; RecoveryFailedError says why not."""

    def lay_out(self, base: BaseBackup, data: Path, account: Account, inherit: tuple[int, ...]) -> None:
        """Make the data directory of it, which does not exist yet; DamagedBaseError where it is not what was taken.

        `inherit` are descriptors for programs to hold: nothing is swept while one lives.
        """

    def prune(self, system_identifier: int, since: datetime) -> tuple[tuple[str, ...], str | None]:
        """Remove a server's that no recovery to a time since then needs, where they are dbtasks' own.

        Returns their ids, and the first segment that what is left needs; `None` where nothing may go.
        """


class Engine(Protocol):
    """One way. Nothing in it decides whether an operation may go on."""

    @property
    def name(self) -> str: ...

    @property
    def bases(self) -> Bases: ...

    @property
    def owned(self) -> bool:
        """Whether the files of the log are dbtasks' own, so that it may remove old ones."""

    def obstacles(self, connection: Connection) -> tuple[str, ...]:
        """Return what stands in the way of a recovery, by the server's own settings, each with what to do."""

    def begin(self, source: Source, report: Callable[[str], None]) -> None:
        """Start what takes the server's log, where something of ours does; RecoveryFailedError says why not."""

    def brought(
        self, connection: Connection, mark: Mark, patience_s: float = PATIENCE_S
    ) -> AbstractContextManager[Path | Unproven]:
        """Wait until the segments of a mark are where a recovery would get them, and give a folder that holds them."""

    def names(self) -> frozenset[str] | None:
        """Return the whole segments that are there; `None` where they cannot be listed."""

    def fetching(self) -> Fetching: ...

    def forget(self, before: str) -> int:
        """Remove segments older than this one, where they are `owned`, and return how many."""


@runtime_checkable
class Provider(Protocol):
    """One whose log nobody else can read, and who recovers by itself: it is asked, and a person starts it there."""

    @property
    def name(self) -> str: ...

    def promise(self, connection: Connection, mark: Mark, report: Callable[[str], None]) -> Promise | Unproven:
        """Wait until the provider says that it can recover to right before a mark."""

    def way(self, goal: Goal) -> str:
        """Return how a person has the provider recover to a goal, beside the live server."""

    def refusal(self, goal: Goal) -> RefusedError:
        """Return why no recovery is begun from here, and the way that there is."""
