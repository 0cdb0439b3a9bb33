"""Facts about a live database, as values, and what they amount to.

`Server` and `Database` are what a read-only connection saw. `situate` turns them into a `Situation`: a handful of
enums, small enough that a test enumerates every combination of them against the guard.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dbtasks.tiers import Floor, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which database this is, wherever it was reached: the server's identifier and the database's oid."""

    system_identifier: int
    oid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One row of `dbtasks.identity`."""

    project: str
    tier: str
    identity: Identity
    timeline: int
    floor: Floor
    stamped_at: datetime
    stamped_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server said of itself. `address` is where the connection really arrived, or `local socket`.

    `registers`: the role may write the server's registry, as far as that was looked at.
    """

    system_identifier: int
    timeline: int
    version: str
    version_number: int
    address: str
    role: str
    superuser: bool
    can_create: bool
    standby: bool
    pooled: bool
    registers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    pid: int
    role: str
    application: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A user's table; `rows` is the planner's estimate unless `exact`."""

    name: str
    rows: int
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What the catalogue said of one database. `ledger` maps revision to checksum as the ledger has them.

    `prepared` counts its prepared transactions, `unsettable` its settings that the role could not give to another.
    """

    oid: int
    name: str
    owner: str
    owned: bool
    template: bool
    size_bytes: int
    user_objects: int
    stamps: tuple[Stamp, ...] | None
    registered: str | None = None
    logical_slots: tuple[str, ...] = ()
    prepared: int = 0
    unsettable: tuple[str, ...] = ()
    sessions: tuple[Session, ...] = ()
    tables: tuple[Table, ...] = ()
    revisions: frozenset[str] = frozenset()
    ledger: tuple[tuple[str, str], ...] = ()
    torn: tuple[str, ...] = ()


class StampState(enum.Enum):
    MATCHES = "matches"
    MISSING = "missing"
    PROMOTED = "matches, but the server's timeline has changed"
    OTHER_TIER = "of another tier"
    OTHER_PROJECT = "of another project"
    COPIED = "copied from another database"
    UNREADABLE = "unreadable"


class Contents(enum.Enum):
    ABSENT = "absent"
    EMPTY = "empty"
    HOLDS = "holds user objects"


class NameState(enum.Enum):
    FITS = "fits the tier's name rule"
    FREE = "fits no tier's name rule"
    OTHER = "fits another tier's name rule"


class ServerRole(enum.Enum):
    PRIMARY = "primary"
    STANDBY = "standby"


class Route(enum.Enum):
    DIRECT = "direct"
    POOLED = "through a pooler"


class Use(enum.Enum):
    """What the database is for, besides its stamp."""

    LIVE = "live"
    TEMPLATE = "a template database"
    CLONE = "made for tests"
    NOT_LIVE = "registered as something else than live"


class Replacing(enum.Enum):
    """Whether the database could be kept aside by renaming while another takes its name."""

    POSSIBLE = "possible"
    FIXED_NAME = "its name is fixed"
    NOT_OWNER = "the role does not own it"
    NO_CREATEDB = "the role may not create databases"
    NO_REGISTRY = "the role may not write dbtasks.registry in the server's database dbtasks"
    SLOTS = "logical replication slots hang on it"
    PREPARED = "a prepared transaction is open in it"
    SETTINGS = "it has settings that only a superuser can give to another database"


class Proof(enum.Enum):
    """Whether the tier before this one has the pending revisions with the same bytes."""

    NOT_NEEDED = "not needed"
    PROVEN = "proven"
    UNPROVEN = "unproven"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the evidence amounts to: the whole input of the guard's table on the database's side.

    `floor` is the stricter of stamp and settings. `stamped_as` is the tier that the stamp names, for the text alone.
    """

    stamp: StampState
    contents: Contents
    name: NameState
    server_role: ServerRole
    route: Route
    use: Use
    replacing: Replacing
    proof: Proof
    floor: Floor
    stamped_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was seen of one target, before planning. `database` is `None` where it does not exist."""

    tier: Tier
    project: str
    name: str
    place: str
    server: Server
    database: Database | None
    situation: Situation
    last_backup_age: timedelta | None = None

    @property
    def identity(self) -> Identity | None:
        if self.database is None:
            return None
        return Identity(system_identifier=self.server.system_identifier, oid=self.database.oid)


