"""The roles of a tier's database, as values: which are declared, and what the catalogue says of them and their rights.

Names are as SQL writes them, quoted by PostgreSQL itself where they need it, so that statements are made of them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from dbtasks.values import dataclass


class Part(enum.StrEnum):
    """What a role is for. RUNTIME is the application's own: it has what WRITER has, by membership."""

    READER = "reader"
    WRITER = "writer"
    MIGRATOR = "migrator"
    OWNER = "owner"
    BACKUP = "backup"
    RUNTIME = "runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which role has which part in a tier's database. `variables` hold the URLs of those that log in by themselves."""

    names: tuple[tuple[Part, str], ...] = ()
    variables: tuple[tuple[Part, str], ...] = ()

    def of(self, part: Part) -> str:
        """Return a role's name; empty where none has that part."""
        return dict(self.names).get(part, "")

    def variable(self, part: Part) -> str:
        return dict(self.variables).get(part, "")


class Kind(enum.StrEnum):
    """What can be owned and granted, in the words of GRANT and ALTER."""

    DATABASE = "DATABASE"
    SCHEMA = "SCHEMA"
    TABLE = "TABLE"
    COLUMN = "COLUMN"
    SEQUENCE = "SEQUENCE"
    ROUTINE = "ROUTINE"
    TYPE = "TYPE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role as the catalogue has it. `reaches` are all that it is a member of, `inherits` those without SET ROLE."""

    name: str
    there: bool = True
    logs_in: bool = False
    superuser: bool = False
    creates_databases: bool = False
    creates_roles: bool = False
    bypasses_rls: bool = False
    replicates: bool = False
    reaches: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What rights are about. `ours`: it is our bookkeeping. `follows`: a sequence that goes with its table.

    `given` is who has which privilege by a grant, `PUBLIC` or a role, the owner's own left out.
    """

    kind: Kind
    name: str
    owner: str
    schema: str = ""
    ours: bool = False
    follows: bool = False
    given: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """A privilege on what `maker` makes from now on in `schema`; empty: in any. `on` is TABLES or SEQUENCES."""

    maker: str
    schema: str
    on: str
    role: str
    privilege: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What there is. `runner` is who looks, `login` whoever the tier's own URL logs in as, `None` where nobody knows.

    `own_urls` are the parts that log in by themselves; into the others `login` changes.
    """

    runner: Role
    login: Role | None
    roles: tuple[tuple[Part, Role], ...]
    things: tuple[Thing, ...] = ()
    defaults: tuple[Default, ...] = ()
    superusers: tuple[str, ...] = ()
    own_urls: frozenset[Part] = frozenset()

    def of(self, part: Part) -> Role | None:
        return dict(self.roles).get(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One statement, as it is shown and run. `doubt` is why the server may not allow it."""

    sql: str
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A right that a role has and should not have (`much`), or the other way round."""

    part: Part
    role: str
    much: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveRights:
    """Run these statements, each by itself, as far as the server allows."""

    changes: tuple[Change, ...]


_SHOWN = 3


def named(things: Iterable[Thing]) -> str:
    """Return things by their names, and how many more.

    >>> named(Thing(kind=Kind.TABLE, name=name, owner="o") for name in "abcde")
    'a, b, c and 2 more'
    """
    names = sorted(thing.name for thing in things)
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
