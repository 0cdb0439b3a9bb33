"""Who a process works for, by what the team has declared of its people. Whoever fits no one is nobody in particular."""

from __future__ import annotations

from collections.abc import Mapping

from dbtasks.tiers import Marker
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person, or a job of the team's CI, and how it is recognised: all that is declared must fit.

    `git_email` is what anybody can write, so that it only ever narrows. `ci` are variables that the job's own runner
    sets; in a CI nobody is known by a login.
    """

    name: str
    os_user: str = ""
    git_email: str = ""
    ci: tuple[Marker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What a process shows of whom it works for. `ci` is its environment where a CI runs it, else nothing."""

    os_user: str
    git_email: str = ""
    ci: Mapping[str, str]


def known_as(people: tuple[Person, ...], signs: Signs) -> str:
    """Return the name of the one person that fits; empty where none does, or several.

    >>> ada = Person(name="ada", os_user="ada")
    >>> known_as((ada,), Signs(os_user="ada", ci={})), known_as((ada,), Signs(os_user="root", ci={}))
    ('ada', '')
    """
    fitting = [each.name for each in people if _fits(each, signs)]
    return fitting[0] if len(fitting) == 1 else ""


def _fits(person: Person, signs: Signs) -> bool:
    declared = bool(person.ci) if signs.ci else bool(person.os_user)
    user = person.os_user in ("", signs.os_user)
    mail = person.git_email in ("", signs.git_email)
    marked = all(
        signs.ci.get(each.variable, "") != "" and each.value in (None, signs.ci[each.variable]) for each in person.ci
    )
    return declared and user and mail and marked
