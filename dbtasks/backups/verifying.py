"""Showing what a backup is worth: that it is readable, or that it becomes the database that it was taken of."""

from __future__ import annotations

import secrets
from contextlib import closing, suppress
from datetime import UTC, datetime

import psycopg

from dbtasks.backups import facts
from dbtasks.backups.engines import Beside, Errand, Permission, copy, engine
from dbtasks.backups.facts import Rows
from dbtasks.backups.manifest import Form, Grade, Manifest, Verdict, encode
from dbtasks.backups.progress import Report, unheard
from dbtasks.backups.restoring import restore_into
from dbtasks.backups.store import CHECKED
from dbtasks.backups.taking import telling
from dbtasks.backups.vault import Vault
from dbtasks.database import open_to_write
from dbtasks.errors import BackupError, DamagedBackupError
from dbtasks.values import dataclass

_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Which backup is looked at, by whom."""

    vault: Vault
    manifest: Manifest
    errand: Errand


def readable(look: Look, report: Report = unheard) -> Manifest:
    """Show that every byte is there, opens, and begins with a list of contents. Return the manifest with that.

    DamagedBackupError where it is not so, and that is noted, too. BackupError where it cannot be told, without a key.
    """
    try:
        with telling(f"The backup {look.manifest.id} could not be read"):
            engine(look.manifest.engine, look.manifest.id).check(look.vault, look.manifest, report)
    except DamagedBackupError as damaged:
        _note(look, _verdict(look, Grade.DAMAGED, why=damaged.why), None)
        raise
    grade = Grade.RESTORABLE if look.manifest.grade is Grade.RESTORABLE else Grade.READABLE
    return _note(look, _verdict(look, Grade.READABLE), None).with_verdict(_verdict(look, grade))


def restorable(permit: Permission, look: Look, beside: Beside, report: Report = unheard) -> Manifest:
    """Show that it becomes a database with the same rows and the same schema. Return the manifest with that.

    The database is made where `beside` has reserved it, and dropped again, as is its row. Raises as `readable` does;
    what the server beside cannot do, such as an extension that it lacks, is BackupError and no damage.
    """
    try:
        restore_into(permit, look.vault, look.manifest, beside, report)
        with telling(f"The backup {look.manifest.id} could not be compared"):
            rows = compare(permit, look.manifest, beside)
    except DamagedBackupError as damaged:
        _note(look, _verdict(look, Grade.DAMAGED, why=damaged.why), beside)
        raise
    finally:
        with suppress(psycopg.Error):  # what the server keeps of it, the next sweep drops
            beside.known.drop(beside.row)
    return _note(look, _verdict(look, Grade.RESTORABLE, rows=() if look.manifest.rows else rows), beside)


def compare(permit: Permission, manifest: Manifest, beside: Beside, *, rows_do: bool = False) -> Rows:
    """Return the restored database's rows. DamagedBackupError where they or the schema are not those of the source.

    A server of another version words definitions otherwise: BackupError there, unless equal `rows_do`.
    """
    with closing(open_to_write(permit, beside.conninfo)) as connection:
        major = connection.info.server_version // 10000
        digest, rows = facts.read_again(connection, manifest.role)
    if manifest.rows and (why := _differing(manifest.rows, rows)):
        raise DamagedBackupError(manifest.id, f"restored, {why}")
    if digest != manifest.schema_digest:
        if major != manifest.major and rows_do:
            return rows
        if major != manifest.major:
            raise BackupError(
                f"The backup {manifest.id} was restored on PostgreSQL {major} with all its rows. It is of PostgreSQL "
                f"{manifest.major}, which words definitions otherwise, so that the schema cannot be compared there. "
                "Verify it on a server of its own version."
            )
        raise DamagedBackupError(manifest.id, "restored, its schema is another one than was dumped")
    return rows


def _differing(dumped: Rows, restored: Rows) -> str:
    """Return in words which tables do not hold what was counted; empty: all do."""
    before, after = dict(dumped), dict(restored)
    names = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    told = [f"{name} has {_rows(after.get(name))} and had {_rows(before.get(name))}" for name in names[:_NAMED]]
    more = f", and {len(names) - _NAMED} more differ" if len(names) > _NAMED else ""
    return ", ".join(told) + more


def _rows(count: int | None) -> str:
    return "no table" if count is None else f"{count:,} row{'' if count == 1 else 's'}"


def _verdict(look: Look, grade: Grade, *, why: str = "", rows: Rows = ()) -> Verdict:
    who = look.errand.who
    return Verdict(
        digest=look.manifest.digest,
        grade=grade,
        checked_at=datetime.now(UTC),
        person=who.person,
        host=who.host,
        why=why,
        rows=rows,
    )


def _note(look: Look, verdict: Verdict, beside: Beside | None) -> Manifest:
    """Note a verdict beside the backup, and return the manifest with it."""
    judged = look.manifest.with_verdict(verdict)
    if look.manifest.form is not Form.DATABASE:
        name = f"{CHECKED}{verdict.checked_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}.json"
        look.vault.store.add(look.manifest.id, name, encode(verdict))
    elif beside is not None:
        with suppress(psycopg.Error):  # the server has gone; what was shown stands
            copy.note(beside.known, judged)
    return judged
