"""Another linter's word: squawk, a program of its own. What our rules judge by the catalogue, they say alone."""

from __future__ import annotations

import enum
import json
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from dbtasks.lint.findings import Severity
from dbtasks.lint.parsing import MissingLintError
from dbtasks.values import dataclass

_TIMEOUT_S = 120


class Left(enum.Enum):
    """Why a rule of squawk's is not shown."""

    JUDGED = "our own rules say it, and know from the catalogue when it is no harm"
    NEEDLESS = "dbtasks sees to it by itself"


# What squawk 2.70 knows. A rule that a newer one adds is shown as medium until somebody has judged it.
KNOWN: dict[str, Severity | Left] = {
    "squawk-failed": Severity.MEDIUM,
    "prefer-bigint-over-int": Severity.ADVICE,
    "prefer-bigint-over-smallint": Severity.ADVICE,
    "prefer-identity": Severity.ADVICE,
    "prefer-text-field": Severity.ADVICE,
    "prefer-timestamp-tz": Severity.ADVICE,
    "ban-char-field": Severity.ADVICE,
    "ban-create-domain-with-constraint": Severity.ADVICE,
    "require-enum-value-ordering": Severity.ADVICE,
    "identifier-too-long": Severity.MEDIUM,
    "transaction-nesting": Severity.MEDIUM,
    "ban-uncommitted-transaction": Severity.MEDIUM,
    "prefer-robust-stmts": Left.NEEDLESS,
    "require-timeout-settings": Left.NEEDLESS,
    "require-lock-timeout": Left.NEEDLESS,
    "require-statement-timeout": Left.NEEDLESS,
    "unused-ignore": Left.NEEDLESS,
    "syntax-error": Left.JUDGED,
    **dict.fromkeys(
    (
        "require-concurrent-index-creation", "require-concurrent-index-deletion", "constraint-missing-not-valid",
        "adding-field-with-default", "adding-foreign-key-constraint", "changing-column-type",
        "adding-not-nullable-field", "adding-serial-primary-key-field", "renaming-column", "renaming-table",
        "disallowed-unique-constraint", "ban-drop-database", "ban-drop-column", "ban-drop-table", "ban-drop-not-null",
        "adding-required-field", "require-concurrent-partition-detach", "ban-alter-domain-with-add-constraint",
        "ban-concurrent-index-creation-in-transaction", "ban-truncate-cascade", "require-concurrent-reindex",
        "prefer-repack",
    ),
    Left.JUDGED,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What squawk says: of which of the texts, and in which of its lines, counted from 1."""

    text: int
    line: int
    rule: str
    severity: Severity
    message: str


def remarks(texts: Sequence[str]) -> Iterator[Remark]:
    """Yield what squawk says of these texts and what is shown of it."""
    starts = list(accumulate((text.count("\n") + 2 for text in texts), initial=0))
    for each in _asked("\n;\n".join(texts)):
        rule = str(each.get("rule_name", ""))
        severity = KNOWN.get(rule, Severity.MEDIUM)
        if isinstance(severity, Left):
            continue
        at = int(str(each.get("line", 0)))
        text = max(number for number, start in enumerate(starts[:-1] or [0]) if start <= at)
        message = " ".join(str(part).strip() for part in (each.get("message"), each.get("help")) if part)
        yield Remark(text=text, line=at - starts[text] + 1, rule=rule, severity=severity, message=message)


def _asked(text: str) -> list[dict[str, object]]:
    command = [program(), "--reporter=json", "--stdin-filepath=statements.sql"]
    try:
        # In the root folder and without a variable: a settings file of squawk's would change what it says.
        done = subprocess.run(
            command, input=text, capture_output=True, encoding="utf-8", env={}, cwd="/", timeout=_TIMEOUT_S, check=False
        )
        found = json.loads(done.stdout)
    except (json.JSONDecodeError, subprocess.TimeoutExpired):
        return [{"rule_name": "squawk-failed", "message": "squawk could not read these statements; our own rules did."}]
    return found if isinstance(found, list) else []


def program() -> str:
    """Return the path of squawk beside this Python, else the one on the PATH."""
    beside = shutil.which("squawk", path=sysconfig.get_path("scripts"))
    found = beside or shutil.which("squawk")
    if found is None:
        raise MissingLintError("squawk-cli")
    return str(Path(found).absolute())
