"""Findings as SARIF 2.1.0, which code hosts and editors read.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from dbtasks.lint.findings import Finding, Severity

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}


def view(findings: Sequence[Finding], file: str) -> str:
    rules = sorted({each.rule for each in findings})
    driver = {"name": "dbtasks lint", "rules": [{"id": each} for each in rules]}
    run = {"tool": {"driver": driver}, "results": [_result(each, file, rules) for each in findings]}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False)


def _result(finding: Finding, file: str, rules: Sequence[str]) -> dict[str, object]:
    where: dict[str, object] = {"logicalLocations": [{"name": finding.revision, "kind": "module"}]}
    if finding.file:
        where["physicalLocation"] = {"artifactLocation": {"uri": finding.file}}
    if file:
        region = {"startLine": finding.line}
        where = {"physicalLocation": {"artifactLocation": {"uri": file}, "region": region}}
    instead = f" Instead:\n{finding.safe.sql}" if finding.safe else ""
    waived = {"suppressions": [{"kind": "external", "justification": finding.waived}]} if finding.waived else {}
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": _LEVELS.get(finding.severity, "note"),
        "message": {"text": finding.message + instead},
        "locations": [where],
        "properties": {"severity": str(finding.severity), "lock": finding.lock, "statement": finding.statement},
    } | waived
