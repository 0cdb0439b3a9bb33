"""Findings for people: where, how bad, what happens, and what to write instead. Advice is counted, not told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from dbtasks.lint.findings import Finding, Severity

_MARKS = {Severity.CRITICAL: "✗✗", Severity.HIGH: "✗ ", Severity.MEDIUM: "! ", Severity.LOW: "· "}
_WIDTH = 110


def view(findings: Sequence[Finding], file: str) -> str:
    told = [each for each in findings if each.severity > Severity.ADVICE]
    advice = Counter(each.rule for each in findings if each.severity is Severity.ADVICE)
    counted = ", ".join(f"{rule} ({number})" for rule, number in advice.most_common())
    more = [f"·  advice: {counted}. To read it: --format=json"] if advice else []
    return "\n".join([*(line for each in told for line in _lines(each, file)), *more, summary(findings)])


def _lines(finding: Finding, file: str) -> Iterator[str]:
    where = f"{finding.revision or file}:{finding.line}"
    waived = f"  waived: {finding.waived}" if finding.waived else ""
    expired = f"  its waiver ended on {finding.expired}" if finding.expired else ""
    yield f"{_MARKS[finding.severity]} {where}  {finding.severity}  {finding.rule}{waived}{expired}"
    yield f"   {finding.message}"
    yield f"     {finding.statement if len(finding.statement) <= _WIDTH else finding.statement[:_WIDTH] + '…'}"
    if finding.lock:
        blocks = f": blocks {finding.blocks}" if finding.blocks else ""
        yield f"   lock     {finding.lock}{blocks}"
    if finding.safe and not finding.waived:
        yield from _aligned("instead", finding.safe.sql)
        yield from _aligned("Alembic", finding.safe.alembic)
    yield ""


def _aligned(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines()):
        yield f"   {'' if number else name:<8} {line}".rstrip()


def summary(findings: Sequence[Finding]) -> str:
    """Return how many there are of each kind, in a line."""
    counts = [
        f"{number} {severity}"
        for severity in reversed(Severity)
        if (number := sum(each.severity is severity for each in findings))
    ]
    waived = sum(bool(each.waived) for each in findings)
    return (", ".join(counts) or "nothing found") + (f"; {waived} waived" if waived else "")
