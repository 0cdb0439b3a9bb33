"""A plan on paper: one JSON file that is carried to those who agree, and to where it runs.

What is signed is not the file's text but what it says, in one spelling, so that a reformatted file is the same plan.
The plan's steps are in it as values: whoever reads it makes the hash from them, and believes none that stands there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dbtasks.approvals import decoding
from dbtasks.canonical import canonical
from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Identity
from dbtasks.operations import VERBS
from dbtasks.plan import ApplyRevisions, Plan, TakeBack
from dbtasks.proof import Vouched
from dbtasks.rehearsed import fingerprint
from dbtasks.risks import Ceiling
from dbtasks.statements import Statement
from dbtasks.values import dataclass
from dbtasks.way_back import Back

FORMAT = "dbtasks plan 1"
LONGEST = 20_000_000
MOST_APPROVALS = 50


class NotAPlanError(ValueError):
    """Why a text is no plan on paper, as a clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asked for besides verb and tier, so that the same plan can be made again."""

    retry: tuple[str, ...] = ()
    to: str = ""
    seed_sets: tuple[str, ...] | None = None
    entry: int | None = None
    backup: str = ""
    into: str = ""
    restored: str = ""
    tables: tuple[str, ...] = ()
    back_how: Back = Back.CHANGED
    before: int | None = None
    no_backup_because: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One approver's word: why, and the signature over that and the plan."""

    reason: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is signed. `place` and `asked_by` are for people; times are the server's.

    `statements` are each revision's as the rehearsal executed them, which the plan holds to by their fingerprints;
    `at_risk` was counted when the plan was made, and the plan's ceilings are what holds. `vouched` is what the tier
    before said of the revisions, for where it runs and that tier cannot be seen.
    """

    id: str
    plan: Plan
    asked: Asked
    place: str
    asked_by: str
    requested_at: datetime
    expires_at: datetime
    statements: tuple[tuple[str, ...], ...] = ()
    at_risk: tuple[str, ...] = ()
    vouched: Vouched | None = None

    @property
    def text(self) -> str:
        """The one spelling, which the request's signature is over."""
        plan = self.plan
        content: dict[str, object] = {
            "format": FORMAT,
            "id": self.id,
            "hash": plan.hash,
            "operation": plan.operation.name,
            "tier": plan.tier,
            "project": plan.project,
            "database": plan.database,
            "server": plan.server,
            "target": canonical(plan.target),
            "effect": plan.effect.name,
            "steps": canonical(plan.steps),
            "asked": canonical(self.asked),
            "place": self.place,
            "asked_by": self.asked_by,
            "requested_at": self.requested_at.astimezone(UTC).isoformat(),
            "expires_at": self.expires_at.astimezone(UTC).isoformat(),
            "statements": canonical(self.statements),
            "at_risk": canonical(self.at_risk),
            "vouched": canonical(self.vouched),
        }
        return _spelled(content)

    def agreed(self, reason: str) -> str:
        """Return what an approver's signature is over."""
        return _spelled({"approves": hashlib.sha256(self.text.encode()).hexdigest(), "id": self.id, "reason": reason})

    @property
    def ceilings(self) -> tuple[Ceiling, ...] | None:
        """The most that may be lost; `None` where no revision runs."""
        moves = [step for step in self.plan.steps if isinstance(step, ApplyRevisions | TakeBack)]
        return moves[0].ceilings if moves else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The file: the content, who asks for it (an empty signature: nobody), and who agrees."""

    content: Content
    request: str = ""
    agreements: tuple[Agreement, ...] = ()

    def as_text(self) -> str:
        agreements = [{"reason": each.reason, "signature": each.signature} for each in self.agreements]
        data = {"plan": json.loads(self.content.text), "request": self.request, "approvals": agreements}
        return json.dumps(data, indent=1, ensure_ascii=True) + "\n"


def read(text: str) -> Paper:
    """Return the paper that a text is. NotAPlanError says why it is none."""
    if len(text) > LONGEST:
        raise NotAPlanError("it is too long")
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except NotAPlanError:
        raise
    except (ValueError, RecursionError):
        raise NotAPlanError("it is not JSON") from None
    top = _exactly(data, {"plan": dict, "request": str, "approvals": list}, "the file")
    if len(top["approvals"]) > MOST_APPROVALS:
        raise NotAPlanError("it has too many approvals")
    told = [_exactly(each, {"reason": str, "signature": str}, "an approval") for each in top["approvals"]]
    agreements = tuple(Agreement(reason=each["reason"], signature=each["signature"]) for each in told)
    return Paper(content=_content(top["plan"]), request=top["request"], agreements=agreements)


_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("format", "id", "hash", "operation", "tier", "project", "database", "effect", "place"), str),
    **dict.fromkeys(("asked_by", "requested_at", "expires_at"), str),
    "server": int,
    "target": dict | None,
    "steps": list,
    "asked": dict,
    "statements": list,
    "at_risk": list,
    "vouched": dict | None,
}


def _content(data: object) -> Content:
    found = _exactly(data, _FIELDS, "the plan")
    if found["format"] != FORMAT:
        raise NotAPlanError("it is of another version of dbtasks")
    try:
        content = Content(
            id=_id(found["id"]),
            plan=_plan(found),
            asked=decoding.value(found["asked"], Asked),
            place=found["place"],
            asked_by=found["asked_by"],
            requested_at=_time(found["requested_at"]),
            expires_at=_time(found["expires_at"]),
            statements=decoding.value(found["statements"], tuple[tuple[str, ...], ...]),
            at_risk=decoding.value(found["at_risk"], tuple[str, ...]),
            vouched=decoding.value(found["vouched"], Vouched | None),
        )
        spelled = json.loads(content.text)
    except (ValueError, OverflowError) as error:
        raise NotAPlanError(f"it cannot be read: {error}") from None
    if spelled != found:
        raise NotAPlanError("it was edited: its hash is not that of its steps")
    _hold_statements(content)
    return content


def _plan(found: Mapping[str, Any]) -> Plan:
    return Plan(
        operation=_operation(found["operation"]),
        tier=found["tier"],
        project=found["project"],
        database=found["database"],
        server=found["server"],
        target=decoding.value(found["target"], Identity | None),
        effect=decoding.value(found["effect"], Effect),
        steps=tuple(decoding.step(each) for each in found["steps"]),
    )


def _operation(name: str) -> Operation:
    there = {each.OPERATION.name: each.OPERATION for each in VERBS if each.OPERATION.on_paper}
    if name not in there:
        raise ValueError(f"{name[:20]!a} is not done by a plan on paper")
    return there[name]


def _hold_statements(content: Content) -> None:
    """Raise where the statements that are shown are not those that the plan holds to."""
    held = next((step.statements for step in content.plan.steps if isinstance(step, ApplyRevisions | TakeBack)), ())
    shown = tuple(fingerprint(tuple(Statement(text=text) for text in each)) for each in content.statements)
    if content.statements and shown != held:
        raise NotAPlanError("it was edited: its statements are not those of its steps")


def _id(text: str) -> str:
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        raise ValueError("its id is none")
    return text


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found


def _exactly(data: object, fields: Mapping[str, Any], what: str) -> dict[str, Any]:
    if not isinstance(data, dict) or data.keys() != fields.keys():
        raise NotAPlanError(f"{what} does not have the parts that it must have")
    for name, kind in fields.items():
        if not isinstance(data[name], kind) or isinstance(data[name], bool):
            raise NotAPlanError(f"{name} is of the wrong kind")
    return data


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAPlanError("a part is there twice")
    return found


def _no_number(name: str) -> object:
    raise NotAPlanError(f"{name} is no number")


def _spelled(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
