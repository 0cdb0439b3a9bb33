"""Every key of `config/tiers.yaml`, once: what it is for, what it may hold, an example.

The reader, the JSON Schema and the documentation are made from these rows.
"""

from __future__ import annotations

from dbtasks.settings_access_keys import ACCESS_KEYS, ADMIN_URL, CREDENTIAL
from dbtasks.settings_approval_keys import APPROVAL_KEYS
from dbtasks.settings_backup_keys import BACKUP_KEYS, BACKUPS_KEYS
from dbtasks.settings_key import PATH, PATH_EXPECTED, Key, Shape, choice, path, section, time, truth, words
from dbtasks.settings_people_keys import ALLOW, GROUPS, PEOPLE
from dbtasks.settings_recovery import RECOVERY_KEYS
from dbtasks.settings_stock_keys import STOCK_KEYS
from dbtasks.settings_trail_keys import TRAIL_KEYS
from dbtasks.tiers import Colour, Embedded

LOSSES = ("everything", "asked", "nothing")
CONSENTS = ("none", "question", "person")
DEPRECATED_FLAG = "USE_TEST_DATABASE"

_NAME = r"[a-z][a-z0-9_]{0,15}"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,79}"
_TABLE = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
_URL_EXPECTED = "the NAME of the environment variable that holds the URL"

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

MIGRATE_KEYS = (
    time(
        "lock_timeout",
        "How long a statement waits for a lock, and others behind it. Then the revision goes back and is tried again.",
        "5 seconds",
    ),
    time(
        "statement_timeout",
        "How long one statement may run. By default as the server has it for the role.",
        none=True,
    ),
    Key(
        name="tries",
        summary="How often a revision that got no lock is tried, with growing pauses between.",
        expected="a number of times",
        pattern=r"[1-9][0-9]? times?",
        example="5 times",
        default="5 times",
    ),
    time("wait", "How long to wait for somebody else who migrates the same database.", "30 seconds"),
)

TIER_KEYS = (
    Key(
        name="label",
        summary="The badge that stands before every line about this tier. By default the name in capitals.",
        expected="at most 8 capital letters or digits",
        pattern=r"[A-Z][A-Z0-9_-]{0,7}",
        example="INT",
    ),
    choice("colour", "The badge's colour. By default it follows from consent.", tuple(Colour)),
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
    CREDENTIAL,
    Key(
        name="runtime_url",
        summary="The NAME of the variable that a managed runtime connects with. Needs runtime.markers.",
        expected=_URL_EXPECTED,
        pattern=_VARIABLE,
        example="database_runtime_url",
        secret=True,
    ),
    ADMIN_URL,
    Key(
        name="runtime",
        summary="How the managed production runtime is recognised.",
        shape=Shape.SECTION,
        expected="keys with values",
        example='{markers: {RENDER: "true"}}',
        section=RUNTIME_KEYS,
    ),
    choice("may_lose", "What this tier may lose.", LOSSES, required=True),
    choice("consent", "Who must agree: question before a loss, person also before a write.", CONSENTS, required=True),
    truth("scripts_may_answer", "Whether --yes answers this tier's questions."),
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
    section("migrate", "How patient a migration of this tier is.", "{lock_timeout: 5 seconds}", MIGRATE_KEYS),
    section("recovery", "How this tier can be recovered to a point in time.", "{keep: 7 days}", RECOVERY_KEYS),
    section("backup", "What takes this tier's backups, and which are kept.", "{keep: 10 backups}", BACKUP_KEYS),
    *ACCESS_KEYS,
    *APPROVAL_KEYS,
    choice("embedded", "Which private PostgreSQL stands in while the URL's variable is unset.", tuple(Embedded)),
    ALLOW,
)

HISTORY_KEYS = (
    path("config", "Alembic's configuration: an ini file, or pyproject.toml.", "alembic.ini"),
    Key(
        name="section",
        summary="The section of that ini file.",
        expected="the name of a section",
        pattern=r"[A-Za-z0-9_.:-]{1,80}",
        example="alembic",
        default="alembic",
    ),
    Key(
        name="version_table",
        summary="Alembic's version table, with its schema where tables of that name lie in several.",
        expected="the name of a table, or schema.table",
        pattern=rf"(?:{_TABLE}\.)?{_TABLE}",
        example="alembic_version",
        default="alembic_version",
    ),
)

MIGRATION_KEYS = (
    *HISTORY_KEYS,
    Key(
        name="histories",
        summary="Several histories of one database, in the order in which they are migrated, each by a name.",
        shape=Shape.SECTIONS,
        expected="histories by name (a letter, then small letters, digits and _, 16 at most)",
        pattern=_NAME,
        example="{core: {...}, billing: {...}}",
        section=HISTORY_KEYS,
    ),
    Key(
        name="python",
        summary="The Python that has the project's Alembic, where it is not the one that runs dbtasks.",
        expected="a path, written from the project's top folder or whole",
        pattern=PATH,
        example=".venv/bin/python",
    ),
    words(
        "program",
        "The project's own program that migrates, with its arguments, in place of `alembic upgrade heads`.",
        "words: a program of that Python or a .py file of the project, and its arguments",
        "[prefect, server, database, upgrade, --yes]",
    ),
    Key(
        name="first",
        summary="A Python file that makes the tables which the first revision expects, run once in an empty database.",
        expected=PATH_EXPECTED,
        pattern=PATH,
        example="migrations/first_tables.py",
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
    words(
        "check",
        "The application's own check, run on each tier by `invoke migrate --through`; it must end with 0.",
        "a command, word by word",
        "[python, -m, app.check]",
    ),
    truth("ignore_models", "Whether `invoke migrate --through` does not compare the models with the database."),
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

INCIDENT_KEYS = (
    words(
        "contacts",
        "Whom to call when something went wrong, one line each.",
        "lines of text: who, and how to reach them",
        '["whoever is on duty: the number in the team\'s handbook"]',
    ),
    path("folder", "The folder for the pages that `invoke incident` writes.", "docs/incidents"),
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
    truth("demo", "Whether a tier that needs a person may use an embedded server, for demonstrations."),
    path("seeds", "The folder of the seed sets.", "seeds"),
    path("trail", "The audit trail.", "logs/database_audit.jsonl"),
    section(
        "trail_files",
        "When the trail's file is put aside and the next one begun. By default never.",
        "{size: 100 MB, age: 90 days}",
        TRAIL_KEYS,
    ),
    section("migrations", "How this project uses Alembic.", "{config: alembic.ini}", MIGRATION_KEYS),
    section(
        "agents",
        "How AI agents are recognised, besides the markers that are built in.",
        "{markers: [OUR_AGENT]}",
        AGENT_KEYS,
    ),
    section("backups", "Where backups lie, and who can open them.", "{folder: .dbtasks/backups}", BACKUPS_KEYS),
    section("incident", "What `invoke incident` tells and where it writes.", "{contacts: [...]}", INCIDENT_KEYS),
    PEOPLE,
    GROUPS,
    section("stock", "What is kept ready for the next reset.", "{most: 8 databases, size: 4 GB}", STOCK_KEYS),
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
