"""What a test process may reach, and whether a text leads there. Pure."""

from __future__ import annotations

import enum
import re

from dbtasks.reach.wanted import Wanted
from dbtasks.values import dataclass

# What our own code works in besides: where the registry is, and where CREATE DATABASE is said from.
_MAINTENANCE = frozenset({"dbtasks", "postgres", "template1"})


class Why(enum.Enum):
    """Why a connection is refused."""

    UNREADABLE = enum.auto()
    NO_DATABASE = enum.auto()
    SERVICE = enum.auto()
    SEVERAL_HOSTS = enum.auto()
    REPLICATION = enum.auto()
    OTHER_DATABASE = enum.auto()
    OTHER_TIERS_SERVER = enum.auto()
    NO_STAMP = enum.auto()
    OTHER_STAMP = enum.auto()
    OTHER_SERVER = enum.auto()
    UNKNOWN_DRIVER = enum.auto()
    BYPASS = enum.auto()
    RAW = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The default tier's database and where it is. `elsewhere` are the servers of other tiers, `entered` ours to work
    on; both hold what `wanted.place` returns. `database` is empty while a run has none.
    """

    project: str
    tier: str
    label: str = ""
    place: str = ""
    database: str = ""
    elsewhere: frozenset[str] = frozenset()
    entered: frozenset[str] = frozenset()

    @property
    def own_names(self) -> str:
        """How every name begins that the registry gives to a database of this tier."""
        return f"dbtasks_{self.project}_{self.tier}"[:50] + "_"

    @property
    def shown(self) -> str:
        return f"[{self.label}] {self.database} on {self.place}"

    def is_own(self, database: str) -> bool:
        """Return whether a database's name is the default tier's or a clone's.

        >>> ground = Ground(project="shop", tier="int", database="shop_int")
        >>> [ground.is_own(name) for name in ("shop_int", "dbtasks_shop_int_0a1b2c3d", "dbtasks_shop_stg_0a1b2c3d")]
        [True, True, False]
        """
        if not database:
            return False
        return database == self.database or bool(re.fullmatch(re.escape(self.own_names) + r"[0-9a-f]{8}", database))


def judge(wanted: Wanted, ground: Ground) -> Why | None:
    """Return why a test must not even send a packet there; `None` where the server's own word decides."""
    if not ground.database:
        return Why.NO_DATABASE
    if wanted.service:
        return Why.SERVICE
    if wanted.several:
        return Why.SEVERAL_HOSTS
    if wanted.blind:
        return Why.REPLICATION
    if not ground.is_own(wanted.database):
        return Why.OTHER_DATABASE
    if wanted.place != ground.place and wanted.place in ground.elsewhere:
        return Why.OTHER_TIERS_SERVER
    return None


def judge_ourselves(wanted: Wanted, ground: Ground) -> Why | None:
    """Return why our own code must not go there: it works on the default tier's server, in databases of this tier."""
    if wanted.service or wanted.several or wanted.place not in {ground.place, *ground.entered} - {""}:
        return Why.OTHER_TIERS_SERVER
    ours = wanted.database in _MAINTENANCE or wanted.database.startswith(ground.own_names)
    return None if ours or not ground.database or wanted.database == ground.database else Why.OTHER_DATABASE
