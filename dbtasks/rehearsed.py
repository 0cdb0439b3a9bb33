"""What a rehearsal showed, as values: the statements that were really executed, and what they did to what was there."""

from __future__ import annotations

import hashlib
import re

from dbtasks.statements import Change, Statement
from dbtasks.values import dataclass

# Literals differ from run to run where a revision draws them; the revision's own bytes are in every plan anyway.
_TOKEN = re.compile(
    r"""(?P<noise>--[^\n]*|/\*.*?\*/|\s+)|(?P<name>"(?:[^"]|"")*")"""
    r"""|(?P<literal>[eE]?'(?:[^']|'')*'|\$\d+|(?<![\w$])\d+(?:\.\d+)?)""",
    re.DOTALL,
)
_LIST = re.compile(r"\? ?(, ?\? ?)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedRevision:
    """One revision's time on the scratch server."""

    id: str
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What came of a rehearsal. `missing` says why there was none, `failed` how it ended before its end.

    `on` is the scratch server as people know it. `model` is a digest over the schema that it began with, so that an
    unchanged one need not be rehearsed again within one command. `rows` is how many were there, `None` without any;
    `beware` what did not go well with another tier's. `notes` tell more of a failure, each by its name.
    """

    revisions: tuple[RehearsedRevision, ...] = ()
    statements: tuple[Statement, ...] = ()
    changes: tuple[Change, ...] = ()
    on: str = ""
    rows: int | None = None
    beware: str = ""
    model: str = ""
    missing: str = ""
    failed: str = ""
    notes: tuple[tuple[str, str], ...] = ()

    def of(self, revision: str) -> tuple[Statement, ...]:
        """Return the statements of one revision, in their order."""
        return tuple(each for each in self.statements if each.revision == revision)


def fingerprint(statements: tuple[Statement, ...]) -> str:
    """Return a digest over what statements do: neither layout nor literals nor how many of a list count."""
    text = "\n".join(normalised(each.text) for each in statements)
    return hashlib.sha256(text.encode()).hexdigest()


def normalised(text: str) -> str:
    """Return a statement without comments, spacing and literals.

    >>> normalised("UPDATE a  SET b = 'x', \\"C\\" = $1 -- now\\n WHERE id IN (1, 2,3)")
    'update a set b = ?, "C" = ? where id in (?)'
    """
    parts, end = [], 0
    for found in _TOKEN.finditer(text):
        parts += [text[end : found.start()].lower(), _said(found)]
        end = found.end()
    words = re.sub(r" +", " ", "".join([*parts, text[end:].lower()])).strip().rstrip(";").strip()
    return _LIST.sub("?", words)


def _said(found: re.Match[str]) -> str:
    if found["noise"]:
        return " "
    return found["name"] or "?"
