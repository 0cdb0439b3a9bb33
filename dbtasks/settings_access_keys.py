"""The keys of `tiers.<tier>.harden`: what the database itself stops, and for whom. And the ways in."""

from __future__ import annotations

from dbtasks.settings_key import Key, Shape, section, time, truth, words
from dbtasks.settings_people_keys import OPERATIONS

_ROLE = r"[A-Za-z_][A-Za-z0-9_$-]{0,62}"
_CONNECTIONS = r"[1-9][0-9]{0,3} connections?"

ADMIN_URL = Key(
    name="admin_url",
    summary="The NAME of the variable with an administrator's URL, for `harden` and `roles`. By default that of url.",
    expected="the NAME of the environment variable that holds the URL",
    pattern=r"[A-Za-z_][A-Za-z0-9_]{0,79}",
    example="database_admin_url",
    secret=True,
)

CREDENTIAL = words(
    "credential",
    "A command that writes the password, where the URL has none: asked when it is needed, kept nowhere.",
    "a command, word by word",
    "[op, read, op://shop/prod/password]",
)

HARDEN_KEYS = (
    Key(
        name="passes",
        summary="The one role that may drop and truncate. By default the one that the tier's own URL logs in as.",
        expected="the name of a role",
        pattern=_ROLE,
        example="migrator",
    ),
    Key(
        name="people",
        summary="Roles that people log in as, or groups of such: their sessions read only, and not for ever.",
        shape=Shape.TEXTS,
        expected="names of roles",
        pattern=_ROLE,
        example="[anna, analysts]",
    ),
    time("statement_timeout", "How long a statement of one of these people may run.", "5 minutes"),
    Key(
        name="connections",
        summary="How many connections the database takes; superusers are not counted.",
        expected="a number of connections",
        pattern=_CONNECTIONS,
        example="80 connections",
    ),
    Key(
        name="connections_each",
        summary="How many connections each of these people may have, to all databases of the server.",
        expected="a number of connections",
        pattern=_CONNECTIONS,
        example="3 connections",
    ),
)

_OF = rf"({'|'.join(OPERATIONS)})"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:[01][0-9]|2[0-3]):[0-5][0-9]"
# Groups without names: editors read these in the JSON Schema, where names are written otherwise.
RUNS = rf"{_OF} ([1-9][0-9]{{0,3}}) times? in ([1-9][0-9]{{0,3}} (?:minute|hour|day)s?)"
FROZEN = rf"{_OF} ({_DAY}) to ({_DAY})(?: ([A-Za-z][A-Za-z0-9_+/-]{{0,40}}))?"

LIMIT_KEYS = (
    Key(
        name="runs",
        summary="How often a person may run an operation on this tier.",
        shape=Shape.TEXTS,
        expected="operations with a number of times and a time, such as migrate 3 times in 1 day",
        pattern=RUNS,
        example="[migrate 3 times in 1 day, open 20 times in 1 hour]",
    ),
    Key(
        name="frozen",
        summary="When an operation rests, each week, by the clocks of a time zone (UTC where none is named).",
        shape=Shape.TEXTS,
        expected="operations with two days and times, such as migrate Fri 16:00 to Mon 08:00 Europe/Berlin",
        pattern=FROZEN,
        example="[migrate Fri 16:00 to Mon 08:00 Europe/Berlin]",
    ),
    time(
        "cool_down",
        "How long a person waits with an operation after a run of theirs that failed, and after two refusals in a row.",
    ),
)


ROLES = (
    ("reader", "The role that only reads."),
    ("writer", "The role that reads and writes rows."),
    ("migrator", "The role that owns what revisions make."),
    ("owner", "The role that owns the database."),
    ("backup", "The role that reads all of it for a backup."),
    ("runtime", "The role that the application logs in as. By default that of runtime_url, where it is set here."),
)


def _role(part: str, what: str) -> Key:
    return Key(name=part, summary=what, expected="the name of a role", pattern=_ROLE, example=f"shop_{part}")


def _url(part: str) -> Key:
    return Key(
        name=f"{part}_url",
        summary=f"The NAME of the variable with a URL of the {part}'s own. By default `url` is used, with SET ROLE.",
        expected="the NAME of the environment variable that holds the URL",
        pattern=r"[A-Za-z_][A-Za-z0-9_]{0,79}",
        example=f"database_{part}_url",
        secret=True,
    )


ROLE_KEYS = (*(_role(*each) for each in ROLES), *(_url(part) for part, _ in ROLES if part != "runtime"))

ACCESS_KEYS = (
    truth(
        "arming", "Whether a person arms a terminal before it does more than look, by `invoke arm`. It ends by itself."
    ),
    section("roles", "The roles of this tier's database, by what they are for.", "{reader: shop_reader}", ROLE_KEYS),
    section("limits", "How often, and when not.", "{runs: [migrate 3 times in 1 day]}", LIMIT_KEYS),
    section("harden", "What `invoke harden` puts into this tier's database.", "{passes: migrator}", HARDEN_KEYS),
)
