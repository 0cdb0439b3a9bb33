"""Who writes an entry: person, host, process, surroundings, commit; and whether that process still runs.

Everything is asked of the operating system or read from files, never taken from `$USER` alone.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

from dbtasks.values import dataclass

_PATIENCE_S = 5.0
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The author of entries. `started` tells a process from a later one with the same pid; empty where unknown."""

    person: str
    host: str
    pid: int
    started: str
    surroundings: str
    commit: str | None

    def here(self) -> Who:
        """Return this author as the process that runs now: another one after a fork."""
        pid = os.getpid()
        return self if pid == self.pid else replace(self, pid=pid, started=_started(pid) or "")


def whoami(surroundings: str, root: Path) -> Who:
    """Return the author for entries of this process; `root` is a folder of the project's git checkout, if it is one."""
    return Who(
        person=_person(),
        host=host(),
        pid=os.getpid(),
        started=_started(os.getpid()) or "",
        surroundings=surroundings,
        commit=commit(root),
    )


def git_email(folder: Path) -> str:
    """Return the e-mail that git knows the person by in this checkout; empty where there is none, or no git."""
    import subprocess  # late: most projects do not ask

    words = ["git", "-C", str(folder), "config", "--get", "user.email"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip()


def host() -> str:
    """Return this machine's own name for itself."""
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "")
    return os.uname().nodename


def terminal() -> str:
    """Return which session of which terminal this is; empty where there is none, or the system does not tell.

    A device's name and a session's number are given to others later; with the session's begin they are not.
    """
    if sys.platform == "win32":
        return ""
    try:
        device, session = os.ttyname(sys.stdin.fileno()), os.getsid(0)
    except (OSError, ValueError, AttributeError):  # no terminal, a closed stream, none at all
        return ""
    return f"{device} {session} {_started(session) or 'unknown'}"


def is_running(pid: int, started: str) -> bool | None:
    """Return whether the process that bore this pid since `started` still runs on this host; `None`: cannot be told.

    A pid that belongs to a later process, or to any process after a restart of the machine, does not count.
    """
    if sys.platform == "win32":  # os.kill would end the process there
        return None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is there and belongs to somebody else
    now = _started(pid)
    if not started or now is None:
        return None
    return now == started


def commit(folder: Path) -> str | None:
    """Return the checked-out commit of the git repository around `folder`, from git's own files; `None`: there is none.

    Follows symbolic HEADs, packed references, linked worktrees and submodules (gitrepository-layout(5)). Nothing is
    started: a subprocess would cost more than the whole entry.
    """
    try:
        for place in (folder.absolute(), *folder.absolute().parents):
            if (place / ".git").exists():
                return _head(_git_directory(place / ".git"))
    except (OSError, ValueError):  # unreadable, or not text: then nobody knows
        return None
    return None


def _person() -> str:
    if sys.platform == "win32":
        import getpass

        return getpass.getuser()
    import pwd

    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container that runs under a number without a name
        return f"uid {uid}"


def _started(pid: int) -> str | None:
    """Return boot and start of a process as one word, or `None` where the system does not tell (macOS, Windows).

    Field 22 of /proc/<pid>/stat counts clock ticks since boot (proc(5)); the name before it may hold blanks and
    brackets. A zombie has ended already, though its pid is still taken.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "ended" if fields[0] in (b"Z", b"X") else f"{boot[:8]}-{int(fields[19])}"
    except (OSError, ValueError, IndexError):
        return None


def _git_directory(dot_git: Path) -> Path:
    if dot_git.is_dir():
        return dot_git
    text = dot_git.read_text("utf-8").strip()  # a linked worktree or a submodule: "gitdir: <path>"
    return dot_git.parent / text.removeprefix("gitdir:").strip()


def _head(directory: Path) -> str | None:
    text = (directory / "HEAD").read_text("utf-8").strip()
    if not text.startswith("ref:"):
        return _valid(text)
    name = text.removeprefix("ref:").strip()
    common = directory
    if (directory / "commondir").exists():
        common = directory / (directory / "commondir").read_text("utf-8").strip()
    for place in (directory, common):
        if (place / name).is_file():
            return _valid((place / name).read_text("utf-8").strip())
    return _packed(common, name)


def _packed(directory: Path, name: str) -> str | None:
    if not (directory / "packed-refs").exists():
        return None  # a branch without a commit yet
    for line in (directory / "packed-refs").read_text("utf-8").splitlines():
        value, _, reference = line.partition(" ")
        if reference == name:
            return _valid(value)
    return None


def _valid(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None
