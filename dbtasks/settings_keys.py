"""Every key of `config/tiers.yaml`, once: what it is for, what it may hold, an example.

The reader, the JSON Schema and the documentation are made from these rows.
"""

from __future__ import annotations

import enum

from dbtasks.tiers import Colour, Embedded
from dbtasks.values import dataclass

LOSSES = ("everything", "asked", "nothing")
CONSENTS = ("none", "question", "person")
DEPRECATED_FLAG = "USE_TEST_DATABASE"

_NAME = r"[a-z][a-z0-9_]{0,15}"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,79}"
_PATH = r"[^\x00-\x1f\x7f]{1,200}"
_PATH_EXPECTED = "a path inside the project, written from its top folder"
_URL_EXPECTED = "the NAME of the environment variable that holds the URL"


class Shape(enum.Enum):
    TEXT = enum.auto()
    TEXTS = enum.auto()
    CHOICE = enum.auto()
    TRUTH = enum.auto()
    SECTION = enum.auto()
    SECTIONS = enum.auto()
    MARKERS = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key.

    `pattern` is for each text, or for each key of SECTIONS and MARKERS. A `secret` value is never quoted.
    """

    name: str
    summary: str
    expected: str
    example: str
    shape: Shape = Shape.TEXT
    pattern: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    required: bool = False
    secret: bool = False
    section: tuple[Key, ...] = ()


def _truth(name: str, summary: str) -> Key:
    return Key(
        name=name,
        summary=summary,
        shape=Shape.TRUTH,
        expected="true or false",
        choices=("true", "false"),
        example="false",
        default="false",
    )


def _path(name: str, summary: str, default: str) -> Key:
    return Key(name=name, summary=summary, expected=_PATH_EXPECTED, pattern=_PATH, example=default, default=default)


def _section(name: str, summary: str, example: str, keys: tuple[Key, ...]) -> Key:
    shape, expected = Shape.SECTION, "keys with values"
    return Key(name=name, summary=summary, shape=shape, expected=expected, example=example, section=keys)


def _choice(name: str, summary: str, choices: tuple[str, ...], *, required: bool = False) -> Key:
    alternatives = f"{', '.join(choices[:-1])} or {choices[-1]}"
    return Key(
        name=name,
        summary=summary,
        shape=Shape.CHOICE,
        expected=alternatives,
        choices=choices,
        example=choices[-1],
        required=required,
    )


RUNTIME_KEYS = (
    Key(
        name="markers",
        summary="Environment variables that the runtime sets, with their values; no value means any.",
        shape=Shape.MARKERS,
        expected="variables with their values",
        pattern=_VARIABLE,
        example='{RENDER: "true"}',
    ),
)

TIER_KEYS = (
    Key(
        name="label",
        summary="The badge that stands before every line about this tier. By default the name in capitals.",
        expected="at most 8 capital letters or digits",
        pattern=r"[A-Z][A-Z0-9_-]{0,7}",
        example="INT",
    ),
    _choice("colour", "The badge's colour. By default it follows from consent.", tuple(Colour)),
    Key(
        name="aliases",
        summary="Other words for this tier on the command line.",
        shape=Shape.TEXTS,
        expected="words of small letters, digits, _ and -",
        pattern=r"[a-z][a-z0-9_-]{0,30}",
        example="[staging, local]",
    ),
    Key(
        name="after",
        summary="The tier that migrations must have reached before this one. The first tier has none.",
        expected="the name of another tier",
        pattern=_NAME,
        example="int",
    ),
    Key(
        name="flag",
        summary="The environment variable that names this tier when it is true. Never read from .env.",
        expected="the name of an environment variable in capitals",
        pattern=r"[A-Z][A-Z0-9_]{0,79}",
        example="USE_STG_DATABASE",
    ),
    Key(
        name="url",
        summary="The NAME of the environment variable that holds the database's URL; its upper-case twin counts too.",
        expected=_URL_EXPECTED,
        pattern=_VARIABLE,
        example="stg_database_url",
        required=True,
        secret=True,
    ),
    Key(
        name="runtime_url",
        summary="The NAME of the variable that a managed runtime connects with. Needs runtime.markers.",
        expected=_URL_EXPECTED,
        pattern=_VARIABLE,
        example="database_runtime_url",
        secret=True,
    ),
    Key(
        name="runtime",
        summary="How the managed production runtime is recognised.",
        shape=Shape.SECTION,
        expected="keys with values",
        example='{markers: {RENDER: "true"}}',
        section=RUNTIME_KEYS,
    ),
    _choice("may_lose", "What this tier may lose.", LOSSES, required=True),
    _choice(
        "consent",
        "Who must agree: question before a loss, person also before a write.",
        CONSENTS,
        required=True,
    ),
    _truth("scripts_may_answer", "Whether --yes answers this tier's questions."),
    Key(
        name="name_has_word",
        summary="Whole words of which a database's name must hold one. By default the tier's name.",
        shape=Shape.TEXTS,
        expected="words of small letters",
        pattern=r"[a-z]{1,30}",
        example="[stg, staging]",
    ),
    Key(
        name="seeds",
        summary="The seed sets that this tier gets, in order: folders inside the seeds folder.",
        shape=Shape.TEXTS,
        expected="names of folders: small letters, digits, _ and -",
        pattern=r"[a-z0-9][a-z0-9_-]{0,40}",
        example="[reference, demo]",
    ),
    Key(
        name="retention",
        summary="How long a replaced database is kept, so that it can be brought back.",
        expected="a number of days, hours or minutes",
        pattern=r"[0-9]{1,4} (?:day|hour|minute)s?",
        example="7 days",
        default="7 days",
    ),
    _choice("embedded", "Which private PostgreSQL stands in while the URL's variable is unset.", tuple(Embedded)),
)

MIGRATION_KEYS = (
    _path("config", "Alembic's configuration.", "alembic.ini"),
    Key(
        name="section",
        summary="The section of that file.",
        expected="the name of a section",
        pattern=r"[A-Za-z0-9_.:-]{1,80}",
        example="alembic",
        default="alembic",
    ),
    Key(
        name="url_variables",
        summary="The variables in which the project's env.py expects its URL; they get the cleared target's.",
        shape=Shape.TEXTS,
        expected="NAMES of environment variables",
        pattern=_VARIABLE,
        example="[DATABASE_URL]",
        secret=True,
    ),
    Key(
        name="variables",
        summary="Variables that the revisions read: they stay in their environment, and a cached database counts them.",
        shape=Shape.TEXTS,
        expected="NAMES of environment variables",
        pattern=_VARIABLE,
        example="[DEFAULT_CURRENCY]",
        secret=True,
    ),
    Key(
        name="version_table",
        summary="Alembic's version table.",
        expected="the name of a table",
        pattern=r"[A-Za-z_][A-Za-z0-9_]{0,62}",
        example="alembic_version",
        default="alembic_version",
    ),
    Key(
        name="scratch",
        summary="The NAME of the variable with the URL of a server for rehearsals. By default the private one is used.",
        expected=_URL_EXPECTED,
        pattern=_VARIABLE,
        example="scratch_database_url",
        secret=True,
    ),
)

AGENT_KEYS = (
    Key(
        name="markers",
        summary="More environment variables that betray an AI agent. They only tighten.",
        shape=Shape.TEXTS,
        expected="names of environment variables",
        pattern=_VARIABLE,
        example="[OUR_AGENT]",
    ),
)

STOCK_KEYS = (
    Key(
        name="most",
        summary="How many templates and spares a tier may keep ready; 0 databases: none.",
        expected="a number of databases",
        pattern=r"[0-9]{1,3} databases?",
        example="8 databases",
        default="8 databases",
    ),
    Key(
        name="size",
        summary="How much room all of a tier's templates and spares may take; the least used go first.",
        expected="a size in MB or GB",
        pattern=r"[0-9]{1,5} [MG]B",
        example="4 GB",
        default="4 GB",
    ),
    _truth("by_hand", "Whether only `invoke prepare` makes the next reset ready; else each reset does, afterwards."),
)

TOP_KEYS = (
    Key(
        name="project",
        summary="The project's name, and the first word of its databases on the embedded server.",
        expected="a name of at most 30 small letters, digits and _ that begins with a letter",
        pattern=r"[a-z][a-z0-9_]{0,29}",
        example="shop",
        required=True,
    ),
    Key(
        name="default",
        summary="The tier that is meant when none is named, and that tests run on. By default the first one.",
        expected="the name of a tier",
        pattern=_NAME,
        example="int",
    ),
    _truth("demo", "Whether a tier that needs a person may use an embedded server, for demonstrations."),
    _path("seeds", "The folder of the seed sets.", "seeds"),
    _path("trail", "The audit trail.", "logs/database_audit.jsonl"),
    _section("migrations", "How this project uses Alembic.", "{config: alembic.ini}", MIGRATION_KEYS),
    _section(
        "agents",
        "How AI agents are recognised, besides the markers that are built in.",
        "{markers: [OUR_AGENT]}",
        AGENT_KEYS,
    ),
    _section("stock", "What is kept ready for the next reset.", "{most: 8 databases, size: 4 GB}", STOCK_KEYS),
    Key(
        name="tiers",
        summary="The databases, by name.",
        shape=Shape.SECTIONS,
        expected="tiers by name (a letter, then small letters, digits and _, 16 at most)",
        pattern=_NAME,
        example="{int: {...}, stg: {...}}",
        required=True,
        section=TIER_KEYS,
    ),
)