# The one name that a managed cloud gives out and that cannot be renamed while people connect through it.
FIXED_NAMES = frozenset({"postgres", "defaultdb", "template0", "template1"})


def own_stamp(server: Server, database: Database) -> Stamp | None:
    """Return the row that carries the database's own identity; a clone also carries its template's row."""
    return next(iter(_own_stamps(server, database)), None)


def _own_stamps(server: Server, database: Database) -> list[Stamp]:
    own = Identity(system_identifier=server.system_identifier, oid=database.oid)
    return [stamp for stamp in database.stamps or () if stamp.identity == own]


def situate(
    tier: Tier, project: str, others: Iterable[Tier], seen: tuple[Server, Database | None, str], proof: Proof
) -> Situation:
    """Return what was seen, as enums. `seen` holds the server, the database if it exists, and its name."""
    server, database, name = seen
    stamp = own_stamp(server, database) if database else None
    return Situation(
        stamp=_stamp_state(tier, project, server, database),
        contents=_contents(database),
        name=_name_state(tier, others, name),
        server_role=ServerRole.STANDBY if server.standby else ServerRole.PRIMARY,
        route=Route.POOLED if server.pooled else Route.DIRECT,
        use=_use(database),
        replacing=_replacing(server, database, name),
        proof=proof,
        floor=stamp.floor.stricter(tier.floor) if stamp else _strictest(tier, database),
        stamped_as=stamp.tier if stamp else "",
    )


def _strictest(tier: Tier, database: Database | None) -> Floor:
    # A copy of a stamped database is treated as strictly as its origin until somebody adopts it.
    floor = tier.floor
    for stamp in (database.stamps or ()) if database else ():
        floor = stamp.floor.stricter(floor)
    return floor


def _stamp_state(tier: Tier, project: str, server: Server, database: Database | None) -> StampState:
    if database is None or database.stamps == ():
        return StampState.MISSING
    if database.stamps is None:
        return StampState.UNREADABLE
    own = _own_stamps(server, database)
    if not own:
        return StampState.COPIED
    if len({(stamp.project, stamp.tier, stamp.floor) for stamp in own}) > 1:
        # Rows that contradict each other say nothing.
        return StampState.UNREADABLE
    stamp = own[0]
    if stamp.project != project:
        return StampState.OTHER_PROJECT
    if stamp.tier != tier.name:
        return StampState.OTHER_TIER
    return StampState.MATCHES if stamp.timeline == server.timeline else StampState.PROMOTED


def _contents(database: Database | None) -> Contents:
    if database is None:
        return Contents.ABSENT
    return Contents.HOLDS if database.user_objects else Contents.EMPTY


def _name_state(tier: Tier, others: Iterable[Tier], name: str) -> NameState:
    if any(other.fits(name) for other in others if other.name != tier.name):
        return NameState.OTHER
    return NameState.FITS if tier.fits(name) else NameState.FREE


def _use(database: Database | None) -> Use:
    if database is None:
        return Use.LIVE
    if database.template:
        return Use.TEMPLATE
    if database.registered == "clone":
        return Use.CLONE
    return Use.LIVE if database.registered in (None, "live") else Use.NOT_LIVE


def _replacing(server: Server, database: Database | None, name: str) -> Replacing:
    if name in FIXED_NAMES:
        return Replacing.FIXED_NAME
    if not server.can_create:
        return Replacing.NO_CREATEDB
    if not server.registers:
        return Replacing.NO_REGISTRY
    return Replacing.POSSIBLE if database is None else _obstacle(database)


def _obstacle(database: Database) -> Replacing:
    obstacles = (
        (not database.owned, Replacing.NOT_OWNER),
        (bool(database.logical_slots), Replacing.SLOTS),
        (bool(database.prepared), Replacing.PREPARED),
        (bool(database.unsettable), Replacing.SETTINGS),
    )
    return next((obstacle for there, obstacle in obstacles if there), Replacing.POSSIBLE)
