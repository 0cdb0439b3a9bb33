"""A trail that was edited, or cut, or cannot be written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256

from dbtasks.drill.attempt import Attempt, Layer, Ran, stg
from dbtasks.drill.attempts.consent import reset_stg
from dbtasks.drill.ground import Ground
from dbtasks.drill.signing import last_line
from dbtasks.trail_file import START

_TRAIL = "logs/database_audit.jsonl"
_BODY_ENDS = -len(f',"prev":"{START.hash}","hash":"{START.hash}"}}\n')


def _verified(change: Callable[[list[str]], list[str]]) -> Callable[[Ground], Ran]:
    """Change the trail's lines, let it be verified, and put it back. What is not noticed has happened.

    The last thing that it tells is a run, which stands on the server, too.
    """

    def forbidden(ground: Ground) -> Ran:
        ran = ground.invoke("seed --tier=stg")
        if ran.code:
            raise ValueError(f"STG was not seeded: {last_line(ran)}")
        before = ground.read(_TRAIL)
        changed = "".join(change(before.splitlines(keepends=True)))
        if changed == before:
            raise ValueError("the trail was not changed")
        ground.write(_TRAIL, changed)
        try:
            ran = ground.invoke("audit --verify")
        finally:
            ground.write(_TRAIL, before)
        return Ran(code=ran.code, text=ran.text, harm=ran.code == 0)

    return forbidden


def _untouched(ground: Ground) -> str:
    ran = ground.invoke("audit --verify")
    return "" if ran.code == 0 else last_line(ran)


def _edit(lines: list[str]) -> list[str]:
    """Let a refusal of PROD look like one of INT."""
    at = next(number for number, line in enumerate(lines) if '"tier":"prod"' in line)
    return [*lines[:at], lines[at].replace('"tier":"prod"', '"tier":"int"'), *lines[at + 1 :]]


def _cut(lines: list[str]) -> list[str]:
    return [*lines[: len(lines) // 2], *lines[len(lines) // 2 + 2 :]]


def _reorder(lines: list[str]) -> list[str]:
    return [*lines[:1], lines[2], lines[1], *lines[3:]]


def _cut_end(lines: list[str]) -> list[str]:
    return lines[:-2]


def _rewrite(lines: list[str]) -> list[str]:
    """Edit an entry as above, and make the chain anew from there on, as whoever knows how can."""
    made, prev = [], START.hash
    for line in _edit(lines):
        body = f'{line[:_BODY_ENDS]},"prev":"{prev}"'
        prev = sha256(body.encode()).hexdigest()
        made.append(f'{body},"hash":"{prev}"}}\n')
    return made


def _unwritable(ground: Ground) -> Ran:
    """Put a folder where the trail is: no permission stops root, this does."""
    trail = ground.root / _TRAIL
    aside = trail.rename(trail.with_suffix(".aside"))
    trail.mkdir()
    try:
        return ground.invoke("reset --tier=stg --yes")
    finally:
        shutil.rmtree(trail)
        aside.rename(trail)


TRAILS = (
    Attempt(
        id="audit_logging.edited",
        tried="an entry of the trail edited",
        layer=Layer.CHAIN,
        by="exit 1",
        forbidden=_verified(_edit),
        allowed=_untouched,
    ),
    Attempt(
        id="audit_logging.cut",
        tried="two entries cut out of the trail",
        layer=Layer.CHAIN,
        by="exit 1",
        forbidden=_verified(_cut),
        allowed=_untouched,
    ),
    Attempt(
        id="audit_logging.reordered",
        tried="two entries of the trail exchanged",
        layer=Layer.CHAIN,
        by="exit 1",
        forbidden=_verified(_reorder),
        allowed=_untouched,
    ),
    Attempt(
        id="audit_logging.cut_end",
        tried="the last two entries cut off the trail",
        layer=Layer.ANCHORS,
        by="exit 1",
        forbidden=_verified(_cut_end),
        allowed=_untouched,
    ),
    Attempt(
        id="audit_logging.rewritten",
        tried="an entry of the trail edited, and all hashes after it made anew",
        layer=Layer.ANCHORS,
        by="exit 1",
        forbidden=_verified(_rewrite),
        allowed=_untouched,
    ),
    Attempt(
        id="audit_logging.unwritable",
        tried="`invoke reset --tier=stg --yes` where the trail cannot be written",
        layer=Layer.TRAIL,
        by="exit 1",
        forbidden=_unwritable,
        allowed=reset_stg,
        looks=stg,
    ),
)
