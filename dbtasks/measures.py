"""What `harden` puts into a database, as values: what is wanted, what is there already, what is left to do.

Each measure stops one thing that somebody could do who has never heard of us. None of them asks a setting, which
anybody could set: who may pass is the role that logs in, and it is one role.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import timedelta

from dbtasks.values import dataclass


class Guard(enum.Enum):
    """What a measure is against, in words that follow `against`."""

    DATABASE = "DROP DATABASE"
    DROPS = "DROP of anything in it"
    TRUNCATE = "TRUNCATE"
    RIGHT = "the right to TRUNCATE"
    LIMIT = "too many connections"
    SETTING = "what a person's session begins with"
    SESSIONS = "too many connections of a person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing to put in place. `on` is a table or a role, empty for the database; `value` what is set or taken.

    `doubt` is why the server may not allow it.
    """

    guard: Guard
    on: str = ""
    value: str = ""
    done: bool = False
    doubt: str = ""

    def __str__(self) -> str:
        return _WORDS[self.guard].format(on=self.on, value=self.value)


_WORDS = {
    Guard.DATABASE: "DROP DATABASE fails, FORCE and superuser included (template flag)",
    Guard.DROPS: "DROP of tables, columns, schemas and the rest fails (event triggers)",
    Guard.TRUNCATE: "TRUNCATE of {on} fails (trigger)",
    Guard.RIGHT: "{value} may no longer TRUNCATE {on}",
    Guard.LIMIT: "at most {value} connections to the database",
    Guard.SETTING: "sessions of {on} begin with {value}",
    Guard.SESSIONS: "at most {value} connections of {on}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """What a tier's settings want. `passes` is the one role that may drop; empty: the one of the tier's own URL.

    `people` are roles that people log in as, or groups of such. Both limits are `None` where none is wanted;
    `statement_timeout` is theirs.
    """

    passes: str = ""
    people: tuple[str, ...] = ()
    statement_timeout: timedelta = timedelta(minutes=5)
    connections: int | None = None
    connections_each: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedTable:
    """A table as the catalogue has it, its name as SQL writes it. `truncaters` may TRUNCATE it by a grant."""

    name: str
    owned: bool
    guarded: bool
    truncaters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A role that somebody logs in as. `settings` are those of its sessions in this database, by name."""

    name: str
    limit: int
    settings: tuple[tuple[str, str], ...] = ()
    alterable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What is there. `drops`: all event triggers stand, with the functions that let `passes` and nobody else pass.

    `people` are the roles that really log in, `unknown` the names that belong to no role. `superusers` can take all of
    it away, `copiers` may create databases, and so copy one that has the flag.
    """

    role: str
    superuser: bool
    owns: bool
    template: bool
    drops: bool
    limit: int
    tables: tuple[GuardedTable, ...] = ()
    people: tuple[Login, ...] = ()
    superusers: tuple[str, ...] = ()
    copiers: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def measures(wanted: Hardening, grounds: Grounds) -> tuple[Measure, ...]:
    """Return every measure that the settings ask for, in the order in which they are taken."""
    return (*_of_the_database(wanted, grounds), *_of_tables(grounds), *_of_people(wanted, grounds))


def _of_the_database(wanted: Hardening, grounds: Grounds) -> Iterator[Measure]:
    owner = "" if grounds.owns else f"{grounds.role} does not own the database"
    trigger = "" if grounds.superuser else "event triggers are a superuser's to make"
    yield Measure(guard=Guard.DATABASE, done=grounds.template, doubt=owner)
    yield Measure(guard=Guard.DROPS, value=wanted.passes, done=grounds.drops, doubt=trigger)
    if wanted.connections is not None:
        done = grounds.limit == wanted.connections
        yield Measure(guard=Guard.LIMIT, value=str(wanted.connections), done=done, doubt=owner)


def _of_tables(grounds: Grounds) -> Iterator[Measure]:
    for table in grounds.tables:
        doubt = "" if table.owned else f"{grounds.role} does not own it"
        yield Measure(guard=Guard.TRUNCATE, on=table.name, done=table.guarded, doubt=doubt)
        for role in table.truncaters:
            yield Measure(guard=Guard.RIGHT, on=table.name, value=role, doubt=doubt)


def _of_people(wanted: Hardening, grounds: Grounds) -> Iterator[Measure]:
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": str(round(wanted.statement_timeout.total_seconds() * 1000)),
    }
    for login in grounds.people:
        if login.name == wanted.passes:
            continue  # what is cleared runs as this role, and must be able to write
        doubt = "" if login.alterable else f"{grounds.role} may not alter that role"
        has = dict(login.settings)
        for name, value in settings.items():
            done = has.get(name) == value
            yield Measure(guard=Guard.SETTING, on=login.name, value=f"{name}={value}", done=done, doubt=doubt)
        if wanted.connections_each is not None:
            done, most = login.limit == wanted.connections_each, str(wanted.connections_each)
            yield Measure(guard=Guard.SESSIONS, on=login.name, value=most, done=done, doubt=doubt)


def missing(found: tuple[Measure, ...]) -> tuple[Measure, ...]:
    """Return the measures that are yet to be taken."""
    return tuple(each for each in found if not each.done)


def beware(wanted: Hardening, grounds: Grounds) -> tuple[str, ...]:
    """Return what these guards do not stop, in sentences."""
    others = tuple(name for name in grounds.superusers if name != wanted.passes)
    said = []
    if wanted.passes in grounds.superusers:
        said.append(f"{wanted.passes}, which passes, is a superuser: give migrations a role of their own")
    if others:
        said.append(f"superusers can take every guard away, on purpose: {', '.join(others)}")
    if grounds.copiers:
        said.append(f"may create databases, and so copy one with the flag: {', '.join(grounds.copiers)}")
    return (*said, "DELETE and UPDATE are what an application does: no guard stops them")


def lines(taken: tuple[Measure, ...]) -> tuple[str, ...]:
    """Return measures as people read them: those of many tables in one line.

    >>> lines(tuple(Measure(guard=Guard.TRUNCATE, on=name) for name in ("public.a", "public.b")))
    ('TRUNCATE of 2 tables fails (trigger)',)
    """
    grouped: dict[tuple[Guard, str, str], list[Measure]] = {}
    for each in taken:
        on = "" if each.guard in (Guard.TRUNCATE, Guard.RIGHT) else each.on
        value = each.value if each.guard is not Guard.TRUNCATE else ""
        grouped.setdefault((each.guard, on, f"{value} {each.doubt}"), []).append(each)
    return tuple(_line(each) for each in grouped.values())


def _line(alike: list[Measure]) -> str:
    first = alike[0]
    on = first.on if len(alike) == 1 else f"{len(alike)} tables"
    doubt = f"; it may be refused: {first.doubt}" if first.doubt else ""
    return _WORDS[first.guard].format(on=on, value=first.value) + doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class PutGuards:
    """Take these measures, where the server allows it, and write down how it was. Only `passes` may drop then."""

    passes: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftGuards:
    """Take back what `harden` has put in place, and restore what was there before. `passes` was who passed."""

    passes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """How something was before a measure changed it. `name` is a setting's or a role's; `was` is `None` if not set."""

    guard: Guard
    on: str = ""
    name: str = ""
    was: str | None = None


def earlier(taken: tuple[Measure, ...], grounds: Grounds, known: tuple[Earlier, ...]) -> tuple[Earlier, ...]:
    """Return what is to be set again one day: what is known already, and what these measures are about to change."""
    found = {(each.guard, each.on, each.name): each for each in known}
    for measure in taken:
        before = _before(measure, grounds)
        if before is not None:
            found.setdefault((before.guard, before.on, before.name), before)
    return tuple(found.values())


def _before(measure: Measure, grounds: Grounds) -> Earlier | None:
    logins = {login.name: login for login in grounds.people}
    match measure.guard:
        case Guard.DATABASE:
            return Earlier(guard=measure.guard, was="true" if grounds.template else "false")
        case Guard.LIMIT:
            return Earlier(guard=measure.guard, was=str(grounds.limit))
        case Guard.RIGHT:
            return Earlier(guard=measure.guard, on=measure.on, name=measure.value)
        case Guard.SESSIONS:
            return Earlier(guard=measure.guard, on=measure.on, was=str(logins[measure.on].limit))
        case Guard.SETTING:
            name = measure.value.partition("=")[0]
            was = dict(logins[measure.on].settings).get(name)
            return Earlier(guard=measure.guard, on=measure.on, name=name, was=was)
        case _:
            return None


def told(step: PutGuards | LiftGuards, aware: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return what a step would do as people read it, each line after its word. `aware` is what no guard stops."""
    if isinstance(step, LiftGuards):
        return (("would lift", "every guard inside it, with what they changed for roles and grants"),)
    put = tuple(("would guard", each) for each in lines(step.measures))
    return (*put, ("passes", f"{step.passes}, and nobody else"), *(("beware", each) for each in aware))
