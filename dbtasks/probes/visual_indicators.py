"""Whether a person at a terminal sees which tier a line is about: each badge is written to a real terminal and read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import redirect_stderr

from dbtasks.console import Console
from dbtasks.probes.ground import Ground
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Tier

ABOUT = About(
    name="visual_indicators",
    promise="each tier's word stands before its lines, in a colour that no tier of another strictness has",
)
_BADGE = re.compile(r"\x1b\[1;(3\d)m\[([^\]]+)\]\x1b\[0m")
_MOST_BYTES = 4096


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what a terminal gets for each tier."""
    environ = ground.project.environ
    off = next((name for name in ("NO_COLOR", "TERM") if _turns_off(name, environ.get(name, ""))), "")
    if off:
        yield unknown(f"{off} turns colours off here, so that nobody sees them", f"Unset {off}, then: invoke score")
        return
    shown = {tier: _BADGE.search(_shown(Console(environ), tier)) for tier in ground.project.settings.tiers}
    for tier, found in shown.items():
        if found is None or found[2] != tier.label:
            yield failed(f"{tier.label}: a terminal shows no badge of it", ABOUT.page, tier.name)
            return
    colours: dict[str, Tier] = {}
    for tier, found in shown.items():
        other = colours.setdefault(found[1] if found else "", tier)
        if other.consent is not tier.consent:
            saw = f"{other.label} and {tier.label} have one colour, {tier.colour}, and are not equally dear"
            yield failed(saw, f"Change tiers.{tier.name}.colour in config/tiers.yaml", tier.name)
            return
    yield passed(" ".join(f"[{tier.label}] {tier.colour}" for tier in shown))


def _turns_off(name: str, value: str) -> bool:
    return value == "dumb" if name == "TERM" else bool(value)


def _shown(console: Console, tier: Tier) -> str:
    """Return what arrives at the other end of a pseudo-terminal when a line with the tier's badge is written."""
    theirs, ours = os.openpty()
    try:
        with os.fdopen(ours, "w", encoding="utf-8") as screen, redirect_stderr(screen):
            console.say(f"{console.badge(tier)} score")
            return os.read(theirs, _MOST_BYTES).decode(errors="replace")
    finally:
        os.close(theirs)
