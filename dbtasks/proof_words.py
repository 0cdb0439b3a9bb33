"""What a refusal for lack of proof says: what was found, with both checksums, and the one command that helps."""

from __future__ import annotations

from dbtasks.proof import SHOWN, Fault, Finding, ProofReport, Witness

_MOST_NAMES = 3
_NEWER = "Put the old bytes back and write what is new as a revision of its own"


def saw(report: ProofReport) -> str:
    """Return what was found first, as a sentence."""
    finding = report.first
    tier, named = report.about(finding), names(finding.revisions)
    texts = {
        Fault.NOT_IN_CODE: f"{tier.label} is at revision {named}, which this code does not have.",
        Fault.GAP_HERE: f"{tier.label} has gone on without {named}: what comes before and after it is in its ledger.",
        Fault.HEADS: f"The revisions end in several heads, {named}, and no branch label tells them apart.",
        Fault.UNREACHABLE: f"Whether {tier.label} has {named} could not be found out.",
        Fault.FAILING: f"{tier.label}, the tier before, is failing: {tier.failing}.",
        Fault.GAP: f"{tier.label} has {named} by its version table only: dbtasks did not run it there.",
        Fault.MISSING: f"{tier.label} does not have {named}." if tier.built else f"{tier.label} is not built yet.",
    }
    return texts.get(finding.fault) or _edited(report, finding, tier)


def _edited(report: ProofReport, finding: Finding, tier: Witness) -> str:
    code = next(code for code in report.code if code.id == finding.revisions[0])
    then, now = tier.checksum(code.id)[:SHOWN], code.checksum[:SHOWN]
    more = f" (and {len(finding.revisions) - 1} more)" if len(finding.revisions) > 1 else ""
    return f"{code.path} was edited since {tier.label} ran it: {then} then, {now} now{more}."


def instead(report: ProofReport, operation: str) -> str:
    """Return the command that brings the proof, or shows what to mend. `operation` is what was refused."""
    finding, own = report.first, report.tiers[-1]
    tier = report.about(finding)
    look = f"invoke {operation} --tier={own.tier} --dry-run"
    match finding.fault:
        case Fault.NOT_IN_CODE:
            if own.free:
                return f"To build it anew from this code: invoke reset --tier={own.tier}"
            return f"Check out the commit that has it, or a newer one, then: {look}"
        case Fault.EDITED_HERE:
            return f"{_NEWER}, then: {look}"
        case Fault.GAP_HERE:
            # Whoever puts a revision below others edits one that ran, which is told first: so other means are likelier.
            drift, adopt = (f"invoke {word} --tier={own.tier}" for word in ("drift", "adopt"))
            never = f"If it never did, let it follow the newest revision (its down_revision), then: {look}"
            return f"If it ran by other means ({drift}), record it: {adopt}. {never}"
        case Fault.HEADS:
            return f"Merge them (alembic merge), then: invoke migrate --through={tier_before(report).tier}"
        case Fault.UNREACHABLE:
            return _reach(tier)
        case Fault.FAILING:
            return f"To see what to mend: invoke check --tier={tier.tier}"
        case Fault.EDITED:
            if tier.free:
                return f"To prove the new bytes: invoke reset --tier={tier.tier}"
            return f"{_NEWER}, then: invoke migrate --through={tier.tier}"
        case Fault.GAP:
            if tier.free:
                return f"To build it anew: invoke reset --tier={tier.tier}"
            return f"To record what it has, once you know it is right: invoke adopt --tier={tier.tier}"
    return _prove(tier)


def _reach(tier: Witness) -> str:
    if tier.free:  # perhaps it was never built; else that tells why as well
        return f"To build it: invoke reset --tier={tier.tier}"
    return f"To see why: invoke check --tier={tier.tier}"


def _prove(tier: Witness) -> str:
    if not tier.built:
        return f"To build it: invoke reset --tier={tier.tier}"
    way = f"--tier={tier.tier}" if tier.first else f"--through={tier.tier}"
    return f"To prove them first: invoke migrate {way}"


def tier_before(report: ProofReport) -> Witness:
    return report.tiers[-2]


def names(revisions: tuple[str, ...]) -> str:
    """Return the first few revisions, and how many more there are.

    >>> names(("r1", "r2")), names(("r1", "r2", "r3", "r4", "r5"))
    ('r1, r2', 'r1, r2, r3 and 2 more')
    """
    shown, more = ", ".join(revisions[:_MOST_NAMES]), len(revisions) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
