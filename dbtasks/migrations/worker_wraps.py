"""What raises no audit event: asking whether and what a path is, and reading the environment. So it is wrapped.

Part of the worker: standard library only.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, ModuleType
from typing import Any

from . import worker_asker
from .worker_asker import Asker
from .worker_audit import Audit
from .worker_inputs import Recorder
from .worker_places import absolute, of_descriptor
from .worker_variables import names_behind

# What the library's functions make of `stat`. Whoever else asks may look at everything that it tells.
_MEANT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("exists", "isfile", "isdir", "is_file", "is_dir", "mkdir", "makedirs"), ("kind",)),
    **dict.fromkeys(("lexists", "islink", "is_symlink", "realpath", "resolve", "removedirs", "renames"), ("link",)),
    **dict.fromkeys(("walk", "glob", "rglob", "fwalk"), ("kind", "link")),
    "getsize": ("size",),
}
_SETS = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")


def begin_recording(job: Mapping[str, Any]) -> Recorder:
    """Return the recorder, which from now on sees what is read, and notes what has been imported already."""
    home = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - our own package: its version counts
    recorder = Recorder(job, [home])
    recorder.modules.watch()
    for module in list(sys.modules.values()):
        file = absolute(getattr(module, "__file__", None) or "")
        if file is not None:
            recorder.read(file)
    audit = Audit(recorder)
    Wraps(audit).install()
    audit.listen()
    return recorder


class Wraps:
    """Replaces functions of `os` in every module that has taken them, and the reading methods of `os.environ`."""

    def __init__(self, audit: Audit) -> None:
        self.audit, self.recorder = audit, audit.recorder

    def install(self) -> None:
        replaced: dict[Any, Any] = {}
        for name, method in _WRAPS.items():
            original = getattr(os, name)
            replaced[original] = self._wrapped(original, method)
        _rebind(replaced)
        self._wrap_environment()
        self._wrap_fork_exec()

    def _wrapped(self, original: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*arguments: Any, **options: Any) -> Any:
            return method(self, original, *arguments, **options)

        return call

    def stat(self, original: Callable[..., Any], path: Any, **options: Any) -> Any:
        whole = "status" if options.get("follow_symlinks", True) else "own_status"
        self._look(path, options.get("dir_fd"), whole)
        return original(path, **options)

    def lstat(self, original: Callable[..., Any], path: Any, **options: Any) -> Any:
        self._look(path, options.get("dir_fd"), "own_status")
        return original(path, **options)

    def fstat(self, original: Callable[..., Any], descriptor: int) -> Any:
        with self.recorder.aside() as noting:
            if noting and self.recorder.project_asks():
                self._note(worker_asker.of_path(), of_descriptor(descriptor), "status")
        return original(descriptor)

    def access(self, original: Callable[..., Any], path: Any, mode: int, **options: Any) -> Any:
        self._look(path, options.get("dir_fd"), f"access {mode}")
        return original(path, mode, **options)

    def readlink(self, original: Callable[..., Any], path: Any, **options: Any) -> Any:
        self._look(path, options.get("dir_fd"), "link")
        return original(path, **options)

    def open(self, original: Callable[..., Any], path: Any, flags: int, *mode: Any, **options: Any) -> Any:
        folder = options.get("dir_fd")
        if folder is None:
            return original(path, flags, *mode, **options)
        with self.recorder.aside() as noting:
            if noting:
                self.audit.opens(absolute(path, folder), None, flags)
        with self.recorder.silence():  # its event has the path without the folder
            return original(path, flags, *mode, **options)

    def scandir(self, original: Callable[..., Any], path: Any = ".") -> Any:
        found = original(path)
        with self.recorder.aside() as noting:
            asker = worker_asker.of_path()
            if noting and not asker.through and not asker.is_ours and not asker.is_in("glob", "shutil"):
                return _Entries(found, self, absolute(path if path is not None else "."))
        return found

    def entry_status(self, path: str | None, *, follow: bool) -> None:
        with self.recorder.aside() as noting:
            if noting:
                self._note(worker_asker.of_path(), path, "status" if follow else "own_status")

    def _look(self, path: Any, folder: int | None, whole: str) -> None:
        with self.recorder.aside() as noting:
            where = absolute(path, folder) if noting else None
            if where is not None and self.recorder.counts(where):
                self._note(worker_asker.of_path(), where, whole)

    def _note(self, asker: Asker, path: str | None, whole: str) -> None:
        if path is None:
            return
        if whole.startswith("access"):
            self.recorder.look((whole,), path, asker)
        elif asker.is_in("glob"):
            self.recorder.look(("kind", "link"), path, asker)
        else:
            self.recorder.look(_MEANT.get(asker.through, (whole,)), path, asker)

    # The environment

    def _wrap_environment(self) -> None:
        kind = type(os.environ)
        getitem = kind.__getitem__

        def read(environ: Any, key: Any) -> Any:
            with self.recorder.aside() as noting:
                asker = worker_asker.of_variable()
                if noting and not asker.is_ours and names_behind(asker) is None:
                    self.recorder.variables.add(os.fsdecode(key))
            return getitem(environ, key)

        setattr(kind, "__getitem__", read)  # noqa: B010 - mypy refuses the assignment
        for name in ("__iter__", "__len__", "__repr__"):
            setattr(kind, name, self._reading_all(getattr(kind, name)))

    def _reading_all(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def read_all(environ: Any) -> Any:
            with self.recorder.aside() as noting:
                asker = worker_asker.of_variable()
                if noting and not asker.is_ours:
                    known = names_behind(asker)
                    self.recorder.everything |= known is None
                    self.recorder.variables.update(known or ())
            return original(environ)

        return read_all

    def _wrap_fork_exec(self) -> None:
        import _posixsubprocess  # multiprocessing calls it, without an event

        original = _posixsubprocess.fork_exec

        def fork_exec(arguments: Any, *more: Any) -> Any:
            with self.recorder.aside() as noting:
                if noting:
                    self.audit.starts("", arguments)
            return original(arguments, *more)

        setattr(_posixsubprocess, fork_exec.__name__, fork_exec)


class _Entries:
    """What `os.scandir` returns, with entries that tell when their status is read."""

    def __init__(self, found: Any, wraps: Wraps, folder: str | None) -> None:
        self.found, self.wraps, self.folder = found, wraps, folder

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return _Entry(next(self.found), self.wraps, self.folder)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self.found.close()

    def close(self) -> None:
        self.found.close()


class _Entry:
    """A directory entry, as `os.DirEntry` is one, which cannot be derived from."""

    __slots__ = ("_entry", "_folder", "_wraps")

    def __init__(self, entry: Any, wraps: Wraps, folder: str | None) -> None:
        self._entry, self._wraps, self._folder = entry, wraps, folder

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        name = os.fsdecode(self._entry.name)
        self._wraps.entry_status(f"{self._folder}/{name}" if self._folder else None, follow=follow_symlinks)
        return self._entry.stat(follow_symlinks=follow_symlinks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __fspath__(self) -> Any:
        return self._entry.__fspath__()

    def __repr__(self) -> str:
        return repr(self._entry)


_WRAPS: dict[str, Callable[..., Any]] = {
    "stat": Wraps.stat,
    "lstat": Wraps.lstat,
    "fstat": Wraps.fstat,
    "access": Wraps.access,
    "readlink": Wraps.readlink,
    "open": Wraps.open,
    "scandir": Wraps.scandir,
}


def _rebind(replaced: dict[Any, Any]) -> None:
    """Let what was imported before, with `from os import stat` or as a class's attribute, see the replacement, too."""
    for name, module in list(sys.modules.items()):
        if name == "posix" or name.startswith(f"{__package__}.worker_") or not isinstance(module, ModuleType):
            continue
        _rebind_in(module, replaced, static=False)
        if name.partition(".")[0] in ("pathlib", "glob"):
            for each in [value for value in vars(module).values() if isinstance(value, type)]:
                _rebind_in(each, replaced, static=True)
    for name in _SETS:
        known = getattr(os, name)
        known.update(replaced[original] for original in replaced if original in known)


def _rebind_in(owner: Any, replaced: dict[Any, Any], *, static: bool) -> None:
    for name, value in list(vars(owner).items()):
        inner = value.__func__ if isinstance(value, staticmethod) else value
        if isinstance(inner, BuiltinFunctionType) and inner in replaced:
            setattr(owner, name, staticmethod(replaced[inner]) if static else replaced[inner])
