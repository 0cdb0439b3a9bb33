"""Findings for scripts: a JSON list."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dbtasks.lint.findings import Finding


def view(findings: Sequence[Finding], file: str) -> str:
    return json.dumps([each.as_data() | {"file": file or each.file or None} for each in findings], ensure_ascii=False)
