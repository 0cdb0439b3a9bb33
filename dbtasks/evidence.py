"""Facts about a live database, as values, and what they amount to.

`Server` and `Database` are what a read-only connection saw. A `Situation` is what they amount to: a handful of enums,
small enough that a test enumerates every combination of them against the guard.
"""

from __future__ import annotations

import enum
from datetime import datetime

from dbtasks.arming import NOT_ASKED, Armed
from dbtasks.brought import Approval
from dbtasks.proof import Proof as Proof
from dbtasks.proof import ProofReport
from dbtasks.rehearsed import Rehearsed
from dbtasks.risks import Risk
from dbtasks.tiers import Floor, Tier
from dbtasks.values import dataclass
from dbtasks.way_back import Policy
from dbtasks.way_back import WayBack as WayBack

# What the `cluster_name` of a server begins with that a recovery has made beside the live one.
RECOVERED_NAME = "dbtasks-recovered-"


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
    cluster_name: str = ""


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

    Revisions whose last word there is a downgrade are `taken_back` instead. `prepared` counts its prepared
    transactions, `unsettable` its settings that the role could not give to another. `schemas` are those that others
    could replace, `obstacles` what stands in the way of that; `None`: not looked at. `lacking` is what the role
    may not do that a migration must, in words. `torn` left their transaction and did not come back, while nobody
    migrates there; `leftovers` are the indexes that are invalid then.
    `unproven` is what it failed at when it was last to be proven. `passes` is the role that the guards inside it let
    pass, where `harden` has put some.
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
    schemas: tuple[str, ...] = ()
    obstacles: tuple[str, ...] | None = None
    logical_slots: tuple[str, ...] = ()
    prepared: int = 0
    unsettable: tuple[str, ...] = ()
    sessions: tuple[Session, ...] = ()
    tables: tuple[Table, ...] = ()
    revisions: frozenset[str] = frozenset()
    ledger: tuple[tuple[str, str], ...] = ()
    taken_back: frozenset[str] = frozenset()
    torn: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    unproven: str = ""
    lacking: tuple[str, ...] = ()
    passes: str = ""


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
    RECOVERED = "recovered, beside the live one"


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
    BY_SCHEMAS = "no other database can take its place, but its schemas can be replaced"
    OBSTACLES = "no other database can take its place, nor can its schemas be replaced"


class Rehearsal(enum.Enum):
    """What came of running the pending revisions on a scratch server."""

    NOT_NEEDED = "not needed"
    DONE = "done"
    FAILED = "a revision failed"
    CONTRADICTED = "the rows that are there contradict it"
    UNCOUNTED = "what it would take away can be neither counted nor estimated"
    NOT_REHEARSED = "not rehearsed"


class Drift(enum.Enum):
    """Whether the schema is what the revisions that were applied produce. Looked at where they would go on from it."""

    NONE = "none, or not looked at"
    ACCEPTED = "accepted"
    THERE = "there"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """A revision that left its transaction and did not come back. `back_to`: where a downgrade of it leads.

    Empty: it does not stand by the version table, so that a migration is what runs it again.
    """

    revision: str
    back_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the evidence amounts to: the whole input of the guard's table on the database's side.

    `floor` is the stricter of stamp and settings. `stamped_as` is the tier that the stamp names, `obstacles` what
    stands in the way of replacing schemas, `proof_report` what `proof` comes from, `rehearsed_as` what the rehearsal
    said, `drifted` what differs or why that is not known: for the text alone. `lacking` are the rights that a migration
    misses, `torn` what must be put right before any revision runs, `leftovers` what can be seen of that.
    `way_back` counts where something inside of the database is destroyed, `no_way_back` says why there is none.
    `approval` is what one comes to that was brought, `approval_said` why; `approvals_before` is how many the stamp
    alone demands: what counts where it is to be changed. `armed` is this terminal.
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
    rehearsal: Rehearsal = Rehearsal.NOT_NEEDED
    drift: Drift = Drift.NONE
    way_back: WayBack = WayBack.NONE
    stamped_as: str = ""
    obstacles: tuple[str, ...] = ()
    rehearsed_as: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    torn: tuple[Torn, ...] = ()
    leftovers: tuple[str, ...] = ()
    proof_report: ProofReport | None = None
    drifted: tuple[str, ...] = ()
    no_way_back: str = ""
    approval: Approval = Approval.NOT_WEIGHED
    approval_said: str = ""
    approvals_before: int = 0
    armed: Armed = NOT_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """What lint found in a statement of the rehearsal, high or critical, and nobody waived."""

    rule: str
    severity: str
    revision: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was seen of one target, before planning. `database` is `None` where it does not exist.

    `rehearsed` is what the pending revisions did on a scratch server, `risks` what they would do to the target's rows,
    `objections` what lint says of them, `unlinted` why it says nothing. `policy` is how a way back would be provided,
    `None` where none is needed.
    """

    tier: Tier
    project: str
    name: str
    place: str
    server: Server
    database: Database | None
    situation: Situation
    rehearsed: Rehearsed | None = None
    risks: tuple[Risk, ...] = ()
    objections: tuple[Objection, ...] = ()
    unlinted: str = ""
    policy: Policy | None = None

    @property
    def identity(self) -> Identity | None:
        if self.database is None:
            return None
        return Identity(system_identifier=self.server.system_identifier, oid=self.database.oid)


def own_stamp(server: Server, database: Database) -> Stamp | None:
    """Return the row that carries the database's own identity; a clone also carries its template's row."""
    return next(iter(own_stamps(server, database)), None)


def own_stamps(server: Server, database: Database) -> list[Stamp]:
    """Return every row that carries the database's own identity."""
    own = Identity(system_identifier=server.system_identifier, oid=database.oid)
    return [stamp for stamp in database.stamps or () if stamp.identity == own]
