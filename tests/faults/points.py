"""Counts what a command does to the world outside of its process, and kills at one of these points.

Nothing is listed: every statement goes through `psycopg.Connection.wait`, every file and child through the audit events
of Python, and what raises none (writes, syncs, exits) is wrapped. The variable FAULTS names a folder that all processes
of one command share: `order` says at which point who is killed, `points` gets a line for each point that was reached.

A statement has two points: sent and not yet answered, and answered. The moment before it is sent is the one after what
came before it, and counted once. Several statements that are sent as one text are one point with their number; the
server can be killed `after` so many of them.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

WIDTH = 240  # of a line in `points`: the file's size is the count
_MOST_WAITS = 3  # of one call of the driver: BEGIN and a statement are two, the rows of a large result are many

# As they were before they were wrapped; in no module's names, where the worker, which records what a build looks at,
# would find them.
_plain = SimpleNamespace(write=os.write, fstat=os.fstat, readlink=os.readlink)


class Points:
    """The points of one command, shared by its processes.

    `whom` says who is killed at point `at`: `own`, the process that has reached it; `first`, the one that was started
    by a person; `all` of the command's; `torn`, its own in the middle of writing; `postmaster`, the server's first
    process, or `server`, all of them.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "points"
        order = json.loads((folder / "order").read_bytes())
        self.at, self.whom, self.postmaster = int(order["at"]), str(order["whom"]), int(order["postmaster"])
        self.after = int(order["after"])
        self.log = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.local = threading.local()
        self.reach("start", " ".join(sys.argv[:2]))

    def before(self, kind: str, label: str) -> None:
        """Note the moment before something is done, unless nothing was done since something came back."""
        if not getattr(self.local, "is_back", False):
            self.reach(kind, label)
        self.local.is_back = False

    def back(self, kind: str, label: str) -> None:
        self.reach(kind, label)
        self.local.is_back = True

    def reach(self, kind: str, label: str) -> bool:
        """Count one point and return whether it is the ordered one; whoever is to be killed is dead by then."""
        if getattr(self.local, "inside", False):
            return False
        self.local.inside = True
        try:
            fcntl.flock(self.log, fcntl.LOCK_EX)
            number: int = _plain.fstat(self.log).st_size // WIDTH + 1
            line = f"{os.getpid()} {kind}: {' '.join(label.split())}".encode("ascii", errors="replace")
            _plain.write(self.log, line[: WIDTH - 1].ljust(WIDTH - 1) + b"\n")
            if number == self.at and self.whom != "torn" and not self.after:
                self.strike()
            fcntl.flock(self.log, fcntl.LOCK_UN)
        finally:
            self.local.inside = False
        return number == self.at

    def cuts(self) -> bool:
        """Return whether the next point is a text in the middle of which the server is to be killed."""
        return bool(self.after) and _plain.fstat(self.log).st_size // WIDTH + 1 == self.at

    def strike(self) -> None:
        if self.whom in ("server", "postmaster"):
            text = Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read_text(encoding="ascii")
            for pid in (self.postmaster, *(int(word) for word in text.split() if self.whom == "server")):
                _end(pid)
            return
        own, first, others = os.getpid(), *self.processes()
        if self.whom != "own" and first != own:
            _end(first)
        for pid in others if self.whom == "all" else ():
            if pid != own:
                _end(pid)
        if self.whom != "first" or first == own:
            _end(own)

    def processes(self) -> tuple[int, list[int]]:
        """Return the command's first process and those of its children that live."""
        lines = self.path.read_bytes().splitlines()
        first, *others = dict.fromkeys(int(line.split()[0]) for line in lines)
        return first, [pid for pid in others if self.writes(pid)]

    def writes(self, pid: int) -> bool:
        """Return whether a process is one of these, and not another one that got its number."""
        with suppress(OSError):
            return any(each.readlink() == self.path for each in Path(f"/proc/{pid}/fd").iterdir())
        return False


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


points: Points | None = None


def begin() -> None:
    """Count from here on, in this process."""
    global points  # noqa: PLW0603 - the hooks below have no other way to be told
    points = Points(Path(os.environ["FAULTS"]))


def hook() -> None:
    """Hook in, before anything else is imported. Without `begin` nothing is counted."""
    sys.addaudithook(_heard)
    _wrap_files()
    _wrap_children()
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Wraps the driver right after it is imported, whoever imports it."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "psycopg.connection":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def wrapped(module: ModuleType) -> None:
                execute(module)
                _wrap_driver(module.Connection)

            spec.loader.exec_module = wrapped  # type: ignore[method-assign]  # of this one instance
        return spec


