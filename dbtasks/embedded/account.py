"""Which user PostgreSQL's programs run as, and how they are run.

PostgreSQL refuses root, so root hands over to an account that exists on the machine. No account is made and no
permission of a folder that is not ours is changed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from dbtasks.errors import EmbeddedServerError
from dbtasks.programs import child_environment
from dbtasks.values import dataclass

_ROOT = Path("/").absolute()  # a folder that every account may enter
ACCOUNTS = ("postgres", "nobody")


class _Drop(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom the server runs as: `uid` and `gid` are None for the user who runs this."""

    uid: int | None = None
    gid: int | None = None

    @property
    def is_other(self) -> bool:
        return self.uid is not None

    def own(self, path: Path) -> None:
        """Give a folder or file that was just made by us to this account."""
        if sys.platform != "win32" and self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def reaches(self, path: Path) -> bool:
        """Whether this account may enter the folder or execute the file; asked of the system, which knows ACLs too."""
        if not self.is_other:
            return True
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)], timeout_s=10)[0] == 0

    def run(self, command: list[str], *, timeout_s: float, inherit: tuple[int, ...] = ()) -> tuple[int, str]:
        """Run a program to its end: exit code and output. Not for one that leaves a server behind."""
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=child_environment(),
            cwd=_ROOT,
            pass_fds=inherit,
            timeout=timeout_s,
            check=False,
            **self._drop(),
        )
        return done.returncode, done.stdout.decode(errors="replace")

    def call(self, command: list[str], *, timeout_s: float, inherit: tuple[int, ...] = ()) -> tuple[int, bytes, str]:
        """Run a program to its end: exit code, output, and what it wrote to its standard error."""
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=child_environment(),
            cwd=_ROOT,
            pass_fds=inherit,
            timeout=timeout_s,
            check=False,
            **self._drop(),
        )
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def launch(
        self, command: list[str], *, log: Path, inherit: tuple[int, ...], more: Mapping[str, str] | None = None
    ) -> int | None:
        """Start a program that outlives this process, with its output in `log`: its process id.

        `more` is what it finds in its environment besides what every child may see.
        A shell that ends at once stands between, so that the server is nobody's child: no zombie when it ends
        before we do, no warning about an unfinished process.
        """
        with _appended(log) as descriptor:
            if sys.platform == "win32":  # pg_ctl detaches the server by itself
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=descriptor,
                    stderr=descriptor,
                    env={**child_environment(), **(more or {})},
                    timeout=60,
                    check=False,
                )
                told = b""
            else:
                told = subprocess.run(
                    ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=descriptor,
                    env={**child_environment(), **(more or {})},
                    cwd=_ROOT,
                    pass_fds=inherit,
                    start_new_session=True,  # Ctrl-C at the terminal is not meant for the server
                    umask=0o077,
                    timeout=60,
                    check=False,
                    **self._drop(),
                ).stdout.strip()
        return int(told) if told.isdigit() else None

    def _drop(self) -> _Drop:
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def choose_account() -> Account:
    """The user who runs this; for root another one, since PostgreSQL refuses root."""
    if sys.platform != "win32" and os.geteuid() == 0:
        import pwd  # late: POSIX only

        for name in ACCOUNTS:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return Account(uid=entry.pw_uid, gid=entry.pw_gid)
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root and there is no user {' or '.join(ACCOUNTS)} to hand over to. "
            "Run this as another user, or set the URL variable of the tier to a server that you have."
        )
    return Account()


@contextlib.contextmanager
def _appended(log: Path) -> Iterator[int]:
    """A descriptor that appends to a log file which only its owner may read."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
