"""Which modules were asked for, in which folders: so that a new file counts only where it would be imported.

Part of the worker: standard library only.
"""

from __future__ import annotations

import sys
from importlib.machinery import FileFinder
from typing import Any

from . import worker_facets as facets
from .worker_places import COUNTED, Places, absolute

_AT_START = ("sitecustomize", "usercustomize")


class Asked:
    """The names that imports looked for in each folder that is no installed package's, and what lay there then."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.start: list[str] = []
        self._names: dict[str, set[str]] = {}
        self._listings: dict[str, list[tuple[str, str]]] = {}
        self._skipped: set[str] = set()

    def watch(self) -> None:
        """See every name that the import system looks for in a folder, found or not."""
        # What this process has imported already was looked for along the path with which Python started.
        self.start = [path for path in map(absolute, sys.path) if path]
        for folder in self.start:
            for name in (*_AT_START, *sys.modules):
                if "." not in name:
                    self.ask(folder, name)
        original = FileFinder.find_spec

        def find_spec(finder: FileFinder, fullname: str, target: Any = None) -> Any:
            self.ask(finder.path, fullname.rpartition(".")[2])
            return original(finder, fullname, target)

        setattr(FileFinder, find_spec.__name__, find_spec)

    def ask(self, folder: str, name: str) -> None:
        if not folder.startswith("/"):
            folder = absolute(folder) or ""
        if folder in self._skipped:
            return
        names = self._names.get(folder)
        if names is None:
            if self.places.of_folder(folder) not in COUNTED:
                self._skipped.add(folder)
                return
            names = self._names[folder] = set()
            self._listings[folder] = _entries(folder)
        names.add(name)

    def told(self) -> dict[str, list[list[str]]]:
        """Return for each folder the names that were asked for, and the entries that answer to them."""
        packages = [
            f"{folder}/{entry[:-1]}"
            for folder, names in self._names.items()
            for entry in facets.modules(self._listings[folder], names)
            if entry.endswith("/")
        ]
        for package in packages:
            self.ask(package, "__init__")
        told: dict[str, list[list[str]]] = {}
        for folder, names in self._names.items():
            told[self.places.key(folder)] = [sorted(names), facets.modules(self._listings[folder], names)]
        return told


def _entries(path: str) -> list[tuple[str, str]]:
    try:
        return facets.entries(path)
    except OSError:
        return []
