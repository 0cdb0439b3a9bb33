"""The audit trail: what was intended, before the first write; how it ended, after the last; what was refused.

One JSON object a line, chained by hashes: `trail_file` tells the shape, `trail_proof` verifies, `trail_query` reads.
If an intent cannot be written, nothing may happen: callers write it first and let `TrailError` pass.
"""

from __future__ import annotations

import enum
import errno
from collections.abc import Mapping
from pathlib import Path

import dbtasks
from dbtasks.author import Who, whoami
from dbtasks.effects import Effect
from dbtasks.errors import TrailError
from dbtasks.masking import mask
from dbtasks.rotation import NEVER, Rotation
from dbtasks.trail_detail import JsonValue, clean, encode
from dbtasks.trail_file import LineTooLongError, Link, append
from dbtasks.values import dataclass

__all__ = ["Act", "Outcome", "Trail", "Who", "whoami"]

_MENDING = {
    errno.ENOSPC: "Free space",
    errno.EDQUOT: "Free space within your quota",
    errno.EFBIG: "Raise the file size limit (ulimit -f) or move the file away",
    errno.EROFS: "Make its file system writable",
    errno.EACCES: "Make it and its folder writable for you",
    errno.EPERM: "Make it and its folder writable for you",
    errno.EISDIR: "Move the folder away that stands in its place",
    errno.ELOOP: "Put a plain file in the place of the symbolic link",
    errno.ENOTDIR: "Move the file away that stands in the place of its folder",
    errno.EINVAL: "Move the file away, or name another trail in config/tiers.yaml",
    errno.EBUSY: "End that process",
}


class Outcome(enum.StrEnum):
    """How an operation ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an entry is about: the verb, the tier's name, the masked target, the plan's hash, what it does to data."""

    operation: str
    tier: str | None = None
    target: str | None = None
    plan: str | None = None
    effect: Effect | None = None


class Trail:
    """The way to add entries. It keeps no file open, so that it survives forks, rotations and threads.

    `written` is the entry that was added last through this object.
    """

    __slots__ = ("_intents", "_rotation", "_who", "path", "written")

    def __init__(self, path: Path, who: Who, rotation: Rotation = NEVER) -> None:
        self.path, self._who, self._rotation = path, who, rotation
        self._intents: dict[int, Act] = {}
        self.written: Link | None = None

    def intent(self, act: Act, detail: Mapping[str, object] | None = None) -> int:
        """Record what is about to be done and return the entry's number; the entry is on the disk by then.

        TrailError: it is not, and nothing may be done.
        """
        number = self._add("intent", act, {}, detail)
        self._intents[number] = act
        return number

    def result(
        self,
        of: int,
        *,
        outcome: Outcome,
        duration_ms: int | None = None,
        detail: Mapping[str, object] | None = None,
        act: Act | None = None,
    ) -> int:
        """Record how the intent with number `of` ended and return the new entry's number.

        `act` is needed only for an intent that another Trail has written (one that clears up after a dead process).
        ValueError: no such intent is open here. TrailError: the operation has ended and its result is not recorded.
        """
        known = act or self._intents.get(of)
        if known is None:
            raise ValueError(f"entry {of} is no open intent of this trail")
        number = self._add("result", known, {"of": of, "outcome": outcome, "duration_ms": duration_ms}, detail)
        self._intents.pop(of, None)
        return number

    def refusal(self, act: Act, *, code: str, detail: Mapping[str, object] | None = None) -> int:
        """Record that the guard said no, with the refusal's code, and return the entry's number."""
        return self._add("refusal", act, {"outcome": code}, detail)

    def note(self, act: Act, detail: Mapping[str, object] | None = None, *, of: int | None = None) -> int:
        """Record something that is neither begun nor refused (a URL handed to a runtime), and return its number.

        `of` is the intent that it belongs to, and that goes on.
        """
        return self._add("note", act, {"of": of}, detail)

    def _add(self, kind: str, act: Act, ending: dict[str, JsonValue], detail: Mapping[str, object] | None) -> int:
        body = _body(kind, act, ending, self._who.here(), detail)
        try:
            self.written = link = append(self.path, body, self._rotation)
            return link.entry
        except (OSError, LineTooLongError) as error:
            ended = f"{act.operation} has ended ({ending['outcome']})" if kind == "result" else None
            raise TrailError(_sentence(self.path, error, ended, ending.get("of"))) from error


def _body(kind: str, act: Act, ending: dict[str, JsonValue], who: Who, detail: Mapping[str, object] | None) -> bytes:
    """Return the middle of a line, from `kind` to `version`. Absent values have no key.

    Texts from outside are masked. Words of our own (verbs, tiers, outcomes) are not: a password that happens to be
    "int" would make an entry's tier unreadable, and hides nothing.
    """
    values: dict[str, JsonValue] = {
        "kind": kind,
        "of": ending.get("of"),
        "operation": act.operation,
        "tier": act.tier,
        "target": None if act.target is None else mask(act.target),
        "person": mask(who.person),
        "host": mask(who.host),
        "pid": who.pid,
        "started": who.started or None,
        "surroundings": mask(who.surroundings),
        "plan": act.plan,
        "effect": act.effect.name if act.effect is not None else None,
        "outcome": ending.get("outcome"),
        "duration_ms": ending.get("duration_ms"),
        "commit": who.commit,
        "detail": clean(detail) if detail else None,
        "version": dbtasks.__version__,
    }
    return encode({key: value for key, value in values.items() if value is not None})[1:-1]


def _sentence(path: Path, error: OSError | LineTooLongError, ended: str | None, intent: object) -> str:
    """Return what is wrong, what that means for the operation, and what to do."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    mending = _MENDING.get((error.errno if isinstance(error, OSError) else None) or 0, "Mend that")
    head = f"The trail {_shown(path)} cannot be written: {reason}."
    if ended is not None:
        return f"{head} {ended}, but that is not recorded: entry {intent} will show as unfinished. {mending}."
    return f"{head} Nothing was done. {mending}, then run the command again."


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
