"""Backups by pgBackRest: of a whole server, full or what has changed since, in a repository that others look after.

What lies in the vault is the manifest alone. Such a backup is a point: what the repository holds, and the log from
there up to a mark that is put when the program has ended. It becomes a database by a server that is recovered up to the
mark, beside the live one, and out of which the database is copied.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, cast

from psycopg import sql

from dbtasks import wal
from dbtasks.backups import copying_out, facts, noting
from dbtasks.backups.engines import Restoring, Taking
from dbtasks.backups.facts import Facts, Rows
from dbtasks.backups.manifest import Kept, Manifest, encode
from dbtasks.backups.progress import Progress, Report
from dbtasks.backups.vault import Vault
from dbtasks.database import Connection, open_to_write, several
from dbtasks.errors import BackupError, DamagedBackupError, RecoveryFailedError
from dbtasks.recovery import answers, marks, proving, recovering, rooms
from dbtasks.recovery.answers import Stored
from dbtasks.recovery.engines.pgbackrest import PgBackRest
from dbtasks.recovery.goals import BeforeMark
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.repository import Repository
from dbtasks.recovery.source import identifier_of, superuser_of
from dbtasks.recovery.unpacking import DamagedBaseError

NOTE = "dbtasks"  # the annotation that holds a backup's id
_TRIES = 3
_COUNTED_BYTES = 4 << 30  # some seconds; above, nobody waits for a count


def take(job: Taking) -> Manifest:
    started = time.monotonic()
    repository = job.vault.repository(job.source.tier.name)
    with _told("The backup could not be taken"), closing(open_to_write(job.permit, job.source.conninfo)) as connection:
        stored = _backed_up(job, repository, connection)
        seen = _marked(job, connection)
        proof = proving.prove(PgBackRest(repository=repository, only=stored.label), connection, seen.mark)
        if isinstance(proof, Unproven):
            raise BackupError(f"{stored.label} was taken, and could not be restored. {proof.why} {proof.instead}")
        kept = Kept(
            stanza=repository.stanza,
            label=stored.label,
            kind=stored.type,
            place=stored.database.repo_key,
            superuser=superuser_of(connection),
            mark=cast("dict[str, str | int | bool]", seen.mark.as_data()),
        )
        row = connection.execute("SELECT clock_timestamp()").fetchone() or (seen.facts.at,)
        made = noting.Stored(
            kept=kept,
            rows=seen.rows,
            sha256=_digest(repository, kept),
            bytes=stored.info.size,
            version=repository.version(),
        )
    taken = noting.Taken(finished=cast(datetime, row[0]), seconds=time.monotonic() - started)
    manifest = noting.of_repository(job, seen.facts, made, taken)
    draft = job.vault.store.begin(job.id)
    try:
        draft.finish(encode(manifest))
    except BaseException:
        draft.abandon()
        raise
    return manifest


def check(vault: Vault, manifest: Manifest, report: Report) -> None:
    repository, kept = vault.repository(manifest.tier), _kept(manifest)
    report(Progress(doing="reading back", total=manifest.bytes))
    with _told(f"The backup {manifest.id} could not be read"):
        _check_there(repository, manifest, kept)
        said = repository.verify()
    why = answers.invalid_backup(said, kept.label)
    if why:
        raise DamagedBackupError(manifest.id, why)
    gaps = answers.invalid_log(said)
    if gaps:
        raise BackupError(f"Whether {manifest.id} is whole can only be shown by restoring it: {gaps}.")


def restore(job: Restoring) -> int:
    manifest, kept = job.manifest, _kept(job.manifest)
    repository = job.vault.repository(manifest.tier)
    request = recovering.Request(
        root=job.vault.root,
        engine=PgBackRest(repository=repository, only=kept.label),
        system_identifier=manifest.identity.system_identifier,
        goal=BeforeMark(mark=marks.mark_from(kept.mark)),
        at_least={},
        superuser=kept.superuser,
    )
    with _told(f"The backup {manifest.id} could not be restored"):
        _check_there(repository, manifest, kept)
        try:
            recovered = recovering.recover(request, lambda line: job.report(Progress(doing=line)))
        except DamagedBaseError as error:
            raise DamagedBackupError(manifest.id, str(error)) from error
    try:
        return copying_out.copy_out(job, recovered.conninfo(manifest.database))
    finally:
        rooms.drop(recovered)


def _backed_up(job: Taking, repository: Repository, connection: Connection) -> Stored:
    """Have a backup taken, and return it as the repository knows it: by our note, of this very server."""
    identifier, before = identifier_of(connection), repository.info()
    if identifier not in {each.system_id for each in before.current}:
        raise BackupError(f"{repository.shown} is of another server than {job.source.conninfo.database} lies on.")
    newest = max((each.timestamp.stop for each in before.backup if each.type == "full" and not each.error), default=0)
    due = datetime.now(UTC) - datetime.fromtimestamp(newest, UTC) > job.source.tier.backup.full
    job.report(Progress(doing="backing up the whole server" if due else "backing up what has changed on the server"))
    complaint = repository.backup("full" if due else "incr", {NOTE: job.id})
    after = repository.info()
    for stored in after.backup:
        of = after.server(stored.database)
        if stored.annotation.get(NOTE) == job.id and of is not None and of.system_id == identifier:
            if stored.error:
                raise BackupError(f"pgBackRest found pages of the server with wrong checksums: see {stored.label}.")
            return stored
    raise BackupError(f"{repository.shown} has no new backup: {complaint or 'it gave no reason'}")


class _Seen(NamedTuple):
    """A mark, and what the database held there. `rows` are empty where somebody wrote in between."""

    mark: marks.Mark
    rows: Rows
    facts: Facts


def _marked(job: Taking, connection: Connection) -> _Seen:
    """Put the mark right behind a snapshot: where no byte of the log lies between them, both hold the same rows."""
    here, size = _snapshot(connection)
    mark = marks.make_mark(connection)
    found = facts.read(connection, job.source.version_tables)
    rows = facts.count(connection, found.tables) if here == mark.begins and size <= _COUNTED_BYTES else ()
    connection.execute("ROLLBACK")
    return _Seen(mark, rows, dataclasses.replace(found, lsn=wal.shown(mark.lsn)))


def _snapshot(connection: Connection) -> tuple[int | None, int]:
    """Begin to look. Return where the log ended right before, `None` where somebody was writing, and what there is."""
    for left in range(_TRIES, 0, -1):
        ((before,),), ((writing,),) = several(connection, _HERE, _WRITING)
        _, size = facts.begin(connection)
        (after,) = connection.execute(_HERE).fetchone() or ("",)
        if before == after and not writing:
            return wal.position(str(after)), size
        if left > 1:  # what was written may have been the server's own, at the first look into its catalogue
            connection.execute("ROLLBACK")
    return None, size


_HERE = sql.SQL("SELECT pg_current_wal_insert_lsn()::text")
# Whoever has committed in the log, and is not seen as committed yet, still holds the lock on its own transaction.
_WRITING = sql.SQL("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock'")


def _check_there(repository: Repository, manifest: Manifest, kept: Kept) -> None:
    if kept.stanza != repository.stanza:
        raise BackupError(f"It is of the stanza {kept.stanza}, and the settings name {repository.stanza}.")
    if kept.label not in {each.label for each in repository.info().backup}:
        raise DamagedBackupError(manifest.id, f"{repository.shown} has no backup {kept.label} any more")
    if _digest(repository, kept) != manifest.sha256:
        raise DamagedBackupError(manifest.id, f"the list of files of {kept.label} is not the one that was written")


def _digest(repository: Repository, kept: Kept) -> str:
    """Return the sha256 of a backup's list of files, which has a checksum of each."""
    path = f"backup/{kept.stanza}/{kept.label}/backup.manifest"
    return hashlib.sha256(repository.read(path, kept.place)).hexdigest()


def _kept(manifest: Manifest) -> Kept:
    if not isinstance(manifest.kept, Kept):
        raise DamagedBackupError(manifest.id, "its manifest does not say which backup of the repository it is")
    return manifest.kept


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except RecoveryFailedError as error:
        raise BackupError(f"{what}: {error}") from error
