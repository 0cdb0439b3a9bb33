"""The list of what a dump holds, read by pg_restore while the whole of it is read by us."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from dbtasks.backups.children import running
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.progress import Report
from dbtasks.backups.reading import deliver
from dbtasks.backups.vault import Vault
from dbtasks.errors import BackupError, DamagedBackupError
from dbtasks.programs import child_environment, find_client


def pg_restore(manifest: Manifest) -> Path:
    """Return the program that reads what this backup's pg_dump wrote."""
    return find_client("pg_restore", int(manifest.client_version.partition(".")[0]))


def listed(vault: Vault, manifest: Manifest, report: Report) -> bytes:
    """Return the list, and every byte was read and compared by then. DamagedBackupError where that cannot be."""
    with (
        tempfile.TemporaryFile() as text,
        running([pg_restore(manifest), "--list"], child_environment(), into=text) as child,
    ):
        heard = True

        def feed(piece: bytes) -> None:
            nonlocal heard
            if heard:
                heard = child.feed(piece)  # it ends when it has the list; the rest is for us alone

        deliver(vault, manifest, feed, report, "reading back")
        return _told(manifest, child.finish, text)


def listed_folder(manifest: Manifest, place: Path) -> bytes:
    """Return the list of a dump that is a folder."""
    with (
        tempfile.TemporaryFile() as text,
        running([pg_restore(manifest), "--list", place], child_environment(), into=text) as child,
    ):
        return _told(manifest, child.finish, text)


def _told(manifest: Manifest, finish: Callable[[], None], text: IO[bytes]) -> bytes:
    try:
        finish()
    except BackupError as error:
        raise DamagedBackupError(manifest.id, f"its list of contents cannot be read: {error}") from None
    text.seek(0)
    return text.read()
