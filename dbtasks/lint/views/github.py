"""Findings as annotations on a pull request: GitHub's workflow commands.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Sequence

from dbtasks.lint.findings import Finding, Severity

_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}


def view(findings: Sequence[Finding], file: str) -> str:
    return "\n".join(_line(each, file) for each in findings)


def _line(finding: Finding, file: str) -> str:
    level = "notice" if finding.waived else _LEVELS.get(finding.severity, "notice")
    place = f"file={_value(finding.file)}," if finding.file else ""
    if file:
        place = f"file={_value(file)},line={finding.line},"
    title = _value(f"{finding.rule} ({finding.severity})")
    where = f"revision {finding.revision}: " if finding.revision else ""
    waived = f" Waived: {finding.waived}" if finding.waived else ""
    instead = f"\nInstead:\n{finding.safe.sql}" if finding.safe and not finding.waived else ""
    return f"::{level} {place}title={title}::{_text(where + finding.message + waived + instead)}"


def _text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
