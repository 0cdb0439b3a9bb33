"""What an operation would do, as values, with a hash. Making a plan changes nothing.

The hash covers what would be done, never how much there is of it: no counts, sizes, durations or sessions. So it
stays the same while people work, and differs as soon as the plan would do something else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import timedelta

from dbtasks.arming import ArmTerminal
from dbtasks.canonical import canonical
from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, Identity
from dbtasks.measures import LiftGuards, PutGuards
from dbtasks.risks import Ceiling
from dbtasks.roles import GiveRights
from dbtasks.tiers import Floor
from dbtasks.values import dataclass
from dbtasks.way_back import CopyBack, NameBeside, PutMark, RecoverTo, RestoreBackup, TakeBackup


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionBytes:
    """A revision and the sha256 of its file's bytes, in hexadecimal."""

    id: str
    checksum: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """See that the `models` and the database agree, and that the application's own `check` ends with 0. Both read.

    `records`: another tier goes by this one, so that what fails is written down here until it passes.
    """

    models: bool
    check: tuple[str, ...] = ()
    records: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildAside:
    """Create a database under a name of our own; nothing that exists is touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStamp:
    """Write the identity row: which tier this database is, and the floor it demands."""

    floor: Floor


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBaseline:
    """Write down that these revisions were there before us, by the bytes that they have now.

    `unknown` are those that the version table names and the code does not have: then nothing is written.
    """

    revisions: tuple[RevisionBytes, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRevisions:
    """Bring the schema to `heads` by these revisions, in this order. `retry` are torn ones that were put right.

    `statements` are digests over what each revision executed in the rehearsal, empty where there was none. `ceilings`
    are the most that may be lost, `lint` the rules that object, each with its revision.
    """

    revisions: tuple[RevisionBytes, ...]
    heads: tuple[str, ...]
    retry: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    lint: tuple[str, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Run the downgrades of these revisions, in this order, so that the database is at revision `to` or `base`.

    `retry` are those whose downgrade was torn and was put right; the rest is as for `ApplyRevisions`.
    """

    revisions: tuple[RevisionBytes, ...]
    to: str
    retry: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    lint: tuple[str, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSeeds:
    """Add what the seed sets hold and the database lacks. `digest` covers every file's name and bytes."""

    sets: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Check that the database is at the heads and that its constraints hold."""

    heads: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapIn:
    """Put the database built aside in the target's place by renaming; the old one is kept for `keep`.

    Where no database can be created it was built on the private server, and goes in the place of these `schemas`
    inside the target, which are renamed and kept. `None`: the database itself is renamed.
    """

    keep: timedelta
    replaces: bool
    schemas: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepReady:
    """Keep what was built as a template, and a clone of it under a name of our own that the next reset renames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BringBack:
    """Put the kept database with this oid in the target's place by renaming; what is there now is kept for `keep`.

    With a `mark` it is the schemas kept under it that come back, inside the database.
    """

    oid: int
    keep: timedelta
    mark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropKept:
    """Drop the kept databases with these oids, the schemas kept under these marks, and these backups by their ids."""

    oids: tuple[int, ...]
    marks: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOut:
    """Give a process the way in: a command's environment, or where `command` is empty this process, for `purpose`."""

    command: tuple[str, ...]
    read_only: bool
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptDrift:
    """Record that a schema is meant to be as it is, and why.

    `fingerprint` is the schema's, `differences` are where it is not what its revisions produce, each as its digest and
    a few words.
    """

    fingerprint: str
    differences: tuple[str, ...]
    reason: str


Step = (
    BuildAside
    | PutStamp
    | RecordBaseline
    | ApplyRevisions
    | TakeBack
    | LoadSeeds
    | Verify
    | Prove
    | SwapIn
    | KeepReady
    | BringBack
    | DropKept
    | HandOut
    | AcceptDrift
    | TakeBackup
    | PutMark
    | RestoreBackup
    | NameBeside
    | CopyBack
    | RecoverTo
    | PutGuards
    | LiftGuards
    | ArmTerminal
    | GiveRights
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps that one operation would take on one target. `target` is `None` where no database exists yet."""

    operation: Operation
    tier: str
    project: str
    database: str
    server: int
    target: Identity | None
    effect: Effect
    steps: tuple[Step, ...]

    @property
    def hash(self) -> str:
        """sha256 over everything above, in hexadecimal."""
        # The operation counts by its name: its summary is prose.
        content = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "operation"}
        text = json.dumps([self.operation.name, canonical(content)], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def as_data(self) -> dict[str, object]:
        """Return the plan as plain data for `--format=json`."""
        return {
            "operation": self.operation.name,
            "tier": self.tier,
            "database": self.database,
            "effect": self.effect.name,
            "steps": [canonical(step) for step in self.steps],
            "hash": self.hash,
        }


def plan_of(operation: Operation, evidence: Evidence, effect: Effect, steps: tuple[Step, ...]) -> Plan:
    """Return the plan of an operation on what the evidence describes."""
    return Plan(
        operation=operation,
        tier=evidence.tier.name,
        project=evidence.project,
        database=evidence.name,
        server=evidence.server.system_identifier,
        target=evidence.identity,
        effect=effect,
        steps=steps,
    )
