"""What the command line asks for besides the verb."""

from __future__ import annotations

from dbtasks.arming import ArmTerminal
from dbtasks.risks import Ceiling
from dbtasks.values import dataclass
from dbtasks.way_back import Back


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line adds to the verb: a command to run, read-only or not, other seed sets than the tier's.

    `purpose` says what this process wants the way in for, where there is no command. `entry` is the one to undo.
    `fresh`: built from nothing, whatever is in stock. `to` is the revision that a downgrade leads to,
    `walks`: through the tiers in their order, each to be proven before the next. `reason`: why drift is accepted.
    `backup` is the one to restore, `into` a database of that name beside, or only `tables` of it, `back_how` much of
    them. `restored` is such a database, to be dropped. A recovery goes to right `before` that entry, or `to` a point.
    `no_backup_because`: why what is destroyed may not be brought back.
    `agreed` are the ceilings that were approved elsewhere; `None`: nobody has agreed to any yet.
    `arms` is the terminal that is to be armed.
    """

    command: tuple[str, ...] = ()
    read_only: bool = False
    purpose: str = ""
    seed_sets: tuple[str, ...] | None = None
    retry: tuple[str, ...] = ()
    entry: int | None = None
    fresh: bool = False
    to: str = ""
    walks: bool = False
    reason: str = ""
    backup: str = ""
    into: str = ""
    restored: str = ""
    tables: tuple[str, ...] = ()
    back_how: Back = Back.CHANGED
    before: int | None = None
    no_backup_because: str = ""
    agreed: tuple[Ceiling, ...] | None = None
    arms: ArmTerminal | None = None
