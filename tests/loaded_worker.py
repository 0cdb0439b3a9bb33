"""Workers that do not load Alembic again: each is forked from a process that has, as a worker started ahead has.

For commands of tests that nobody types into, see `loaded`: what they start beside `worker.py` is started as ever, and
so is a worker with another Python, or with variables that Python reads when it starts.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

AT_START = ("PYTHON", "PYTEST", "DBTASKS_", "LD_", "LC_", "LANG", "TZ")  # what is read before the first line
LIBRARIES = ("alembic.command", "sqlalchemy.dialects.postgresql", "psycopg")  # as worker.import_ahead
_FOLDER = Path(__file__).parents[1] / "dbtasks" / "migrations"
_REQUEST_BYTES = 1 << 17
_HIGH = 200  # no file of a command has such a number


def at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(AT_START)}


class Workers:
    """Stands for the module `subprocess` where `dbtasks.migrations.child` starts workers."""

    PIPE, STDOUT, TimeoutExpired = subprocess.PIPE, subprocess.STDOUT, subprocess.TimeoutExpired

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._at_start = at_start(environ)
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._way = socket.socket(fileno=fcntl.fcntl(mine, fcntl.F_DUPFD_CLOEXEC, _HIGH))  # out of a command's sight
        mine.close()
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=dict(environ),
            cwd="/",
            stdin=its.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        its.close()

    def instead(self) -> None:
        """Let this process, and every one that it forks, start its workers here."""
        from dbtasks.migrations import child

        vars(child)["subprocess"] = self

    def Popen(self, command: Sequence[str], **how: Any) -> Forked | subprocess.Popen[bytes]:  # noqa: N802 - as there
        python, script, *words = command
        if python != sys.executable or Path(script).parent != _FOLDER or at_start(how["env"]) != self._at_start:
            return subprocess.Popen(command, **how)
        return Forked(self._way, [script, *words], how)


class Forked:
    """A worker, with as much of `subprocess.Popen` as it takes."""

    def __init__(self, way: socket.socket, words: Sequence[str], how: Mapping[str, Any]) -> None:
        (read, write), (said, say), (told, tell) = (os.pipe() for _ in range(3))
        request = {"words": list(words), "folder": str(how["cwd"]), "environ": how["env"], "keep": how["pass_fds"]}
        socket.send_fds(way, [json.dumps(request).encode()], [tell, read, say, *how["pass_fds"]])
        for each in (tell, read, say):
            os.close(each)
        self.stdin: IO[bytes] = os.fdopen(write, "wb")
        self.stdout: IO[bytes] = os.fdopen(said, "rb")
        self.returncode: int | None = None
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("the worker", timeout or 0)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], seconds)[0]:
            self.returncode = int(self._told.readline())
        return self.returncode


def serve() -> None:
    """Answer requests until nobody can send any; in a fork, be the worker."""
    sys.path[0] = str(_FOLDER)
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    way = socket.socket(fileno=0)
    while True:
        text, files, _, _ = socket.recv_fds(way, _REQUEST_BYTES, 5)
        if not text:
            return
        if os.fork() == 0:
            way.close()
            _watch(json.loads(text), *files)
            return
        for file in files:
            os.close(file)


def _watch(request: Mapping[str, Any], tell: int, *files: int) -> None:
    """Fork the worker and say how it ended; return in the worker alone, once it is done for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        _become(request, files)
        return
    for file in files:
        os.close(file)
    os.write(tell, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(tell, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Be what `python worker.py` is before its first line, and go on."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, _HIGH // 2) for each in files]
    for each in files:
        os.close(each)
    for each, target in zip((high[0], high[1], high[1], *high[2:]), (0, 1, 2, *request["keep"]), strict=True):
        os.dup2(each, target)
    for each in high:
        os.close(each)
    sys.argv = list(request["words"])
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    serve()
