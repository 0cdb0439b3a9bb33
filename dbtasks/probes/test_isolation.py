"""Whether tests reach nothing but the default tier: the pin is awake, the guard says no, a drill tried each driver."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dbtasks.guard import admit
from dbtasks.probes.drills import stopped
from dbtasks.probes.ground import Ground
from dbtasks.probes.guard_answers import operations, request
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent, Loss
from dbtasks.verdicts import Refuse

ABOUT = About(
    name="test_isolation",
    promise="a test process reaches the default tier only, by whatever driver and URL",
    critical=True,
)
# What `dbtasks.pth` leaves in a Python that has read it at its start: the watcher itself, or what wakes it.
_AWAKE = frozenset({"DbtasksPin", "Watcher"})


def look(ground: Ground) -> Iterator[Finding]:
    """Yield whether the pin wakes in this Python, what the guard says to tests, and what the drill showed."""
    default = ground.default
    if default.may_lose is not Loss.EVERYTHING or default.consent is not Consent.NONE:
        saw = f"tests run on {default.label}, which may not lose everything"
        yield failed(saw, "Name another default in config/tiers.yaml", default.name)
        return
    if not _AWAKE & {type(finder).__name__ for finder in sys.meta_path}:
        saw = f"dbtasks.pth is not read when {sys.executable} starts, so that no test is held"
        yield failed(saw, "Install dbtasks with pip into this Python")
        return
    for tier in ground.project.settings.tiers:
        if tier.name == default.name:
            continue
        for operation in operations():
            if not isinstance(admit(request(ground, tier, operation, Kind.PYTEST, yes=True)), Refuse):
                yield failed(f"a test may {operation.command} on {tier.label}", ABOUT.page, tier.name)
                return
    yield passed(f"the pin is awake in this Python, and tests are refused everything but {default.label}")
    yield stopped(ground, ABOUT.name)
