"""What an operation does to a database."""

from __future__ import annotations

import enum

from dbtasks.roles import Part
from dbtasks.values import dataclass


class Effect(enum.IntEnum):
    """Ordered by how much can be lost."""

    READ = 0
    ADD = 1
    CHANGE = 2
    DESTROY = 3


class Stamping(enum.Enum):
    """Which databases without a stamp an operation may put one on."""

    NEVER = "never"
    EMPTY = "only one that holds no user object"
    ANY = "any, that is its purpose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A verb that a person asks for. The guard looks at these properties, never at the name.

    `effect` is the most it can do; a plan may do less. `catalogue_only` marks a READ that returns no row of a
    user's table and hands out no URL. `replaces` marks one that puts another database in the target's place,
    `hands_out` one that writes nothing itself and gives a process the way in, `proves` one that applies revisions and
    so needs the tier before to have them, `seeds` one that loads seed sets, `builds` one that starts from nothing.
    `brings_back` marks one that returns to a database that was kept, `drops` one that drops what was kept,
    `rehearses` one whose revisions run on what is in service, so that they are tried out elsewhere first, `takes_back`
    one that runs the downgrades of revisions, with what they destroy, `accepts` one that records a person's word that
    something unexpected is meant, `saves` one that takes a backup, `restores` one that takes from a backup,
    `recovers` one that replays the server's log elsewhere, `administers` one that goes in as the administrator, where
    the tier names one, `lifts` one that takes guards away, `arms` one that arms a terminal for the others,
    `entitles` one about the rights of roles. `part` is the weakest role that can do it, where the tier has that one.
    `asked_as` is how the command line asks for one that has no task of its name.
    """

    name: str
    effect: Effect
    summary: str
    catalogue_only: bool = False
    replaces: bool = False
    hands_out: bool = False
    proves: bool = False
    seeds: bool = False
    builds: bool = False
    brings_back: bool = False
    drops: bool = False
    rehearses: bool = False
    takes_back: bool = False
    accepts: bool = False
    saves: bool = False
    restores: bool = False
    recovers: bool = False
    administers: bool = False
    lifts: bool = False
    arms: bool = False
    entitles: bool = False
    part: Part | None = None
    stamps: Stamping = Stamping.NEVER
    asked_as: str = ""

    @property
    def on_paper(self) -> bool:
        """Whether its plan can be approved on paper and run where nobody sits: not what is for this very process."""
        return self.effect > Effect.READ and not (self.hands_out or self.arms)

    @property
    def command(self) -> str:
        """What follows `invoke` to ask for it.

        >>> Operation(name="accept", effect=Effect.ADD, summary="", asked_as="drift --accept").command
        'drift --accept'
        """
        return self.asked_as or self.name
