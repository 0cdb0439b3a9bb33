"""The keys of `tiers.<tier>.recovery`: where the server's write-ahead log goes, so that it can be recovered."""

from __future__ import annotations

from dbtasks.settings_key import PATH, Key, choice, words
from dbtasks.tiers import RecoveryEngine

_PATH_EXPECTED = "a path, written from the project's top folder or whole"

RECOVERY_KEYS = (
    choice(
        "engine",
        "How the tier can be recovered to a point in time. A private durable server archives by itself.",
        tuple(RecoveryEngine),
    ),
    Key(
        name="archive",
        summary="The folder in which the server's archive_command puts its files, as it is reached from here.",
        expected=_PATH_EXPECTED,
        pattern=PATH,
        example="/mnt/archive",
    ),
    words(
        "fetch",
        "The command that fetches a file of the archive, in place of a folder: {name} is the file, {path} its target.",
        "a command, word by word",
        '[rsync, "backup:/archive/{name}", "{path}"]',
    ),
    Key(
        name="base",
        summary="The folder of the base backups. By default one for each tier below .dbtasks.",
        expected=_PATH_EXPECTED,
        pattern=PATH,
        example="/mnt/base",
    ),
    Key(
        name="stanza",
        summary="What pgBackRest knows the server as.",
        expected="the name of a stanza",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
        example="shop",
    ),
    Key(
        name="config",
        summary="The configuration file of pgBackRest, where it is not the usual one.",
        expected=_PATH_EXPECTED,
        pattern=PATH,
        example="/etc/pgbackrest/shop.conf",
    ),
    Key(
        name="keep",
        summary="How far back a recovery can go; older base backups go.",
        expected="a number of days, hours or minutes",
        pattern=r"[0-9]{1,4} (?:day|hour|minute)s?",
        example="7 days",
        default="7 days",
    ),
    Key(
        name="token",
        summary="The NAME of the variable with the access token of Supabase's management API.",
        expected="the NAME of the environment variable that holds the token",
        pattern=r"[A-Za-z_][A-Za-z0-9_]{0,79}",
        example="SUPABASE_ACCESS_TOKEN",
        secret=True,
    ),
    Key(
        name="renew",
        summary="How old the newest base backup may become before the next mark takes another.",
        expected="a number of days, hours or minutes",
        pattern=r"[0-9]{1,4} (?:day|hour|minute)s?",
        example="14 days",
        default="30 days",
    ),
)
