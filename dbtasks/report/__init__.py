"""How every tier stands, as one frozen value: what `report` puts on a page and `status` tells in a few lines."""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import TYPE_CHECKING

from dbtasks.materials import Kept
from dbtasks.overview import Row
from dbtasks.plan import RevisionBytes
from dbtasks.trail_query import Entry
from dbtasks.trail_runs import Run
from dbtasks.values import dataclass
from dbtasks.way_back import Backup

if TYPE_CHECKING:
    from dbtasks.lint.waivers import Waiver
    from dbtasks.safety import Score
    from dbtasks.score_history import Past


class Stands(enum.Enum):
    """How a revision stands in a tier. EDITED: its file has other bytes than those that were run there."""

    APPLIED = "applied"
    PENDING = "pending"
    EDITED = "edited since"
    UNKNOWN = "unknown"


class Shape(enum.Enum):
    """Whether a schema is as the last migration left it, by its fingerprint; what differs tells `invoke drift`."""

    AS_LEFT = "as its migrations left it"
    CHANGED = "changed since its last migration"
    NEVER = "never recorded"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """To which moments the server can be recovered: any since `since`, right before each of `marks`; or why not."""

    engine: str = ""
    since: datetime | None = None
    marks: tuple[tuple[int, datetime], ...] = ()
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One tier: its row, and what was read besides. `None` and empty where it could not be asked.

    `kept` are pairs of what was replaced and whether its retention has ended, `backups` the newest first.
    """

    row: Row
    server: str = ""
    tables: int | None = None
    rows: int = 0
    size_bytes: int = 0
    stamped: str = ""
    revisions: tuple[tuple[str, Stands], ...] = ()
    shape: Shape = Shape.UNKNOWN
    backups: tuple[Backup, ...] | None = None
    kept: tuple[tuple[Kept, bool], ...] = ()
    window: Window = Window()


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How many runs began on a day, of these how many failed, and how many were refused."""

    day: date
    runs: int = 0
    failed: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A plan that was written for others to approve, by the trail. `used` is the entry that ran it."""

    id: str
    tier: str
    operation: str
    at: datetime
    ends: datetime
    person: str
    approved_by: tuple[str, ...] = ()
    used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What verifying the trail came to, in a sentence."""

    holds: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The safety score as it was last measured."""

    value: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How everything stands at one moment. `unread` says what could not be read, and why.

    `revisions` are the project's, base first; `recent` the last runs, the newest last; `days` one for each of the last.
    `scores` are those of before that looked at the same tiers.
    """

    project: str
    at: datetime
    person: str
    host: str
    commit: str
    tiers: tuple[Standing, ...]
    revisions: tuple[RevisionBytes, ...] = ()
    unfinished: tuple[Run, ...] = ()
    agents: tuple[Entry, ...] = ()
    recent: tuple[Run, ...] = ()
    days: tuple[Day, ...] = ()
    trail: Told | None = None
    scored: Scored | None = None
    score: Score | None = None
    scores: tuple[Past, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    plans: tuple[Asked, ...] = ()
    unread: tuple[str, ...] = ()
