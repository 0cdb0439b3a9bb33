"""From a tier's `harden` and `limits` to what they mean."""

from __future__ import annotations

import re
from datetime import timedelta

from dbtasks.limits import DAYS, Freeze, Limits, Rate
from dbtasks.measures import Hardening
from dbtasks.roles import Part, Roles
from dbtasks.settings_access_keys import FROZEN, RUNS
from dbtasks.settings_fields import Fields


def read_hardening(fields: Fields) -> Hardening:
    limits = {name: fields.text(name) for name in ("connections", "connections_each")}
    most = {name: int(text.split()[0]) for name, text in limits.items() if text}
    timeout = fields.text("statement_timeout")
    return Hardening(
        passes=fields.text("passes") or "",
        people=fields.texts("people") or (),
        statement_timeout=span(timeout) if timeout else Hardening().statement_timeout,
        connections=most.get("connections"),
        connections_each=most.get("connections_each"),
    )


def read_roles(fields: Fields) -> Roles:
    """Return the roles; one that has a URL and no name, and one with two parts, are noted."""
    found = [(part, fields.text(part.value)) for part in Part]
    urls = [(part, fields.text(f"{part.value}_url")) for part in Part if part is not Part.RUNTIME]
    names: dict[Part, str] = {}
    for part, name in found:
        if name in names.values():
            fields.note(part.value, "is another part's role already. Give each part a role of its own.")
        elif name and (name.lower() in _TAKEN or name.lower().startswith("pg_")):
            fields.note(part.value, "is a name that PostgreSQL or dbtasks uses. Choose another.")
        elif name:
            names[part] = name
    variables = {part: variable for part, variable in urls if variable}
    for part in variables:
        if part.value not in fields:
            fields.note(f"{part.value}_url", f"says nothing without the role's name. Add {part.value}.")
    return Roles(names=tuple(names.items()), variables=tuple(variables.items()))


# As our schema is called, and what SQL takes for something else than a role's name.
_TAKEN = ("dbtasks", "public", "none", "current_user", "current_role", "session_user")


def read_limits(fields: Fields) -> Limits:
    """Return the limits; a time zone that nobody knows, and a freeze without length, are noted."""
    cool_down = fields.text("cool_down")
    freezes = [(text, freeze(text)) for text in fields.texts("frozen") or ()]
    for text, each in freezes:
        if each.begins == each.ends:
            fields.note("frozen", "begins when it ends, which is never. Write two different times.", item=text)
        if not _known(each.zone):
            fields.note("frozen", f"no time zone is called {each.zone}. Write one such as Europe/Berlin.", item=text)
    return Limits(
        rates=tuple(rate(text) for text in fields.texts("runs") or ()),
        freezes=tuple(each for _, each in freezes),
        cool_down=span(cool_down) if cool_down else None,
    )


def rate(text: str) -> Rate:
    """Return what a checked text says.

    >>> rate("migrate 3 times in 1 day").per
    datetime.timedelta(days=1)
    """
    operation, most, per = _said(RUNS, text)
    return Rate(operation=operation, most=int(most), per=span(per))


def freeze(text: str) -> Freeze:
    """Return what a checked text says.

    >>> freeze("migrate Fri 16:00 to Mon 08:00").ends
    480
    """
    operation, begins, ends, zone = _said(FROZEN, text)
    return Freeze(operation=operation, begins=_minute(begins), ends=_minute(ends), zone=zone or "UTC")


def span(text: str) -> timedelta:
    number, unit = text.split(" ")
    return timedelta(**{f"{unit.rstrip('s')}s": int(number)})


def _said(pattern: str, text: str) -> tuple[str, ...]:
    return next(iter(re.findall(f"^{pattern}$", text)))


def _minute(text: str) -> int:
    day, _, at = text.partition(" ")
    hours, _, minutes = at.partition(":")
    return (DAYS.index(day) * 24 + int(hours)) * 60 + int(minutes)


def _known(zone: str) -> bool:
    from zoneinfo import ZoneInfo  # late: few tiers freeze

    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True