def _wrap_driver(connection: Any) -> None:
    plain = connection.wait

    def wait(self: Any, generator: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        followed = generator if points is None else _followed(generator, points)
        return plain(self, followed, *arguments, **named)

    connection.wait = wait


def _followed(generator: Generator[Any, Any, Any], counted: Points) -> Generator[Any, Any, Any]:
    """Pass a generator of the driver through; it yields when something was sent and has not come back."""
    label = _statement(generator)
    counted.before("sql", label)
    if counted.cuts():
        generator = _held_up(generator, counted.after)
    ready, waits = None, 0
    while True:
        try:
            state = generator.send(ready)
        except StopIteration as end:
            if waits:
                counted.back("sql answered", label)
            else:  # it sent nothing, or put it into a pipeline: nothing has changed
                counted.local.is_back = True
            return end.value
        waits += 1
        if waits <= _MOST_WAITS:
            is_here = counted.reach("sql sent", label)
            if is_here and counted.after:
                time.sleep(_ON_ITS_WAY_S)
                counted.strike()
        ready = yield state


_BETWEEN = ";\n"  # the statements that `dbtasks.database.several` sends as one text
_ON_ITS_WAY_S = 0.2  # the server gets as far as it can


def _held_up(generator: Any, after: int) -> Generator[Any, Any, Any]:
    """Return the same for a text in which the server waits after so many of its statements."""
    given = dict(generator.gi_frame.f_locals)
    statements = _text(given["query"]).split(_BETWEEN)
    text = _BETWEEN.join((*statements[:after], "SELECT pg_sleep(9)", *statements[after:]))
    held: Generator[Any, Any, Any] = given["self"]._execute_gen(text.encode(), given["params"])
    return held


def _statement(generator: Any) -> str:
    """Return what a generator of the driver is about to send."""
    frame = getattr(generator, "gi_frame", None)
    known = dict(frame.f_locals) if frame is not None else {}
    query = known.get("query", known.get("command", known.get("statement")))
    if query is None:
        return str(getattr(generator, "__name__", "?"))
    text = _text(query)
    number = text.count(_BETWEEN) + 1
    return text if number == 1 else f"[{number}] {text}"


def _text(query: Any) -> str:
    text = query.as_string(None) if hasattr(query, "as_string") else query
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset(
    f"os.{verb}" for verb in ("rename", "remove", "mkdir", "rmdir", "link", "symlink", "truncate", "chmod", "chown")
)
_CHILDREN = frozenset(("subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn", "os.system", "os.kill", "os.killpg"))


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if points is None or getattr(points.local, "inside", False):
        return
    if event == "open":
        path, _, flags = arguments
        if flags & _WRITING and path != os.devnull and not isinstance(path, int):
            points.before("file open", str(path))
    elif event in _CHANGES:
        points.before(f"file {event[3:]}", str(arguments[0]))
    elif event in _CHILDREN:
        what = arguments[1] if event == "subprocess.Popen" else arguments[0]
        points.before("child", f"{event} {what}")


def _wrap_files() -> None:
    def write(fd: int, data: Any) -> int:
        label = _named(fd)
        if points is None or label is None:
            return int(_plain.write(fd, data))
        points.before("file write", label)
        if points.reach("file write begun", label) and points.whom == "torn":
            _plain.write(fd, bytes(data)[: len(data) // 2])
            _end(os.getpid())
        written = _plain.write(fd, data)
        points.back("file written", label)
        return int(written)

    os.write = write
    for name in ("fsync", "fdatasync"):
        setattr(os, name, _noted(getattr(os, name), "file sync", lambda fd: _named(fd) or "a folder"))


def _named(fd: int) -> str | None:
    """Return which file a descriptor is of; `None` where it is a pipe, a terminal or a folder."""
    return str(_plain.readlink(f"/proc/self/fd/{fd}")) if stat.S_ISREG(_plain.fstat(fd).st_mode) else None


def _noted(plain: Callable[..., Any], kind: str, told: Callable[..., str]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if points is None:
            return plain(*arguments, **named)
        label = told(*arguments)
        points.before(kind, label)
        result = plain(*arguments, **named)
        points.back(f"{kind} done", label)
        return result

    return wrapped


def _wrap_children() -> None:
    popen: Any = subprocess.Popen
    start, wait, leave = popen.__init__, popen.wait, os._exit

    def started(self: Any, *arguments: Any, **named: Any) -> None:
        start(self, *arguments, **named)  # Python tells of it before, as of any process
        if points is not None:
            points.back("child started", str(self.args))

    def waited(self: Any, *arguments: Any, **named: Any) -> Any:
        if points is None or self.returncode is not None:
            return wait(self, *arguments, **named)
        points.before("child waited for", str(self.args))
        code = wait(self, *arguments, **named)
        points.back("child ended", str(self.args))
        return code

    def end(code: int) -> None:
        if points is not None:
            points.before("exit", str(code))
        leave(code)

    popen.__init__, popen.wait, os._exit = started, waited, end  # type: ignore[assignment]  # it never returns either

    def ended() -> None:
        if points is not None:
            points.before("exit", "")

    atexit.register(ended)
