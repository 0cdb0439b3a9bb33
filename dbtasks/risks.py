"""What a migration would take away from a tier, or fail at, counted on the tier itself. Values only."""

from __future__ import annotations

from collections.abc import Iterable

from dbtasks.statements import ChangeKind
from dbtasks.values import dataclass

LOSES = frozenset(
    {
        ChangeKind.DROPS_TABLE,
        ChangeKind.DROPS_COLUMN,
        ChangeKind.CHANGES_TYPE,
        ChangeKind.EMPTIES,
        ChangeKind.DELETES,
    }
)
DEMANDS = frozenset({ChangeKind.REQUIRES_VALUE, ChangeKind.REQUIRES_UNIQUE, ChangeKind.ADDS_REQUIRED})

_DEEDS = {
    ChangeKind.DROPS_TABLE: ("drops {what}", "row"),
    ChangeKind.DROPS_COLUMN: ("drops {what}", "value"),
    ChangeKind.CHANGES_TYPE: ("makes {what} {to}, which alters", "value"),
    ChangeKind.EMPTIES: ("empties {what}", "row"),
    ChangeKind.DELETES: ("deletes from {what}, at most all", "row"),
    ChangeKind.REQUIRES_VALUE: ("demands a value in {what}, which lack", "row"),
    ChangeKind.REQUIRES_UNIQUE: ("demands that {what} be unique, which are not", "key"),
    ChangeKind.ADDS_REQUIRED: ("adds {what}, NOT NULL and without a default, to", "row"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most that a person agrees to lose: the deed, of what, how many rows or values."""

    deed: str
    what: str
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What one revision would take away, or demands of rows that do not have it.

    `count` are the rows or values on the tier, `None` where they could not be counted; not `exact` is an estimate.
    `written`: the run writes the table before, so that a demand may be met by then. `query` shows the rows that do not
    meet it.
    """

    kind: ChangeKind
    what: str
    revision: str
    to: str = ""
    count: int | None = None
    exact: bool = True
    written: bool = False
    query: str = ""

    @property
    def loses(self) -> bool:
        """Whether something would be gone, or might be."""
        return self.kind in LOSES and self.count != 0

    @property
    def uncounted(self) -> bool:
        """Whether something would be gone and nobody can say how much, so that there is nothing to agree to."""
        return self.kind in LOSES and self.count is None

    @property
    def fails(self) -> bool:
        """Whether the revision cannot succeed on the rows that are there."""
        return self.kind in DEMANDS and bool(self.count) and self.exact and not self.written

    @property
    def ceiling(self) -> Ceiling | None:
        """What to agree to; `None` where nothing is lost, or nobody can say how much."""
        if self.kind not in LOSES or self.count is None:
            return None
        return Ceiling(deed=self.kind.value, what=self.what, most=rounded_up(self.count))

    def __str__(self) -> str:
        pattern, unit = _DEEDS[self.kind]
        deed = pattern.format(what=self.what, to=self.to)
        return f"{deed}{': ' if self.kind in LOSES else ' '}{self._amount(unit)}"

    def _amount(self, unit: str) -> str:
        if self.count is None:
            return f"{unit}s, how many could not be counted"
        return f"{'' if self.exact else 'about '}{self.count:,} {unit}{'s' if self.count != 1 else ''}"


def rounded_up(count: int) -> int:
    """Return a little more than a count, so that a row more while somebody reads is no other plan. Nothing stays so.

    >>> [rounded_up(count) for count in (0, 7, 61, 4_212, 5_000, 18_442, 8_412_090)]
    [0, 10, 70, 4220, 5010, 18500, 8420000]
    """
    step = int(f"1{'0' * max(1, len(str(count)) - 3)}")
    return (count // step + 1) * step if count else 0


def ceilings(risks: Iterable[Risk]) -> tuple[Ceiling, ...]:
    """Return what there is to agree to, each deed once."""
    return tuple(dict.fromkeys(ceiling for risk in risks if (ceiling := risk.ceiling) is not None))


def exceeded(agreed: Iterable[Ceiling], now: Iterable[Risk]) -> tuple[tuple[Risk, int], ...]:
    """Return each risk that is more than was agreed, with what was agreed; 0 where it was not known of."""
    most = {(ceiling.deed, ceiling.what): ceiling.most for ceiling in agreed}
    found = [(risk, most.get((risk.kind.value, risk.what), 0)) for risk in now if risk.loses]
    return tuple((risk, limit) for risk, limit in found if risk.count is None or risk.count > limit)
