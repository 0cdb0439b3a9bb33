"""What a plan is made from besides the evidence: the project's revisions and seeds, or the way in or back asked for."""

from __future__ import annotations

from datetime import datetime

from dbtasks.arming import ArmTerminal
from dbtasks.measures import Measure
from dbtasks.plan import Prove, RevisionBytes
from dbtasks.risks import Ceiling
from dbtasks.roles import Change
from dbtasks.values import dataclass
from dbtasks.way_back import Back, Backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A database that an operation replaced and that is still there.

    `entry` and `made_by` tell the trail's entry that replaced it, and whose trail that is. `tables` and `rows` are
    looked up only where a person is to read them; `rows` is the planner's estimate. Schemas that were replaced inside
    a database are known by their `mark`; their `oid` is 0. `restored`: it has replaced nothing and was not replaced; a
    backup became it, beside what is in service.
    """

    oid: int
    name: str
    entry: int | None
    made_by: str
    since: datetime
    until: datetime | None
    size_bytes: int
    tables: int | None = None
    rows: int | None = None
    mark: str | None = None
    restored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """What a plan is made from besides the evidence: the project's revisions and seeds, or the way in asked for.

    `revisions` are all of them, base first; `pending` those that the target lacks, `unrecorded` those that it has and
    its ledger does not, `unknown` those that it is at and the project does not have. `kept` is what would be brought
    back, `ended` and `ended_backups` what would go. `agreed` are the ceilings of an earlier plan that still hold.
    A downgrade takes `back` revisions, the newest first; `to` is what Alembic is told, `down_to` what the version table
    holds then. `schema` is the fingerprint of the target's schema, `drift` where it differs from what the revisions
    produce, `reason` why that is meant: all only where it is to be accepted. `prove` is what a tier must pass besides
    being at head, `backup` what is to be restored, `into` the name that it gets where it is not to take a place,
    `tables` are those of it that are to be copied back, and `back_how` says how much of them. `goal` is the point of
    the log to recover to. `measures` are the guards that are to be put, `passes` the role that they let pass, `beware`
    what they do not stop. `arms` is the terminal that is to be armed. `changes` are the
    statements that give roles the rights that they lack.
    """

    revisions: tuple[RevisionBytes, ...] = ()
    pending: tuple[RevisionBytes, ...] = ()
    unrecorded: tuple[RevisionBytes, ...] = ()
    unknown: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    seed_sets: tuple[str, ...] = ()
    seed_digest: str = ""
    command: tuple[str, ...] = ()
    read_only: bool = False
    purpose: str = ""
    retry: tuple[str, ...] = ()
    kept: Kept | None = None
    ended: tuple[Kept, ...] = ()
    agreed: tuple[Ceiling, ...] | None = None
    back: tuple[RevisionBytes, ...] = ()
    to: str = ""
    down_to: tuple[str, ...] = ()
    schema: str = ""
    drift: tuple[str, ...] = ()
    reason: str = ""
    prove: Prove | None = None
    backup: Backup | None = None
    into: str = ""
    ended_backups: tuple[Backup, ...] = ()
    tables: tuple[str, ...] = ()
    back_how: Back = Back.CHANGED
    goal: str = ""
    passes: str = ""
    measures: tuple[Measure, ...] = ()
    beware: tuple[str, ...] = ()
    arms: ArmTerminal | None = None
    changes: tuple[Change, ...] = ()
