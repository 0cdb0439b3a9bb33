"""An approved plan that somebody brings to be run, and whether its approval holds for what is there now."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

from dbtasks.proof import Vouched
from dbtasks.values import dataclass


class Approval(enum.Enum):
    """What an approval comes to, for one plan on one target at one moment."""

    NOT_WEIGHED = "nobody has looked at it"
    GIVEN = "it holds"
    FORGED = "a signature is none"
    NO_SIGNERS = "the stamp does not say who may sign"
    OTHER_SIGNERS = "the stamp says that others may sign"
    OTHER_TARGET = "it is for another database"
    SPENT = "it was used before"
    ENDED = "its time is over"
    NOT_YET = "its time has not come"
    OTHER_PLAN = "it is for another plan"
    TOO_FEW = "too few have agreed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whose signature it is: the names that a line of the allowed signers gives to a key, while that key counts."""

    names: tuple[str, ...]
    key: str
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    def counts(self, clock: datetime) -> bool:
        early = self.valid_after is not None and clock < self.valid_after
        late = self.valid_before is not None and clock >= self.valid_before
        return not (early or late)

    def is_also(self, other: Person) -> bool:
        """Return whether both are one: a key under two names, or a name with two keys, is one person."""
        return self.key == other.key or bool({*self.names} & {*other.names})

    def __str__(self) -> str:
        return self.names[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A plan on paper whose signatures were checked. `requester` is `None` where nobody with a key has asked.

    `oid` is `None` where no database existed. `signers` is the digest of the file that told who may sign, `forged` why
    a signature is none. Times are those of the server. `vouched` is what the tier before said when it was written.
    """

    id: str
    plan: str
    server: int
    oid: int | None
    requester: Person | None
    approvers: tuple[Person, ...]
    signers: str
    requested_at: datetime
    expires_at: datetime
    forged: str = ""
    vouched: Vouched | None = None

    def as_data(self) -> dict[str, object]:
        """Return what the trail keeps of it."""
        return {
            "id": self.id,
            "requested_by": str(self.requester) if self.requester else None,
            "approved_by": [str(each) for each in self.approvers],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """What a plan that is brought is weighed against: the plan of now, what the stamp says, and the server's clock.

    `demanded` is how many must agree besides who asks, `signers` the digest in the stamp, `spent` who has run the plan,
    `within` how long the tier lets any plan count, whatever the plan says itself.
    """

    plan: str
    server: int
    oid: int | None
    demanded: int
    signers: str | None
    clock: datetime
    within: timedelta
    spent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What an approval comes to, and why, as sentences."""

    approval: Approval
    why: str = ""


def weigh(brought: Brought, scales: Scales) -> Weighed:
    """Return what the approval comes to. The first that speaks against it decides."""
    for approval, why in _objections(brought, scales):
        if why:
            return Weighed(approval=approval, why=why)
    return Weighed(approval=Approval.GIVEN)


def agreeing(brought: Brought, clock: datetime) -> tuple[Person, ...]:
    """Return the different people whose signature counts now, who asked first.

    Whoever asks without a key is nobody: then one more must agree, since it takes two to reach what needs consent.
    """
    found: list[Person] = []
    for each in (brought.requester, *brought.approvers):
        if each is not None and each.counts(clock) and not any(each.is_also(other) for other in found):
            found.append(each)
    return tuple(found)


def _objections(brought: Brought, scales: Scales) -> tuple[tuple[Approval, str], ...]:
    return (
        (Approval.FORGED, brought.forged),
        (Approval.NO_SIGNERS, "" if scales.signers else "The stamp does not say who may sign."),
        (Approval.OTHER_SIGNERS, _signers(brought, scales)),
        (Approval.OTHER_TARGET, _target(brought, scales)),
        (Approval.SPENT, f"It was run before: {scales.spent}." if scales.spent else ""),
        (Approval.ENDED, _ended(brought, scales)),
        (Approval.NOT_YET, _early(brought, scales)),
        (Approval.OTHER_PLAN, _plan(brought, scales)),
        (Approval.TOO_FEW, _too_few(brought, scales)),
    )


def _signers(brought: Brought, scales: Scales) -> str:
    if brought.signers == scales.signers:
        return ""
    stamped = (scales.signers or "")[:8]
    return f"The allowed signers here ({brought.signers[:8]}) are not those of the stamp ({stamped})."


def _target(brought: Brought, scales: Scales) -> str:
    if (brought.server, brought.oid) == (scales.server, scales.oid):
        return ""
    return f"It was approved for {_where(brought)}, and this is {_where(scales)}."


def _where(one: Brought | Scales) -> str:
    return f"database {one.oid or 'none'} of server {one.server}"


def _ended(brought: Brought, scales: Scales) -> str:
    now = f"and the server's clock says {_time(scales.clock)}."
    if scales.clock >= brought.expires_at:
        return f"It ended {_time(brought.expires_at)}, {now}"
    if scales.clock - brought.requested_at >= scales.within:
        return f"It was asked for {_time(brought.requested_at)}, too long ago for a plan of this tier, {now}"
    return ""


def _early(brought: Brought, scales: Scales) -> str:
    if brought.requested_at <= scales.clock:
        return ""
    return f"It was asked for {_time(brought.requested_at)}, and the server's clock says {_time(scales.clock)}."


def _plan(brought: Brought, scales: Scales) -> str:
    if brought.plan == scales.plan:
        return ""
    return f"Approved was plan {brought.plan[:12]}, and what would run now is plan {scales.plan[:12]}."


def _too_few(brought: Brought, scales: Scales) -> str:
    people, needed = agreeing(brought, scales.clock), max(1, scales.demanded) + 1
    if len(people) >= needed:
        return ""
    asked = f"{brought.requester} asked for it" if brought.requester in people else "nobody with a key asked for it"
    agreed = [str(each) for each in people if each != brought.requester]
    more = needed - len(people)
    by = f"{', '.join(agreed)} agreed" if agreed else "nobody else agreed"
    return f"{asked[0].upper()}{asked[1:]}, {by}: {more} more {'person' if more == 1 else 'people'} must agree."


def _time(moment: datetime) -> str:
    return f"{moment:%d %b %Y %H:%M} UTC"
