"""The keys of `backups`, and of a tier's `backup`."""

from __future__ import annotations

from dbtasks.settings_key import PATH, Key, Shape, choice
from dbtasks.tiers import BackupEngine

BACKUPS_KEYS = (
    Key(
        name="folder",
        summary="The folder in which backups lie, each in one of its own.",
        expected="a path, written from the project's top folder or whole",
        pattern=PATH,
        example=".dbtasks/backups",
        default=".dbtasks/backups",
    ),
    Key(
        name="bucket",
        summary="The object store where backups lie instead of in a folder. Needs dbtasks[remote].",
        expected="s3://bucket/folder, gs://bucket/folder or az://container/folder",
        pattern=r"(?:s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]{1,62}(?:/[A-Za-z0-9._=-]{1,60}){0,8}",
        example="s3://our-backups/shop",
    ),
    Key(
        name="recipients",
        summary="Who can open a backup: age or SSH public keys, or files that hold them. Needs dbtasks[encrypt].",
        shape=Shape.TEXTS,
        expected="public keys (age1..., ssh-ed25519 ..., ssh-rsa ...) or paths of files that hold them",
        pattern=r"[^\x00-\x1f\x7f]{1,2000}",
        example="[config/backup_keys.pub]",
    ),
    Key(
        name="identity",
        summary="The NAME of the variable with the path of a private key that opens backups.",
        expected="the NAME of the environment variable that holds the path",
        pattern=r"[A-Za-z_][A-Za-z0-9_]{0,79}",
        example="backup_identity",
        secret=True,
    ),
    Key(
        name="jobs",
        summary="How many tables pg_dump reads at once where a backup is not sealed, and pg_restore writes.",
        expected="a number of jobs",
        pattern=r"[1-9][0-9]? jobs?",
        example="1 job",
        default="1 job",
    ),
)

BACKUP_KEYS = (
    choice("engine", "What takes the backups.", tuple(BackupEngine)),
    Key(
        name="keep",
        summary="How many of the newest backups are kept, whatever their age.",
        expected="a number of backups",
        pattern=r"[1-9][0-9]{0,3} backups?",
        example="10 backups",
        default="10 backups",
    ),
    Key(
        name="age",
        summary="How long every backup is kept, however many there are.",
        expected="a number of days, hours or minutes",
        pattern=r"[0-9]{1,4} (?:day|hour|minute)s?",
        example="30 days",
        default="30 days",
    ),
    Key(
        name="full",
        summary="How old pgBackRest's last full backup may be; until then, what it takes is incremental.",
        expected="a number of days, hours or minutes",
        pattern=r"[0-9]{1,4} (?:day|hour|minute)s?",
        example="7 days",
        default="7 days",
    ),
)
