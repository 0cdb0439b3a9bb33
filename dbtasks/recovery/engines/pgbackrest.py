"""`pgbackrest`: a repository of pgBackRest, which the server's archive_command fills, has the log and the base backups.

It is set up, filled and cleared by those who run it. Here it is read, and asked for a backup where none would do.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from dbtasks.base_backups import BaseBackup
from dbtasks.database import Connection
from dbtasks.embedded.account import Account, choose_account
from dbtasks.errors import RecoveryFailedError
from dbtasks.recovery import answers
from dbtasks.recovery.engines import PATIENCE_S, Fetching
from dbtasks.recovery.engines.archive import obstacles, waited
from dbtasks.recovery.marks import Mark
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.repository import Repository
from dbtasks.recovery.source import Source, identifier_of
from dbtasks.recovery.unpacking import DamagedBaseError
from dbtasks.values import dataclass

_MEND = "Read what pgBackRest's own check says of it, and mend it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """The backups in a repository, as base backups. With `only`, the one of that label."""

    repository: Repository
    only: str = ""

    @property
    def shown(self) -> str:
        return self.repository.shown

    def kept(self) -> tuple[BaseBackup, ...]:
        every = answers.base_backups(self.repository.info())
        return tuple(each for each in every if not self.only or each.id == self.only)

    def take(self, source: Source, report: Callable[[str], None]) -> BaseBackup:
        identifier = identifier_of(source.connection)
        before = {each.id for each in self.kept()}
        report(f"asking pgBackRest for a backup of {self.repository.stanza}")
        told = self.repository.backup("incr", {})
        new = [each for each in self.kept() if each.id not in before and each.origin.system_identifier == identifier]
        if not new:
            raise RecoveryFailedError(f"{self.shown} has no new backup of this server: {told or 'no reason given'}")
        report(f"took the backup {new[-1].id} ({new[-1].size_bytes >> 20} MB)")
        return new[-1]

    def lay_out(self, base: BaseBackup, data: Path, account: Account, inherit: tuple[int, ...]) -> None:
        data.mkdir(0o700)
        account.own(data)
        try:
            self.repository.restore(base.id, data, account, inherit)
        except RecoveryFailedError as error:
            raise DamagedBaseError(str(error)) from error

    def prune(self, system_identifier: int, since: datetime) -> tuple[tuple[str, ...], str | None]:  # noqa: ARG002 - pgBackRest's own retention counts
        return (), None


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBackRest:
    """The engine. With `only`, every recovery begins from the backup of that label."""

    repository: Repository
    only: str = ""
    owned: bool = False
    name: str = "pgbackrest"

    @property
    def bases(self) -> Backups:
        return Backups(repository=self.repository, only=self.only)

    def obstacles(self, connection: Connection) -> tuple[str, ...]:
        identifier = identifier_of(connection)
        try:
            found = self.repository.info()
        except RecoveryFailedError as error:
            return (*obstacles(connection), str(error).removesuffix("."))
        if identifier not in {each.system_id for each in found.current}:
            return (*obstacles(connection), f"{self.repository.shown} is of another server")
        return obstacles(connection)

    def begin(self, source: Source, report: Callable[[str], None]) -> None:
        """Nothing: the server does it."""

    @contextmanager
    def brought(self, connection: Connection, mark: Mark, patience_s: float = PATIENCE_S) -> Iterator[Path | Unproven]:
        with tempfile.TemporaryDirectory(prefix="dbtasks-wal-") as folder:
            into = Path(folder)
            choose_account().own(into)

            def fetched(name: str, size: int) -> bool:
                path = into / name
                return path.exists() or (self.repository.fetch(name, path) and path.stat().st_size == size)

            try:
                missing = waited(connection, mark, patience_s, (fetched, f"{self.repository.shown} does not have it"))
            except RecoveryFailedError as error:
                missing = Unproven(why=str(error), instead=_MEND)
            yield missing or into

    def names(self) -> frozenset[str] | None:
        return self.repository.segments(self.repository.info())

    def fetching(self) -> Fetching:
        # It runs in the recovered server's data directory, by which pgBackRest tells that it is the right server's log.
        words = shlex.join(self.repository.words("archive-get", "--no-archive-async"))
        call = f'{words} --reset-pg1-host --pg1-path="$PWD" "$1" "$2"'
        return Fetching(body=f"{call}\n  code=$?\n  test $code -le 1 || killed $code || code=2\n  return $code")

    def forget(self, before: str) -> int:  # noqa: ARG002 - pgBackRest's own retention counts
        return 0
