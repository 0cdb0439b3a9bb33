"""The safety score as values: what each probe found, and what that comes to. Whoever shows it renders these.

Only what was shown earns. Not knowing earns nothing and hides nothing; what is known to be broken bounds the whole.
"""

from __future__ import annotations

import enum
from datetime import datetime

from dbtasks.values import dataclass

# With a critical that fails, whatever else is proven is behind an open door; with anything else, 90 is out of reach.
MOST_WITH_A_CRITICAL_FAILURE = 49
MOST_WITH_A_FAILURE = 89


class Verdict(enum.StrEnum):
    """In the order in which people should read them."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    PASS = "pass"  # noqa: S105 - the word, no password


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a probe saw in one place. `mend` is a command or an order; `tier` is empty where it is about no tier."""

    verdict: Verdict
    saw: str
    mend: str = ""
    tier: str = ""

    def as_data(self) -> dict[str, object]:
        return {"verdict": self.verdict.value, "saw": self.saw, "mend": self.mend, "tier": self.tier}


def passed(saw: str, tier: str = "") -> Finding:
    return Finding(verdict=Verdict.PASS, saw=saw, tier=tier)


def failed(saw: str, mend: str, tier: str = "") -> Finding:
    return Finding(verdict=Verdict.FAIL, saw=saw, mend=mend, tier=tier)


def unknown(saw: str, mend: str = "", tier: str = "") -> Finding:
    return Finding(verdict=Verdict.UNKNOWN, saw=saw, mend=mend, tier=tier)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A probe as it is known: by its name, what passing it means, and whether its failure bounds the score.

    `feature`: one of the sixteen that make the score up; the further ones bound it only.
    """

    name: str
    promise: str
    critical: bool = False
    feature: bool = True

    @property
    def page(self) -> str:
        return f"docs/probes/{self.name}.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one probe found, at which time and after how long. There is at least one finding."""

    about: About
    findings: tuple[Finding, ...]
    at: datetime
    seconds: float

    @property
    def deciding(self) -> Finding:
        """The first of the worst: what must be mended before the rest counts."""
        order = list(Verdict)
        return min(self.findings, key=lambda each: order.index(each.verdict))

    @property
    def verdict(self) -> Verdict:
        return self.deciding.verdict

    def as_data(self) -> dict[str, object]:
        found = self.deciding
        return {
            "verdict": found.verdict.value,
            "saw": found.saw,
            "at": self.at.isoformat(timespec="milliseconds"),
            "seconds": round(self.seconds, 3),
            "mend": found.mend,
            "tier": found.tier,
            "critical": self.about.critical,
            "page": self.about.page,
            "findings": [each.as_data() for each in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Every answer, the tiers that it is about, by name, and those of them that could be looked at."""

    answers: tuple[Answer, ...]
    tiers: tuple[str, ...]
    looked_at: tuple[str, ...]
    at: datetime

    @property
    def features(self) -> tuple[Answer, ...]:
        return tuple(each for each in self.answers if each.about.feature)

    @property
    def further(self) -> tuple[Answer, ...]:
        return tuple(each for each in self.answers if not each.about.feature)

    @property
    def proven(self) -> int:
        """How many of the features were shown."""
        return sum(each.verdict is Verdict.PASS for each in self.features)

    @property
    def value(self) -> int:
        """From 0 to 100: the share of the features that is proven, bounded by what is known to be broken."""
        broken = [each.about for each in self.answers if each.verdict is Verdict.FAIL]
        value = 100 * self.proven // max(1, len(self.features))
        if any(each.critical for each in broken):
            return min(value, MOST_WITH_A_CRITICAL_FAILURE)
        return min(value, MOST_WITH_A_FAILURE) if broken else value

    @property
    def bounded_by(self) -> tuple[str, ...]:
        """The names of the failures that keep the score lower than the share of what is proven."""
        if self.value == 100 * self.proven // max(1, len(self.features)):
            return ()
        broken = [each.about for each in self.answers if each.verdict is Verdict.FAIL]
        critical = tuple(each.name for each in broken if each.critical)
        return critical or tuple(each.name for each in broken)

    def count(self, verdict: Verdict) -> int:
        return sum(each.verdict is verdict for each in self.features)

    def as_data(self) -> dict[str, object]:
        """Return the shape that scripts know, with the evidence beside it: what is unknown is false in `metrics`."""
        return {
            "score": self.value,
            "implemented_features": self.proven,
            "total_features": len(self.features),
            "metrics": {each.about.name: each.verdict is Verdict.PASS for each in self.features},
            "further": {each.about.name: each.verdict is Verdict.PASS for each in self.further},
            "evidence": {each.about.name: each.as_data() for each in self.answers},
            "bounded_by": list(self.bounded_by),
            "tiers": list(self.tiers),
            "looked_at": list(self.looked_at),
            "at": self.at.isoformat(timespec="milliseconds"),
        }
