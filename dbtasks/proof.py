"""What the tiers before have proven of the revisions that one tier is to take, and what stands in the way.

A tier takes only revisions that the tier before it has in its ledger with the same bytes. What is wrong is told
revision by revision and tier by tier, as a table for people and as data for scripts; `proof_words` has the sentences.
"""

from __future__ import annotations

import enum

from dbtasks.values import dataclass

SHOWN = 12  # of a checksum, and of a revision's id
_MOST_ROWS = 12
_MOST_TIERS = 4
_WIDTH = 100


class Proof(enum.Enum):
    """Whether the tier before this one has the pending revisions with the same bytes."""

    NOT_NEEDED = "not needed"
    PROVEN = "proven"
    UNPROVEN = "unproven"
    UNKNOWN = "unknown"
    CONTRADICTED = "contradicted by the tier's own history"


class Held(enum.Enum):
    """What a tier's ledger says of one revision."""

    SAME = "same bytes"
    OTHER = "other bytes"
    MISSING = "missing"
    TAKEN_BACK = "taken back"
    UNKNOWN = "unknown"


class Fault(enum.Enum):
    """What is wrong, in the order in which it is told: first what is the tier's own, then that of the tier before."""

    NOT_IN_CODE = "not in code"
    EDITED_HERE = "edited since it ran here"
    GAP_HERE = "left out here"
    HEADS = "several heads"
    UNREACHABLE = "unreachable"
    FAILING = "failing"
    EDITED = "edited"
    GAP = "left out"
    MISSING = "missing"


OWN = frozenset({Fault.NOT_IN_CODE, Fault.EDITED_HERE, Fault.GAP_HERE, Fault.HEADS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A revision as the project's files have it now. `path` is relative to the project's root."""

    id: str
    checksum: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What the tier before said of the revisions in a plan on paper, for where that tier cannot be seen.

    `server` and `oid` are the identity of the database that said it, `ledger` maps revision to checksum.
    """

    tier: str
    server: int
    oid: int
    ledger: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one tier's database says of itself. `silent` is why it says nothing, `failing` what is wrong with it.

    `ledger` maps revision to checksum, `taken_back` are those whose last word is a downgrade. `free`: it may lose
    everything. `first`: no tier comes before it. `server` and `oid` are its identity, where it was asked;
    `elsewhere`: nothing here leads to it, so that it may well be there.
    """

    tier: str
    label: str
    ledger: tuple[tuple[str, str], ...] = ()
    taken_back: frozenset[str] = frozenset()
    silent: str = ""
    failing: str = ""
    built: bool = True
    free: bool = False
    first: bool = False
    server: int = 0
    oid: int = 0
    elsewhere: bool = False

    def checksum(self, revision: str) -> str:
        return dict(self.ledger).get(revision, "")

    def holds(self, code: Code) -> Held:
        if self.silent:
            return Held.UNKNOWN
        found = self.checksum(code.id)
        if found:
            return Held.SAME if found == code.checksum else Held.OTHER
        return Held.TAKEN_BACK if code.id in self.taken_back else Held.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with the revisions that it is about."""

    fault: Fault
    revisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofReport:
    """What was found. `tiers` are in the order of migrations, the last being the one that is to take the revisions.

    `code` are the revisions that it is about, in their order.
    """

    name = "proof"  # its place in JSON

    findings: tuple[Finding, ...]
    code: tuple[Code, ...]
    tiers: tuple[Witness, ...]

    @property
    def state(self) -> Proof:
        faults = {finding.fault for finding in self.findings}
        if not faults:
            return Proof.PROVEN
        if faults & OWN:
            return Proof.CONTRADICTED
        return Proof.UNKNOWN if Fault.UNREACHABLE in faults else Proof.UNPROVEN

    @property
    def vouched(self) -> Vouched | None:
        """What a plan on paper carries of the tier before; `None` where none was asked."""
        if len(self.tiers) < 2 or not self.tiers[-2].oid:
            return None
        before, wanted = self.tiers[-2], {code.id for code in self.code}
        ledger = tuple(each for each in before.ledger if each[0] in wanted)
        return Vouched(tier=before.tier, server=before.server, oid=before.oid, ledger=ledger)

    @property
    def first(self) -> Finding:
        """The finding that is told in words; the table has the others."""
        order = list(Fault)
        return min(self.findings, key=lambda finding: order.index(finding.fault))

    def about(self, finding: Finding) -> Witness:
        """Return the tier in which something was found."""
        return self.tiers[-1] if finding.fault in OWN else self.tiers[-2]

    def lines(self) -> list[str]:
        """Return the table: one row a revision, one column a tier, then what is wrong with a tier as a whole."""
        tiers = self.tiers[-_MOST_TIERS:]
        told = [code for code in self.code if self._is_told(code)]
        width = max([8, *(len(_short(code.id)) for code in told)]) + 2
        found = [_row(width, "revision", "file", *(tier.label for tier in tiers))] if told else []
        for code in told[:_MOST_ROWS]:
            cells = [self._cell(code, tier) for tier in tiers]
            found.append(_row(width, _short(code.id), code.checksum[:SHOWN] or "none", *cells))
        if len(told) > _MOST_ROWS:
            found.append(f"and {len(told) - _MOST_ROWS} more")
        found += [f"{tier.label}: {tier.silent or tier.failing}" for tier in tiers if tier.silent or tier.failing]
        return [line if len(line) <= _WIDTH - 2 else f"{line[: _WIDTH - 5]}..." for line in found]

    def as_data(self) -> dict[str, object]:
        """Return the same as plain data, with whole checksums and every revision."""
        return {
            "state": self.state.value,
            "findings": [
                {"fault": each.fault.value, "tier": self.about(each).tier, "revisions": list(each.revisions)}
                for each in self.findings
            ],
            "revisions": [
                {
                    "revision": code.id,
                    "file": code.path or None,
                    "checksum": code.checksum or None,
                    "tiers": {
                        tier.tier: {"held": tier.holds(code).value, "checksum": tier.checksum(code.id) or None}
                        for tier in self.tiers
                    },
                }
                for code in self.code
            ],
            "tiers": [
                {"tier": tier.tier, "silent": tier.silent or None, "failing": tier.failing or None}
                for tier in self.tiers
            ],
        }

    def _is_told(self, code: Code) -> bool:
        faulty = any(code.id in finding.revisions for finding in self.findings)
        return faulty or any(tier.holds(code) is not Held.SAME for tier in self.tiers[:-1])

    def _cell(self, code: Code, tier: Witness) -> str:
        held = tier.holds(code)
        if held is Held.OTHER:
            return tier.checksum(code.id)[:SHOWN]
        if held is Held.SAME:
            return "same"
        if tier is self.tiers[-1] and held is not Held.UNKNOWN:
            here = any(code.id in finding.revisions for finding in self.findings if finding.fault in OWN)
            return "no entry" if here else "pending"
        return str(held.value)


def _short(revision: str) -> str:
    """Return a revision as a table shows it; the name of its history stays."""
    history, slash, own = revision.rpartition("/")
    return f"{history[:SHOWN]}{slash}{own[:SHOWN]}"


def _row(width: int, *cells: str) -> str:
    first, *rest = cells
    return (f"{first:<{width}}" + "".join(f"{cell:<{SHOWN + 2}}" for cell in rest)).rstrip()
