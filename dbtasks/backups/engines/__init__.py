"""What takes backups, and makes databases of them again, by the name that the settings and manifests use."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from dbtasks.author import Who
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.progress import Report
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import Conninfo
from dbtasks.database import Scratch
from dbtasks.errors import DamagedBackupError
from dbtasks.guard import Clearance
from dbtasks.registry import Registry, Row
from dbtasks.tiers import Tier
from dbtasks.values import dataclass

Permission = Clearance | Scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The database to back up. `version_tables` are those of `MigrationSettings.version_tables`."""

    project: str
    tier: Tier
    conninfo: Conninfo
    version_tables: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Who wants it, and why. `entry` is the trail's number of the intent."""

    who: Who
    entry: int | None
    reason: str

    @property
    def maker(self) -> str:
        return f"{self.who.person}@{self.who.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Everything that an engine needs to take a backup. `id` is the one that it gets."""

    id: str
    permit: Permission
    source: Source
    vault: Vault
    errand: Errand
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Where a database is made of a backup: under a name that `row` has reserved, on the server of `known`.

    `server` leads to that server. `roles`: those that are missing are made there, without a login; on a scratch server.
    """

    known: Registry
    row: Row
    server: Conninfo
    roles: bool = False

    @property
    def conninfo(self) -> Conninfo:
        return self.server.with_database(self.row.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """Everything that an engine needs to make a database of a backup."""

    permit: Permission
    vault: Vault
    manifest: Manifest
    beside: Beside
    report: Report


class Engine(Protocol):
    """What each module of an engine has."""

    def take(self, job: Taking) -> Manifest:
        """Take a backup. BackupError where it could not be; nothing is left then but what the next run sweeps."""
        ...

    def check(self, vault: Vault, manifest: Manifest, report: Report, /) -> None:
        """Return when every byte is there, opens, and begins with a list of contents. DamagedBackupError else."""
        ...

    def restore(self, job: Restoring) -> int:
        """Make the database and return its oid. BackupError where it could not be; the caller drops what is there."""
        ...


# Of a module each, so that none is imported that is not used.
ENGINES = {
    "pg_dump": "dbtasks.backups.engines.pg_dump",
    "copy": "dbtasks.backups.engines.copy",
    "pgbackrest": "dbtasks.backups.engines.pgbackrest",
}


def engine(name: str, id_: str = "") -> Engine:
    """Return an engine by its name. DamagedBackupError where this version has none of that name."""
    if name not in ENGINES:
        raise DamagedBackupError(id_, f"it was taken by {name!r}, which this version does not know")
    return cast(Engine, import_module(ENGINES[name]))
