"""The rule of `guard.decide` about armed terminals. It stands in the one table of `judgement`, as others do."""

from __future__ import annotations

from dbtasks.arming import Arming
from dbtasks.effects import Stamping
from dbtasks.evidence import StampState
from dbtasks.verdicts import Case, DecideRule, Refuse, refuse


def to_arm(tier: str) -> str:
    """Return the command that arms a terminal."""
    return f'invoke arm --tier={tier} --minutes=15 --reason="..."'


def _the_terminal_must_be_armed(case: Case) -> Refuse | None:
    """Whoever has an approved plan need not sit anywhere, and whoever arms or adopts the tier cannot be armed yet."""
    request, armed = case.request, case.situation.armed
    own = case.situation.stamp in (StampState.MATCHES, StampState.PROMOTED)
    first = request.operation.arms or (request.operation.stamps is Stamping.ANY and not own)
    free = request.managed or request.brought is not None or first
    if free or not request.tier.arming or armed.state is Arming.ARMED:
        return None
    why = f": {armed.why}" if armed.why else ""
    text = f"{request.tier.label} asks for an armed terminal, and this one {armed.state.value}{why}."
    return refuse("E-DISARMED", text, instead=f"At this terminal, for a while: {to_arm(request.tier.name)}")


ARMING_RULES: tuple[DecideRule, ...] = (_the_terminal_must_be_armed,)
