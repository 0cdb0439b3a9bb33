"""Code that puts its statements together while it runs: nobody can say beforehand what it does."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import OPAQUE, UNREAD, Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    del world  # there is nothing to see
    if act.kind == OPAQUE:
        message = "runs statements that are known only while it runs: rehearse it, and read what it executed"
        yield Hit(severity=Severity.MEDIUM, message=message)
    else:
        yield Hit(severity=Severity.HIGH, message="is no SQL that the grammar of this version knows")


RULE = Rule(name="opaque", on=(OPAQUE, UNREAD), check=_check)
