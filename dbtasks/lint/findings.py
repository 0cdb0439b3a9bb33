"""What a lint says: findings, how bad each is, and what to write instead."""

from __future__ import annotations

import enum

from dbtasks.lint.locks import blocks
from dbtasks.values import dataclass


class Severity(enum.IntEnum):
    """Ordered by how much harm is done. From `HIGH` on, a finding that nobody waived ends with exit code 1.

    >>> str(Severity.CRITICAL), Severity.HIGH > Severity.MEDIUM
    ('critical', True)
    """

    ADVICE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Safe:
    """What does the same without the harm, as SQL and as code of an Alembic revision."""

    sql: str
    alembic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding. `line` counts from 1, in the file or in the text of the revision's statement.

    `lock` is the lock that hurts, as `pg_locks.mode` spells it, empty where none does. `waived` is the reason of the
    waiver that covers this; `expired` the day on which one that would have covered it ended.
    `file` is the revision's.
    """

    rule: str
    severity: Severity
    line: int
    statement: str
    message: str
    lock: str = ""
    safe: Safe | None = None
    revision: str | None = None
    by_squawk: bool = False
    waived: str = ""
    file: str = ""
    expired: str = ""

    @property
    def blocks(self) -> str:
        """What others cannot do on the table meanwhile, in words."""
        return blocks(self.lock)

    @property
    def stops(self) -> bool:
        """Whether this ends a lint with exit code 1."""
        return self.severity >= Severity.HIGH and not self.waived

    def as_data(self) -> dict[str, object]:
        safe = {"sql": self.safe.sql, "alembic": self.safe.alembic} if self.safe else None
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "line": self.line,
            "statement": self.statement,
            "lock": self.lock,
            "blocks": self.blocks,
            "message": self.message,
            "safe": safe,
            "revision": self.revision,
            "waived": self.waived,
            "expired": self.expired,
        }
