"""Armed terminals: what a tier may ask for before a person does more than look there. It ends by itself.

It only ever forbids: whoever is armed is judged and asked as without.
"""

from __future__ import annotations

import enum

from dbtasks.values import dataclass

MOST_MINUTES = 60


class Arming(enum.Enum):
    """Whether this terminal is armed for the tier, by the server's clock."""

    NOT_ASKED = "was not looked at"
    OFF = "is not armed"
    ENDED = "is not armed any more"
    UNKNOWN = "cannot be asked about"
    ARMED = "is armed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Who sits where: a person, a host, and one session of one terminal there. `terminal` is empty where none is."""

    person: str
    host: str
    terminal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """What was found for a seat. `minutes` are left, the one that has begun counted; `why` it is as it is, a clause."""

    state: Arming
    minutes: int = 0
    why: str = ""

    @property
    def badge(self) -> str:
        """What stands beside the tier's label.

        >>> Armed(state=Arming.ARMED, minutes=12).badge
        'armed 12 min'
        """
        return f"armed {self.minutes} min" if self.state is Arming.ARMED else ""


NOT_ASKED = Armed(state=Arming.NOT_ASKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTerminal:
    """Arm this terminal of this person for so many minutes, by the server's clock."""

    seat: Seat
    minutes: int
