"""Which files count for what a build makes, and by which name: the project's by content, installed packages by version.

Part of the worker: standard library only.
"""

from __future__ import annotations

import enum
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from typing import Any

_SITES = ("site-packages", "dist-packages")
# The machine's state rather than files of anybody's; the last is a folder for files, in memory.
_MACHINE, _MEMORY = ("/dev", "/proc", "/sys"), "/dev/shm"  # noqa: S108 - named, not used


class Place(enum.Enum):
    PROJECT = enum.auto()
    PACKAGES = enum.auto()
    LIBRARY = enum.auto()
    MACHINE = enum.auto()
    ELSEWHERE = enum.auto()


COUNTED = (Place.PROJECT, Place.ELSEWHERE)


class Places:
    """Sorts absolute paths. `root` is the project's top folder, `own` are folders that our own version stands for."""

    def __init__(self, root: str, own: Iterable[str]) -> None:
        self.root = root
        self._roots = _both([root])
        self._above = frozenset(parent for root in self._roots for parent in _parents(root))
        self._packages = sorted(_both(_package_folders()), key=len, reverse=True)
        self._library = _both([*own, *_library_folders(), *_zipped()])
        self._python = frozenset(_both([sys.executable]))
        self._known: dict[str, Place] = {}

    def of(self, path: str) -> Place:
        """Return the place of a file, from its folder."""
        folder = path.rpartition("/")[0]
        place = self._known.get(folder)
        if place is None:
            place = self._known[folder] = self._sort(f"{folder}/x")
        return Place.LIBRARY if path in self._python else place

    def is_above(self, path: str) -> bool:
        """Return whether a path leads to the root: it is found anew each time, with every link on the way followed."""
        return path in self._above

    def of_folder(self, folder: str) -> Place:
        return self.of(f"{folder}/x")

    def package_folder(self, path: str) -> str | None:
        """Return the folder of installed packages in which a path lies."""
        return next((each for each in self._packages if _within(path, each)), None)

    def key(self, path: str) -> str:
        """Return the name by which the record knows a path: relative where it begins with the root."""
        for root in self._roots:
            if path == root:
                return "."
            if _within(path, root):
                return path[len(root) + 1 :]
        return path

    def _sort(self, path: str) -> Place:
        if self.package_folder(path):
            return Place.PACKAGES
        if any(_within(path, each) for each in self._library):
            return Place.LIBRARY
        if any(_within(path, each) for each in self._roots):
            return Place.PROJECT
        machine = any(_within(path, each) for each in _MACHINE) and not _within(path, _MEMORY)
        return Place.MACHINE if machine else Place.ELSEWHERE


def absolute(path: Any, folder: int | None = None) -> str | None:
    """Return the path that a call means, links and `..` left as they are; `None` where there is none."""
    if isinstance(path, int):
        return of_descriptor(path)
    text = os.fsdecode(path)
    if not text or "\0" in text:
        return None
    if not text.startswith("/"):
        base = os.getcwd() if folder is None else of_descriptor(folder)  # noqa: PTH109 - text
        if base is None:
            raise ValueError("a folder without a name")
        text = f"{base}/{text}"
    while "//" in text or "/./" in text:
        text = text.replace("//", "/").replace("/./", "/")
    return text.rstrip("/").removesuffix("/.") or "/"


def of_descriptor(descriptor: int) -> str | None:
    """Return the path of an open file or folder, where it has one."""
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - text
    except OSError:
        return None
    return path if path.startswith("/") and not path.endswith(" (deleted)") else None


def _parents(path: str) -> Iterator[str]:
    while path not in ("", "/"):
        path = path.rpartition("/")[0] or "/"
        yield path


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _both(folders: Iterable[str]) -> list[str]:
    """Return each folder as it is written and as it really is."""
    written = [os.path.abspath(each) for each in folders if each]  # noqa: PTH100 - links are followed below
    return list(dict.fromkeys([*written, *map(os.path.realpath, written)]))


def _package_folders() -> list[str]:
    # A folder of that name that the project itself put on the path holds files like any other.
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    listed = [each for each in sys.path if os.path.basename(each) in _SITES and each not in given]  # noqa: PTH119
    return [*site.getsitepackages(), site.getusersitepackages(), *listed]


def _library_folders() -> list[str]:
    return [path for path in map(sysconfig.get_path, ("stdlib", "platstdlib")) if path]


def _zipped() -> list[str]:
    return [each for each in sys.path if os.path.basename(each).startswith("python") and each.endswith(".zip")]  # noqa: PTH119
