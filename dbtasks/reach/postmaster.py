"""Which local server a session's backend belongs to, as the operating system tells: no round trip.

The first session on a target is asked who it is; the next ones on the same target are known by their backend being a
child of the same postmaster. Where that cannot be seen (another machine, a container, a pooler, no /proc), each
session is asked.
"""

from __future__ import annotations

import os

_COMMAND = b"(postgres)"


def of_backend(pid: int, database: str) -> tuple[int, int] | None:
    """Return the postmaster's process id and start time; `None` where this process is no backend of that database."""
    try:
        title = _read(pid, "cmdline")
        if not title.startswith(b"postgres: ") or f" {database} ".encode() not in title:
            return None
        command, backend = _stat(pid)
        parent = int(backend[1])
        parents_command, postmaster = _stat(parent)
    except (OSError, ValueError, IndexError):
        return None
    return (parent, int(postmaster[19])) if command == parents_command == _COMMAND else None


def _stat(pid: int) -> tuple[bytes, list[bytes]]:
    """Return the command and the fields after it: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    before, _, after = _read(pid, "stat").rpartition(b") ")
    return before.partition(b" ")[2] + b")", after.split()


def _read(pid: int, name: str) -> bytes:
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
