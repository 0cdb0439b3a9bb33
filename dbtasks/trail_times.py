"""Times as people type them: "today", "2h", a date, a moment."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from dbtasks.errors import UsageError

_SPAN = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str, now: datetime, *, end: bool = False) -> datetime:
    """Return the moment that a person means: "today", "yesterday", "2h" (ago), an ISO date or time.

    Days and times without a zone are those of `now`. A day means its beginning, or with `end` (for "until") its end.
    UsageError: it is none of these.

    >>> now = datetime.fromisoformat("2026-01-31T09:00+00:00")
    >>> parse_moment("3d", now).isoformat()
    '2026-01-28T09:00:00+00:00'
    >>> parse_moment("yesterday", now, end=True).isoformat()
    '2026-01-31T00:00:00+00:00'
    """
    word = text.strip().lower()
    try:
        span = _SPAN.fullmatch(word)
        if span is not None:
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        days_ago = {"today": 0, "yesterday": 1}.get(word)
        day = now.date() - timedelta(days=days_ago) if days_ago is not None else _day(word)
        if day is not None:
            return _aware(datetime.combine(day + timedelta(days=int(end)), time.min), now)
        return _aware(datetime.fromisoformat(word.upper()), now)
    except (ValueError, OverflowError):
        raise UsageError(
            f"'{text}' is no time. Write for example today, yesterday, 2h, 3d, 2026-01-31 or 2026-01-31T09:30."
        ) from None


def _day(word: str) -> date | None:
    return date.fromisoformat(word) if len(word) == len("2026-01-31") else None


def _aware(moment: datetime, now: datetime) -> datetime:
    """Return the moment with a zone: its own, else that of `now` (on a machine's own clock with that day's offset)."""
    if moment.tzinfo is not None:
        return moment
    return moment.astimezone() if now.tzinfo is None else moment.replace(tzinfo=now.tzinfo)
