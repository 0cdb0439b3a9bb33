"""Backups by pg_dump, of the server's own major version: any server, any size that a night has room for.

The dump comes through a pipe and is hashed, sealed, hashed again and stored in one pass. Rows are counted meanwhile, in
the snapshot that is dumped. Where nothing is sealed and several jobs are wanted, pg_dump writes a folder itself.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import cast

from dbtasks.backups import contents, creating, facts, noting
from dbtasks.backups.children import running
from dbtasks.backups.dumping import FOLDER, Lent, dump
from dbtasks.backups.engines import Restoring, Taking
from dbtasks.backups.manifest import Form, Manifest, encode
from dbtasks.backups.progress import Progress, Report
from dbtasks.backups.reading import check_files, deliver
from dbtasks.backups.vault import Vault
from dbtasks.clients import way
from dbtasks.database import open_to_write
from dbtasks.errors import BackupError, DamagedBackupError
from dbtasks.hardening.texts import IN_A_DUMP

# A grant on a function of the system, such as the one that a mark needs, is in the dump of its database.
_OF_THE_SYSTEM = re.compile(r"\d+; \d+ \d+ ACL pg_catalog ")


def take(job: Taking) -> Manifest:
    started = time.monotonic()
    with closing(open_to_write(job.permit, job.source.conninfo)) as connection:
        lent = Lent(connection, *facts.begin(connection))
        _check_space(job.vault, lent.table_bytes)
        draft = job.vault.store.begin(job.id)
        try:
            made, found = dump(job, draft, lent)
            row = connection.execute("SELECT clock_timestamp()").fetchone() or (found.at,)
            taken = noting.Taken(finished=cast(datetime, row[0]), seconds=time.monotonic() - started)
            manifest = noting.of_dump(job, found, made, taken)
            draft.finish(encode(manifest))
        except BaseException:
            draft.abandon()
            raise
    return manifest


def check(vault: Vault, manifest: Manifest, report: Report) -> None:
    if manifest.form is Form.DIRECTORY:
        check_files(vault.store, manifest, report)
        listed = contents.listed_folder(manifest, _folder(vault, manifest))
    else:
        listed = contents.listed(vault, manifest, report)
    tables = sum(1 for name, _ in manifest.rows if name != facts.LARGE_OBJECTS)
    found = sum(1 for line in listed.splitlines() if b" TABLE DATA " in line)
    if found < tables:
        raise DamagedBackupError(manifest.id, f"it lists the rows of {found} tables, and {tables} were dumped")


def restore(job: Restoring) -> int:
    # A dump is a program for whoever restores it: nothing of it runs before every byte is known to be what was written.
    listed = _listed(job)
    oid = creating.create(job.beside, job.manifest)
    to = way(job.beside.conninfo, job.permit, "restore")
    command: list[str | Path] = [
        contents.pg_restore(job.manifest),
        "--exit-on-error",
        "--no-password",
        f"--dbname={to.dbname}",
    ]
    superuser = job.beside.known.connection.info.parameter_status("is_superuser") == "on"
    with tempfile.TemporaryFile() as unheard, _restorable(listed, superuser=superuser) as those:
        command += those
        if job.manifest.form is Form.DIRECTORY:
            place = _folder(job.vault, job.manifest)
            job.report(Progress(doing="restoring"))
            with running([*command, f"--jobs={job.vault.jobs}", place], to.environ, into=unheard) as child:
                child.finish()
        else:
            job.report(Progress(doing="restoring", total=job.manifest.stored_bytes))
            with running(command, to.environ, into=unheard) as child:
                deliver(job.vault, job.manifest, child.give, job.report, "restoring")
                child.finish()
    return oid


def _listed(job: Restoring) -> bytes:
    """Return the list of contents, once every byte of the backup was read and compared."""
    if job.manifest.form is Form.DIRECTORY:
        check_files(job.vault.store, job.manifest, job.report)
        return contents.listed_folder(job.manifest, _folder(job.vault, job.manifest))
    return contents.listed(job.vault, job.manifest, job.report)


@contextmanager
def _restorable(listed: bytes, *, superuser: bool) -> Iterator[list[str | Path]]:
    """Yield what makes pg_restore leave out the guards of `harden`, and grants that only a superuser can give."""
    lines = listed.decode(errors="surrogateescape").splitlines()
    kept = [line for line in lines if not (IN_A_DUMP.match(line) or (_OF_THE_SYSTEM.match(line) and not superuser))]
    if len(kept) == len(lines):
        yield []
        return
    with tempfile.NamedTemporaryFile("w", prefix="dbtasks-list-", errors="surrogateescape") as file:
        file.write("\n".join(kept))
        file.flush()
        yield [f"--use-list={file.name}"]


def _folder(vault: Vault, manifest: Manifest) -> Path:
    place = vault.store.folder(manifest.id)
    if place is None:
        raise DamagedBackupError(manifest.id, f"it is a folder, and {vault.store.shown} has none")
    return place / FOLDER


def _check_space(vault: Vault, table_bytes: int) -> None:
    """Raise where the dump is sure not to fit: a compressed one is seldom less than an eighth of its tables."""
    free, least = vault.store.free_bytes(), table_bytes // 8
    if free is not None and free < least:
        raise BackupError(
            f"The tables take {table_bytes / 1e6:,.0f} MB, and {vault.store.shown} has {free / 1e6:,.0f} MB free, of "
            f"which the dump would take {least / 1e6:,.0f} MB at the very least. Make room, or name another place in "
            "backups.folder."
        )
