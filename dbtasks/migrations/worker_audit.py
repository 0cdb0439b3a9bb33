"""Python's audit events, as far as they tell what a build reads or which way it takes out of what can be recorded.

Part of the worker: standard library only.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from importlib.util import source_from_cache
from typing import Any

from . import worker_asker
from .worker_inputs import Recorder
from .worker_places import Place, absolute

_INTERPRETERS = frozenset({"_xxsubinterpreters", "_interpreters"})
_WRITES = os.O_WRONLY | os.O_RDWR


class Audit:
    """Tells the recorder what the events say. A hook cannot be taken away again, by nobody."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.places = recorder, recorder.places
        self._addresses: set[str] | None = None
        out: dict[str, Callable[..., None]] = dict.fromkeys(_CHILDREN, self.starts)
        self._handlers: dict[str, Callable[..., None]] = {
            **out,
            "open": self.opens,
            "os.listdir": self.lists,
            "os.scandir": self.lists,
            "os.mkdir": self.makes,
            **dict.fromkeys(("os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink"), self.moves),
            "os.truncate": self.truncates,
            "import": self.imports,
            **dict.fromkeys(("socket.connect", "socket.sendto", "socket.sendmsg"), self.connects),
            **dict.fromkeys(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"), self.resolves),
            "sqlite3.connect": self.opens_sqlite,
            "ctypes.dlopen": self.loads_library,
            "urllib.Request": self.opens_url,
            **dict.fromkeys(("os.getxattr", "os.listxattr"), self.reads_attributes),
        }

    def listen(self) -> None:
        handlers, aside = self._handlers.get, self.recorder.aside
        settled = (Place.LIBRARY, Place.PACKAGES)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            handler = handlers(event)
            if handler is None:
                return
            if event == "open" and type(arguments[0]) is str and self.places.of(arguments[0]) in settled:
                return
            stale = False
            with aside() as noting:
                if noting:
                    handler(*arguments)
                    stale = event == "open" and self.is_stale(arguments[0])
            if stale:  # for the import system, as if it were not there: the source is compiled anew
                raise FileNotFoundError(arguments[0])

        sys.addaudithook(hook)

    # Files and folders

    def opens(self, path: Any, _mode: Any, flags: int) -> None:
        if isinstance(path, int):
            return  # it was seen when it was opened
        where = absolute(path)
        if where is None:
            return
        importing = worker_asker.of_path().is_importing
        if importing and "/__pycache__/" in where:
            self._opens_bytecode(where)
        elif not flags & _WRITES:
            self.recorder.read(where)
        elif flags & (os.O_TRUNC | os.O_EXCL) or not flags & os.O_RDWR:
            if flags & os.O_EXCL and not worker_asker.of_path().is_in("tempfile"):
                self.recorder.note("link", where)
            if flags & (os.O_TRUNC | os.O_EXCL):
                self.recorder.write(where)
        else:
            self.recorder.read(where)

    def _opens_bytecode(self, path: str) -> None:
        source = _source(path)
        if source and os.path.exists(path):  # noqa: PTH110 - text
            self.recorder.read(source)

    def is_stale(self, path: Any) -> bool:
        """Return whether bytecode may be of other bytes than the source: Python compares whole seconds and sizes only.

        A file's change time cannot be set, so bytecode that is younger by it was made after the source's last change.
        """
        source = _source(path) if isinstance(path, str) and "__pycache__" in path else None
        if source is None or not worker_asker.of_path().is_importing:
            return False
        try:
            return os.stat(path).st_ctime_ns <= os.stat(source).st_ctime_ns  # noqa: PTH116 - text
        except OSError:
            return False

    def lists(self, folder: Any) -> None:
        where = absolute("." if folder is None else folder)
        if where is not None:
            self.recorder.list(where, worker_asker.of_path())

    def makes(self, path: Any, _mode: int, folder: int) -> None:
        where = absolute(path, _folder(folder))
        asker = worker_asker.of_path()
        if where is None or asker.is_importing:
            return
        if not asker.is_in("tempfile"):
            self.recorder.note("link", where)
        self.recorder.make_folder(where)

    def moves(self, *arguments: Any) -> None:
        if worker_asker.of_path().is_importing:
            return
        paths = [each for each in arguments if not isinstance(each, int)]
        folders = [each for each in arguments if isinstance(each, int)]
        for path, folder in zip(paths, [*folders, -1, -1]):  # noqa: B905 - Python 3.9
            where = absolute(path, _folder(folder))
            if where is not None:
                self.recorder.note("link", where)

    def truncates(self, path: Any, _length: int) -> None:
        where = absolute(path)
        if where is not None:
            self.recorder.read(where)

    def reads_attributes(self, *_: Any) -> None:
        if not worker_asker.of_path().is_in("shutil"):  # which copies them along
            self.recorder.refuse("read the extended attributes of a file")

    def imports(self, module: str, file: str | None, *_: Any) -> None:
        if module in _INTERPRETERS:
            self.recorder.refuse("started another interpreter")
        where = absolute(file) if isinstance(file, str) else None
        if where is not None:
            self.recorder.read(where)

    # Ways out

    def starts(self, program: Any = "", arguments: Any = (), *_: Any) -> None:
        if worker_asker.is_driver_loading():
            return
        first: Any = program or arguments
        if isinstance(first, (list, tuple)):
            first = first[0] if first else ""
        name = os.path.basename(os.fsdecode(first).split(" ")[0])  # noqa: PTH119 - text
        told = name and "=" not in name  # a shell's assignment may be of a secret
        self.recorder.refuse(f"started a child process: {name}" if told else "started a child process")

    def connects(self, _socket: Any, address: Any = None, *_: Any) -> None:
        target = self.recorder.target
        if isinstance(address, (str, bytes)):
            path = os.fsdecode(address)
            if path != f"{str(target['host']).rstrip('/')}/.s.PGSQL.{target['port']}":
                self.recorder.refuse(f"opened a socket to {path}")
        elif isinstance(address, tuple) and len(address) > 1:
            host, port = str(address[0]), str(address[1])
            if port != str(target["port"]) or not self._is_target(host):
                self.recorder.refuse(f"opened a socket to {host}:{port}")

    def resolves(self, host: Any, *_: Any) -> None:
        name = os.fsdecode(host) if isinstance(host, bytes) else host
        if name and name != "localhost" and not _is_literal(name) and not self._is_target(name):
            self.recorder.refuse(f"asked for the address of {name}")

    def _is_target(self, host: str) -> bool:
        wanted = str(self.recorder.target["host"])
        if host == wanted:
            return True
        if self._addresses is None:
            known = [] if wanted.startswith("/") or not wanted else socket.getaddrinfo(wanted, None)
            self._addresses = {str(each[4][0]) for each in known}
        return host in self._addresses

    def opens_sqlite(self, database: Any, *_: Any) -> None:
        name = os.fsdecode(database)
        if name not in ("", ":memory:"):
            self.recorder.refuse(f"opened the SQLite database {os.path.basename(name)}")  # noqa: PTH119 - text

    def loads_library(self, name: Any, *_: Any) -> None:
        if name is not None and self.recorder.project_asks():
            self.recorder.refuse(f"loaded the library {name}")

    def opens_url(self, url: str, *_: Any) -> None:
        scheme, rest = str(url).partition("://")[::2]
        self.recorder.refuse(f"opened a URL: {scheme}://{rest.partition('/')[0].rpartition('@')[2]}")


_CHILDREN = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)


def _source(bytecode: str) -> str | None:
    try:
        return source_from_cache(bytecode)
    except (ValueError, NotImplementedError):
        return None


def _folder(descriptor: int) -> int | None:
    return None if descriptor == -1 else descriptor


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False
