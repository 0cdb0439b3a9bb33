"""Encryption at rest: what can be seen of it, graded by how it is known. One module a place where bytes lie."""

from __future__ import annotations

import enum

from dbtasks.values import dataclass


class Grade(enum.StrEnum):
    """VERIFIED: looked at just now. CLAIMED: somebody says so. ABSENT: looked at, and it is not there."""

    VERIFIED = "verified"
    CLAIMED = "claimed"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRest:
    """How the bytes of one place lie there, and by what that is known."""

    grade: Grade
    saw: str
    mend: str = ""
