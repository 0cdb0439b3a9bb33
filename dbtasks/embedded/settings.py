"""The settings that a private server starts with, given on its command line so that they are always today's.

Secrets never belong here: everybody on the machine can read a command line.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from dbtasks.embedded.state import HOST, USER, Kind

# Data that may go at any time: nothing waits for a disk, and little of the memory file system is spent on WAL.
_THROWAWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "max_connections": "200",
}
_DURABLE = {"wal_level": "replica", "archive_mode": "on", "max_wal_size": "1GB", "max_connections": "100"}
# Each stop fills up and archives the WAL file at hand, so a small one spares a laptop's disk.
_WAL_FILE_MB = 4
SUMMARIES_SINCE = 17
BUILTIN_LOCALE_SINCE = 17


def server_settings(kind: Kind, major: int, place: Path) -> dict[str, str]:
    """What makes a server the throw-away or the durable one; `place` holds the durable one's archive."""
    settings = {"listen_addresses": HOST, "cluster_name": f"dbtasks-{kind.value}"}
    if kind is Kind.THROWAWAY:
        return settings | _THROWAWAY
    settings |= _DURABLE | {"archive_command": archive_command(place / "archive")}
    return settings | ({"summarize_wal": "on"} if major >= SUMMARIES_SINCE else {})


def archive_command(archive: Path, platform: str = sys.platform) -> str:
    """The command that copies one finished WAL file into the archive.

    Never overwrites: a file of that name is success when it has the same content (the server asks again after a
    crash between the copy and its own note of it), else failure. The name appears only when the copy is on disk.
    """
    if platform == "win32":
        folder = str(archive).replace("%", "%%")
        return f'if not exist "{folder}\\%f" copy "%p" "{folder}\\%f"'
    # The server replaces %p and %f, and %% by a percent sign; what else stands here the shell reads as quoted.
    into = shlex.quote(os.fspath(archive)).replace("%", "%%")
    return (
        f"if test -f {into}/%f; then cmp -s %p {into}/%f; "
        f"else cp %p {into}/%f.part && {{ sync {into}/%f.part || sync; }} && mv {into}/%f.part {into}/%f; fi"
    )


def initdb_options(kind: Kind, major: int) -> list[str]:
    """How a data directory is made: passwords asked of everybody, UTF-8, the same order of texts on every machine."""
    options = ["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", f"--wal-segsize={_WAL_FILE_MB}"]
    if major >= BUILTIN_LOCALE_SINCE:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # these builds have no ICU
    return options + (["--no-sync"] if kind is Kind.THROWAWAY else [])
