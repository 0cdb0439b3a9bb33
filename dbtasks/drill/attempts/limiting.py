"""What the settings limit: how often, when, and by whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dbtasks.drill import signing
from dbtasks.drill.attempt import Attempt, Layer, Ran
from dbtasks.drill.attempts.consent import reset_by_approval
from dbtasks.drill.ground import Ground
from dbtasks.drill.sample import PROD_ENDS

_SETTINGS = "config/tiers.yaml"


def _frozen(ground: Ground) -> Ran:
    """Let resets rest from yesterday until tomorrow."""
    days = [datetime.now(UTC) + timedelta(days=number) for number in (-1, 1)]
    first, last = (f"{day:%a}" for day in days)
    limits = f"    limits: {{frozen: [reset {first} 00:00 to {last} 23:59 UTC]}}\n"
    with ground.edited(_SETTINGS, PROD_ENDS, f"{limits}{PROD_ENDS}"):
        return signing.deploy(ground, "reset")


def _nobodys(ground: Ground) -> Ran:
    with ground.edited(_SETTINGS, PROD_ENDS, f"    allow: {{everyone: [seed]}}\n{PROD_ENDS}"):
        return signing.deploy(ground, "reset")


LIMITING = (
    Attempt(
        id="rate_limiting.frozen",
        tried="an approved reset of PROD at a time when resets rest",
        layer=Layer.LIMITS,
        by="E-LIMIT",
        forbidden=_frozen,
        allowed=reset_by_approval,
    ),
    Attempt(
        id="role_based_access.not_listed",
        tried="an approved reset of PROD by somebody whom `allow` does not list",
        layer=Layer.ADMISSION,
        by="E-NOT-ALLOWED",
        forbidden=_nobodys,
        allowed=reset_by_approval,
    ),
)
