"""Commands of `invoke` that load no libraries: forked from a process that has loaded them and done nothing else.

Hundreds of them run in these tests, and imports, in which nothing happens, are most of what a short one takes. A fork
has its own environment, folder, words and streams or terminal from before its first line on. What runs in the
background, in a shell or with variables that Python reads when it starts is a process from its first byte.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import importlib.util
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.loaded_worker import Workers, at_start

LIBRARIES = (
    "invoke.main",
    "psycopg",
    "dbtasks.invoke_tasks",
    "dbtasks.card",
    "dbtasks.pipeline",
    "dbtasks.preparing",
    "dbtasks.overview_tasks",
    "dbtasks.drift_view",
    "dbtasks.audit_view",
    "dbtasks.seeders.loader",
)
_REQUEST_BYTES = 1 << 17
Ended = tuple[int, str, str]


class Loaded:
    """The process that has loaded everything. It ends when this one does, and forks one command at a time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.at_start, self.lock = at_start(environ), threading.Lock()
        self._way, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.loaded"],
            env=dict(environ),
            cwd=Path(__file__).parents[1],
            stdin=its.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        its.close()
        atexit.register(self._end)

    def begin(self, words: Sequence[str], folder: Path, environ: Mapping[str, str], streams: Sequence[int]) -> int:
        """Start a command on these streams, output and errors or a terminal, and return its process id."""
        request = json.dumps({"words": list(words), "folder": str(folder), "environ": dict(environ)}).encode()
        socket.send_fds(self._way, [request], list(streams))
        return self._answer(None)

    def end(self, pid: int, seconds: float) -> int:
        """Return the exit code of the command; TimeoutError where it had to be killed."""
        try:
            return self._answer(seconds)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._answer(None)
            raise

    def _answer(self, seconds: float | None) -> int:
        self._way.settimeout(seconds)
        return int(self._way.recv(64))

    def _end(self) -> None:
        self._way.close()
        self._process.wait()


_starting = threading.Lock()
_running: list[Loaded] = []


def held(environ: Mapping[str, str], usual: Mapping[str, str]) -> Loaded | None:
    """Return what forks a command with this environment, held for it alone: whoever has it releases its lock.

    `None` where the command has to be a process of its own: its Python would begin with other variables than the
    `usual` ones, or another command runs just now.
    """
    with _starting:
        if not _running:
            _running.append(Loaded(usual))
    ready = _running[0]
    return ready if at_start(environ) == ready.at_start and ready.lock.acquire(blocking=False) else None


def run(ready: Loaded, words: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float) -> Ended:
    """Run `python -m invoke` with these words and no input; return exit code, output and errors."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            pid = ready.begin(words, folder, environ, [out.fileno(), err.fileno()])
            code = ready.end(pid, seconds)
        except TimeoutError:
            raise subprocess.TimeoutExpired(list(words), seconds, _read(out), _read(err)) from None
        finally:
            ready.lock.release()
        return code, _read(out), _read(err)


def _read(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode())


def serve() -> bool:
    """Answer requests until nobody can send any. True in a fork: what is left to do there is the command."""
    for name in LIBRARIES:
        importlib.import_module(name)
    workers = Workers(os.environ)
    gc.collect()
    gc.freeze()
    way = socket.socket(fileno=0)
    while True:
        text, streams, _, _ = socket.recv_fds(way, _REQUEST_BYTES, 2)
        if not text:
            return False
        pid = os.fork()
        if pid == 0:
            way.close()
            become(json.loads(text), *streams)
            if not _keeps_stock():
                workers.instead()
            return True
        for stream in streams:
            os.close(stream)
        way.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        way.send(str(os.waitstatus_to_exitcode(status)).encode())


def _keeps_stock() -> bool:
    """Return whether workers note down all that their Python opens, from its first byte on."""
    try:
        return "most: 0 databases" not in Path("config/tiers.yaml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True


def become(request: Mapping[str, Any], *streams: int) -> None:
    """Be what `python -m invoke` is before its first line."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    if len(streams) == 1:
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # it is what Python itself has opened
        streams = streams * 3
    else:
        streams = (os.open(os.devnull, os.O_RDONLY), *streams)
    for source, descriptor in zip(streams, (0, 1, 2), strict=True):
        os.dup2(source, descriptor)
    os.closerange(3, max(streams) + 1)
    spec = importlib.util.find_spec("invoke.__main__")
    sys.argv = [str(spec.origin) if spec else "invoke", *request["words"]]
    sys.path[0] = request["folder"]


if __name__ == "__main__" and serve():
    runpy.run_module("invoke", run_name="__main__", alter_sys=True)
