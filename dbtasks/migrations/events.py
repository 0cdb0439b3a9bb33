"""What a worker reports while it runs, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dbtasks.statements import Change, ChangeKind, LockTaken, Statement
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The worker has read its job and runs this Alembic and SQLAlchemy."""

    alembic: str
    sqlalchemy: str
    driver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWait:
    """Somebody else migrates this database; the worker waits."""

    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The worker stands on the cleared database and holds its lock."""

    system_identifier: int
    oid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The revisions that Alembic is about to run, in its order."""

    revisions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionStarted:
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionApplied:
    """The revision has run; whether it is committed is known only when the worker has ended."""

    revision: str
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRun:
    """A rehearsed revision has executed a statement."""

    statement: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A rehearsed revision took something away from what had been there, or newly demands something of it."""

    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """The revision waits for a lock that others have, or will have before it; each in words. The parent has looked."""

    revision: str | None
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAgain:
    """A revision got no lock and went back whole; after a pause a new worker goes on with it."""

    revision: str | None
    blockers: str
    number: int
    tries: int
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsSeen:
    """What the build depends on, as the worker saw it: told right before `Done`. See `dbtasks.inputs.recorded`.

    `facets` has for each facet what was seen by path, `modules` for each folder the names that imports asked for and
    the entries that answered. Paths are relative where they begin with the project's root. Of `variables` it has only
    the names, and with `everything` any variable may have been read. `reasons` say why the build must not be
    remembered.
    """

    python: str
    prefix: str
    facets: Mapping[str, Mapping[str, str]]
    modules: Mapping[str, Sequence[Sequence[str]]]
    variables: tuple[str, ...]
    everything: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Alembic came to its end. `version_table` is schema.name."""

    heads: tuple[str, ...]
    version_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something raised. `revision` is `None` when no revision had begun, `where` file and line of its code."""

    revision: str | None
    error: str
    message: str
    sqlstate: str | None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The worker ended itself. `kind` says by which rule: target, bookkeeping, bytes, torn or lock."""

    kind: str
    reason: str
    revision: str | None


Event = (
    Started
    | LockWait
    | Connected
    | Planned
    | RevisionStarted
    | RevisionApplied
    | StatementRun
    | Changed
    | Blocked
    | TriedAgain
    | InputsSeen
    | Done
    | Failed
    | Stopped
)


def _statement(*, locks: Sequence[Sequence[str]], **rest: Any) -> StatementRun:
    taken = tuple(LockTaken(relation=relation, mode=mode) for relation, mode in locks)
    return StatementRun(statement=Statement(locks=taken, **rest))


def _changed(*, kind: str, **rest: Any) -> Changed:
    return Changed(change=Change(kind=ChangeKind(kind), **rest))


_KINDS: dict[str, Callable[..., Event]] = {
    "started": Started,
    "lock_wait": LockWait,
    "connected": Connected,
    "planned": Planned,
    "revision_started": RevisionStarted,
    "revision_applied": RevisionApplied,
    "statement": _statement,
    "changed": _changed,
    "inputs_seen": InputsSeen,
    "done": Done,
    "failed": Failed,
    "stopped": Stopped,
}


def parse(message: Mapping[str, object]) -> Event | None:
    """Return the event of one of the worker's messages; `None` for one that is none of these.

    >>> parse({"event": "planned", "revisions": ["a1", "b2"]})
    Planned(revisions=('a1', 'b2'))
    """
    kind = _KINDS.get(str(message["event"]))
    if kind is None:
        return None
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in _values(message)})


def _values(message: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(key, value) for key, value in message.items() if key != "event"]
