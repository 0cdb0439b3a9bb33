"""The psql command of a tier: a prompt in its colour, so that nobody forgets where they are."""

from __future__ import annotations

from dbtasks.programs import find_client
from dbtasks.tiers import Colour, Tier

_CODES = {Colour.GREEN: 32, Colour.YELLOW: 33, Colour.RED: 31, Colour.BLUE: 34, Colour.MAGENTA: 35, Colour.CYAN: 36}


def psql(tier: Tier) -> tuple[str, ...]:
    """Return the command; where to connect comes from its environment, so that no secret is among its arguments."""
    # psql needs %[ and %] around what takes no place on the screen, or line editing goes astray.
    badge = f"%[%033[1;{_CODES[tier.colour]}m%][{tier.label}]%[%033[0m%]"
    return (str(find_client("psql")), f"--set=PROMPT1={badge} %/%R%x%# ", f"--set=PROMPT2={badge} %/%R%x%# ")
