"""What could bring back what an operation destroys, as values: the policy, the steps that follow from it, a backup.

Where a whole database is replaced, the old one is kept and is its own way back. What is destroyed inside of a database
needs a backup that was taken before, and where the tier's server archives, a mark to recover to.
"""

from __future__ import annotations

import enum
from datetime import datetime

from dbtasks.values import dataclass


class WayBack(enum.Enum):
    """Whether what is destroyed inside of a database could be brought back."""

    NONE = "there is none"
    PROVIDED = "a backup is taken before"
    WAIVED = "done without one, for a reason that was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the way back is provided: which engine takes the backup, to whom it is sealed, which engine proves marks.

    An empty engine takes none.
    """

    backup: str = ""
    sealed_to: tuple[str, ...] = ()
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBackup:
    """Take a backup with this engine, sealed to these recipients, and show that it can be read."""

    engine: str
    sealed_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PutMark:
    """Put a restore point into the server's log, and show that this engine could recover to right before it."""

    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreBackup:
    """Make a database of this backup, aside, and compare. `digest` covers its manifest, and so each of its files."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameBeside:
    """Give the database that was made of a backup this name, beside the one in service, which stays as it is."""

    name: str


class Back(enum.Enum):
    """How much of a table comes back."""

    MISSING = "rows that are not there any more"
    CHANGED = "rows that are not there any more, and the old values of those that were changed"
    WHOLE = "the table as it was: rows written since go"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyBack:
    """Copy these tables out of this backup into the database that is in service, in one transaction."""

    id: str
    digest: str
    tables: tuple[str, ...]
    back: Back


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverTo:
    """Bring a second server, beside the live one, to this point of the log, and take a backup of what is there.

    `goal` says which point, in the words that the trail or the person used.
    """

    engine: str
    goal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that could be restored: where it is listed, what it holds, how far it was shown to be whole.

    `entry` is the trail's entry before whose first write it was taken, in the trail of `made_by`; `None` where it was
    asked for.
    """

    id: str
    digest: str
    engine: str
    database: str
    at: datetime
    tables: int
    rows: int
    size_bytes: int
    grade: str
    heads: tuple[str, ...]
    entry: int | None
    made_by: str


def precautions(policy: Policy | None) -> tuple[TakeBackup | PutMark, ...]:
    """Return the steps that come before whatever destroys.

    >>> precautions(Policy(backup="pg_dump"))
    (TakeBackup(engine='pg_dump', sealed_to=()),)
    >>> precautions(None)
    ()
    """
    if policy is None:
        return ()
    backup = (TakeBackup(engine=policy.backup, sealed_to=policy.sealed_to),) if policy.backup else ()
    mark = (PutMark(engine=policy.mark),) if policy.mark else ()
    return (*backup, *mark)
