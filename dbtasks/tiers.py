"""A tier: one declared database environment, and what its properties mean.

Nothing in the code spells a tier's name where one of these properties would do.
"""

from __future__ import annotations

import enum
import re
from dataclasses import field
from datetime import timedelta

from dbtasks.limits import Limits
from dbtasks.measures import Hardening
from dbtasks.roles import Roles
from dbtasks.values import dataclass


class Loss(enum.IntEnum):
    """What a tier may lose; the lower, the stricter."""

    NOTHING = 0
    ASKED = 1
    EVERYTHING = 2


class Consent(enum.IntEnum):
    """Who must agree; the higher, the stricter.

    NONE: nobody is asked. QUESTION: what destroys is asked first. PERSON: whatever writes, returns rows or hands
    out a URL needs a person at a terminal or an approval.
    """

    NONE = 0
    QUESTION = 1
    PERSON = 2


class Colour(enum.StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    BLUE = "blue"
    MAGENTA = "magenta"
    CYAN = "cyan"


class Embedded(enum.StrEnum):
    """Which embedded server stands in while a tier's URL variable is unset."""

    NEVER = "never"
    THROWAWAY = "throwaway"
    DURABLE = "durable"


class RecoveryEngine(enum.StrEnum):
    """Where a server's write-ahead log goes, or who keeps it: what it takes to recover it to a point in time."""

    NEVER = "never"
    ARCHIVE = "archive"
    RECEIVEWAL = "receivewal"
    PGBACKREST = "pgbackrest"
    SUPABASE = "supabase"

    @property
    def in_words(self) -> str:
        """The engine, with what a person must know of it.

        >>> RecoveryEngine.ARCHIVE.in_words, RecoveryEngine.SUPABASE.in_words
        ('archive', 'supabase, not verified live')
        """
        return f"{self.value}, not verified live" if self is RecoveryEngine.SUPABASE else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How a tier can be recovered.

    `engine` is `None` where nothing is said: then a private durable server's archive counts. `archive` is a folder or
    empty, `fetch` a command in its place; `base` is the folder of the base backups, where it is not the usual one. The
    next mark takes another one when the newest is older than `renew`; those older than `keep` go. `stanza` is what
    pgBackRest knows the server as, `config` its configuration file, where it is not the usual one. `token` is the
    variable with the access token of a provider's API.
    """

    engine: RecoveryEngine | None = None
    archive: str = ""
    fetch: tuple[str, ...] = ()
    base: str = ""
    stanza: str = ""
    config: str = ""
    keep: timedelta = timedelta(days=7)
    token: str = ""
    renew: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """An environment variable that a managed runtime sets, with its value (`None`: any non-empty value)."""

    variable: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The least that a tier demands, kept in the database's own stamp so that an edited file can only tighten it.

    `signers_digest` is the sha256 of the allowed signers, in hexadecimal, or `None` where there are none.
    """

    may_lose: Loss
    consent: Consent
    scripts_may_answer: bool = False
    approvals: int = 0
    signers_digest: str | None = None

    def stricter(self, other: Floor) -> Floor:
        """Return the stricter of the two in every respect; `self` is the one that was in force before.

        >>> a = Floor(may_lose=Loss.NOTHING, consent=Consent.NONE)
        >>> b = Floor(may_lose=Loss.EVERYTHING, consent=Consent.PERSON, approvals=2)
        >>> a.stricter(b) == Floor(may_lose=Loss.NOTHING, consent=Consent.PERSON, approvals=2)
        True
        """
        return Floor(
            may_lose=min(self.may_lose, other.may_lose),
            consent=max(self.consent, other.consent),
            scripts_may_answer=self.scripts_may_answer and other.scripts_may_answer,
            approvals=max(self.approvals, other.approvals),
            signers_digest=self.signers_digest or other.signers_digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a migration waits, and how often it tries.

    `lock_timeout` is for each statement, `wait` for somebody else who migrates. `statement_timeout` is `None` where the
    server's own setting for the role counts, and zero where none does.
    """

    lock_timeout: timedelta = timedelta(seconds=5)
    statement_timeout: timedelta | None = None
    tries: int = 5
    wait: timedelta = timedelta(seconds=30)


class BackupEngine(enum.StrEnum):
    """What takes a tier's backups."""

    PG_DUMP = "pg_dump"
    COPY = "copy"
    PGBACKREST = "pgbackrest"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPolicy:
    """What takes a tier's backups, and which are kept: the newest `keep`, and all that are younger than `age`.

    `full` is for pgBackRest: how old the last full backup may be, before the next one is no incremental one.
    """

    engine: BackupEngine = BackupEngine.PG_DUMP
    keep: int = 10
    age: timedelta = timedelta(days=30)
    full: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Who may do one operation, by name; `everyone` is whoever it is."""

    operation: str
    people: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One declared database environment.

    `approvals` is how many must agree to a plan besides whoever asks, `signers_digest` covers who may sign. `arming`: a
    person arms a terminal there before it does more than look.
    """

    name: str
    label: str
    colour: Colour
    url_variable: str
    may_lose: Loss
    consent: Consent
    aliases: tuple[str, ...] = ()
    flag: str | None = None
    scripts_may_answer: bool = False
    name_words: frozenset[str] = field(default_factory=frozenset)
    after: str | None = None
    seeds: tuple[str, ...] = ()
    retention: timedelta = timedelta(0)
    patience: Patience = Patience()
    recovery: Recovery = Recovery()
    backup: BackupPolicy = BackupPolicy()
    approvals: int = 0
    approve_within: timedelta = timedelta(hours=24)
    signers_digest: str | None = None
    embedded: Embedded = Embedded.NEVER
    runtime_url_variable: str | None = None
    runtime_markers: tuple[Marker, ...] = ()
    allow: tuple[Allowed, ...] | None = None
    credential: tuple[str, ...] = ()
    admin_url_variable: str | None = None
    hardening: Hardening = Hardening()
    limits: Limits = Limits()
    arming: bool = False
    roles: Roles = Roles()

    @property
    def url_variables(self) -> tuple[str, ...]:
        """The names of all variables that lead to it."""
        every = (self.url_variable, self.runtime_url_variable, self.admin_url_variable)
        return tuple(name for name in (*every, *(name for _, name in self.roles.variables)) if name)

    @property
    def floor(self) -> Floor:
        return Floor(
            may_lose=self.may_lose,
            consent=self.consent,
            scripts_may_answer=self.scripts_may_answer,
            approvals=self.approvals,
            signers_digest=self.signers_digest,
        )

    @property
    def needs_flag(self) -> bool:
        """Whether `--tier` alone is not enough to name this tier."""
        return self.consent is Consent.PERSON

    def who_may(self, operation: str) -> frozenset[str] | None:
        """Return who may do an operation here; `None` where nothing is said of anybody."""
        if self.allow is None:
            return None
        return next((each.people for each in self.allow if each.operation == operation), frozenset())

    def fits(self, database: str) -> bool:
        """Return whether a database's name satisfies this tier's name rule, by whole words.

        >>> tier = Tier(name="int", label="INT", colour=Colour.GREEN, url_variable="u", may_lose=Loss.EVERYTHING,
        ...             consent=Consent.NONE, name_words=frozenset({"test", "int"}))
        >>> tier.fits("shop_int"), tier.fits("painting_prod"), tier.fits("Shop-Test2")
        (True, False, True)
        """
        return bool(self.name_words & words(database))


def words(name: str) -> frozenset[str]:
    """Return the lower-case words of a name, parted by anything but letters; digits part words too.

    >>> sorted(words("painting_prod-2"))
    ['painting', 'prod']
    """
    return frozenset(word for word in re.split(r"[\W\d_]+", name.lower()) if word)
