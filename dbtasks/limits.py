"""How often, and when not: rates, weekly freezes, pauses after failures and refusals. Pure: the clock is given.

What is counted are runs and refusals, by tier, operation and person.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dbtasks.values import dataclass

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = 7 * 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most so many runs of an operation within any such time, for each person."""

    operation: str
    most: int
    per: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A time of each week in which an operation rests, by the clocks of a time zone. Minutes since Monday 00:00."""

    operation: str
    begins: int
    ends: int
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a tier declares. `cool_down` is how long a person waits after a run that failed, and after two refusals."""

    rates: tuple[Rate, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    cool_down: timedelta | None = None

    def concern(self, operation: str) -> bool:
        """Return whether anything is said of an operation."""
        named = {each.operation for each in self.rates} | {each.operation for each in self.freezes}
        return operation in named or self.cool_down is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One run: when it began, and whether it failed. Or `refused`: a run that came to nothing."""

    at: datetime
    failed: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not now, but from `until` on."""

    until: datetime
    why: str


def wait(limits: Limits, operation: str, uses: tuple[Use, ...], now: datetime) -> Wait | None:
    """Return until when an operation has to wait, and the longest reason; `None`: it may run now.

    `uses` are the runs and refusals of this operation by this person, in any order; `now` has a time zone.
    """
    runs = tuple(each for each in uses if not each.refused)
    found = [
        *(_by_rate(each, runs, now) for each in limits.rates if each.operation == operation),
        *(_by_freeze(each, now) for each in limits.freezes if each.operation == operation),
        _by_failure(limits.cool_down, runs),
        _by_refusals(limits.cool_down, uses),
    ]
    waits = [each for each in found if each is not None and each.until > now]
    return max(waits, key=lambda each: each.until, default=None)


def _by_rate(rate: Rate, uses: tuple[Use, ...], now: datetime) -> Wait | None:
    recent = sorted(each.at for each in uses if each.at > now - rate.per)
    if len(recent) < rate.most:
        return None
    times = f"{rate.most} time{'s' if rate.most != 1 else ''} in {_words(rate.per)}"
    return Wait(until=recent[-rate.most] + rate.per, why=f"it may run {times}, and did")


def _by_freeze(freeze: Freeze, now: datetime) -> Wait | None:
    from zoneinfo import ZoneInfo  # late: few tiers freeze

    local = now.astimezone(ZoneInfo(freeze.zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    since = (local.weekday() * 24 * 60 + local.hour * 60 + local.minute - freeze.begins) % _WEEK
    length = (freeze.ends - freeze.begins) % _WEEK
    if since >= length:
        return None
    # By the wall's clock, whatever summer time does meanwhile.
    minutes = local.hour * 60 + local.minute + length - since
    until = (midnight.replace(tzinfo=None) + timedelta(minutes=minutes)).replace(tzinfo=ZoneInfo(freeze.zone))
    return Wait(until=until.astimezone(UTC), why=f"it rests from {clock(freeze.begins)} to {clock(freeze.ends)}")


def _by_failure(cool_down: timedelta | None, uses: tuple[Use, ...]) -> Wait | None:
    last = max(uses, key=lambda each: each.at, default=None)
    if cool_down is None or last is None or not last.failed:
        return None
    return Wait(until=last.at + cool_down, why=f"the last run failed, and {_words(cool_down)} are to pass after that")


def _by_refusals(cool_down: timedelta | None, uses: tuple[Use, ...]) -> Wait | None:
    """Return the pause after two refusals in a row, no longer apart than the pause itself."""
    if cool_down is None or len(uses) < 2:
        return None
    before, last = sorted(uses, key=lambda each: each.at)[-2:]
    if not (before.refused and last.refused) or last.at - before.at >= cool_down:
        return None
    return Wait(until=last.at + cool_down, why=f"it was refused twice, and {_words(cool_down)} are to pass after that")


def outlook(limits: Limits, operation: str, uses: tuple[Use, ...], now: datetime) -> tuple[str, ...]:
    """Return what is left of each limit before a run, and when the operation rests, as clauses."""
    left = []
    for rate in limits.rates:
        if rate.operation == operation:
            taken = sum(not each.refused and each.at > now - rate.per for each in uses)
            left.append(f"{max(0, rate.most - taken)} of {rate.most} left in {_words(rate.per)}")
    rests = [each for each in limits.freezes if each.operation == operation]
    return (*left, *(f"frozen from {clock(each.begins)} to {clock(each.ends)} {each.zone}" for each in rests))


def longest(limits: Limits, operation: str) -> timedelta:
    """Return how far back runs count."""
    spans = [each.per for each in limits.rates if each.operation == operation]
    return max([*spans, 2 * (limits.cool_down or timedelta(0))])  # two refusals, each within the pause of the next


def clock(minutes: int) -> str:
    """Return a minute of the week as people write it.

    >>> clock(4 * 24 * 60 + 16 * 60)
    'Fri 16:00'
    """
    day, rest = divmod(minutes, 24 * 60)
    return f"{DAYS[day]} {rest // 60:02}:{rest % 60:02}"


def _words(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    for unit, length in (("day", 24 * 60), ("hour", 60)):
        if minutes % length == 0:
            return f"{minutes // length} {unit}{'s' if minutes != length else ''}"
    return f"{minutes} minute{'s' if minutes != 1 else ''}"
