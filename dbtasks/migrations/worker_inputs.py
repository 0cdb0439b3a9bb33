"""The worker's record of what a build depends on: what it read, what it looked for, and why it must not be remembered.

A path is told by facets (see `worker_facets`): its content where it was read, its kind where it was only looked for.
What is noted first stays, since later the build may see what it made itself. Part of the worker: standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import worker_facets as facets
from .worker_asker import Asker, frames
from .worker_modules import Asked
from .worker_places import COUNTED, Place, Places, absolute

LIMIT_BYTES = 256_000
_REASONS = 20
_REASON_LENGTH = 200
_METADATA = ("importlib.metadata", "importlib_metadata", "pkg_resources", "setuptools")
# They ask when a file changed only to know whether what they remember of it is still good.
_CACHES = (*_METADATA, "linecache", "inspect", "zipimport", "tempfile")


class Recorder:
    """What was seen so far. `job` has the project's root and the target."""

    def __init__(self, job: Mapping[str, Any], own: Iterable[str]) -> None:
        self.target: Mapping[str, Any] = job["target"]
        self.places = Places(os.path.realpath(job["root"]), own)
        self.modules = Asked(self.places)
        self.facets: dict[str, dict[str, str]] = {name: {} for name in facets.FACETS}
        self.variables: set[str] = set()
        self.everything = False
        self.reasons: dict[str, None] = {}
        self._signatures: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._made: set[str] = set()
        self._busy = threading.local()

    @contextmanager
    def aside(self) -> Iterator[bool]:
        """Yield whether to note anything: not what is asked while noting, nor twice what one wrap does by another."""
        if getattr(self._busy, "on", False):
            yield False
            return
        self._busy.on = True
        try:
            yield True
        except Exception as error:  # a record with a hole must not be used, and the build goes on without it
            self.refuse(f"could not be recorded: {type(error).__name__}")
        finally:
            self._busy.on = False

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Let one call of the system pass without a note."""
        before, self._busy.on = getattr(self._busy, "on", False), True
        try:
            yield
        finally:
            self._busy.on = before

    def refuse(self, reason: str) -> None:
        """Note why this build must not be remembered."""
        if len(self.reasons) < _REASONS:
            self.reasons[reason[:_REASON_LENGTH]] = None

    def note(self, facet: str, path: str) -> None:
        """Note a facet of an absolute path, where it counts and is not of this build's own making."""
        if not self.counts(path):
            return
        known = self.facets.setdefault(facet, {})
        key = self.places.key(path)
        if key not in known and not self._is_own(path):
            known[key] = facets.observe(facet, path)

    def counts(self, path: str) -> bool:
        """Return whether anything about a path may be an input."""
        return self.places.of(path) in COUNTED and not self.places.is_above(path)

    def read(self, path: str) -> None:
        """Note a file's content. A second look sees whether somebody else has changed it meanwhile."""
        place = self.places.of(path)
        if place is Place.MACHINE and not path.startswith("/dev/") and self.project_asks():
            self.refuse(f"read {path}")
        if place not in COUNTED or self._is_own(path):
            return
        known, key = self.facets["content"], self.places.key(path)
        now = facets.status(path)
        if key not in known:
            known[key] = facets.content(path)
        elif self._signatures.get(key) != now and path not in self._written and known[key] != facets.content(path):
            self.refuse(f"read {key} while it changed")
        self._signatures[key] = now

    def write(self, path: str) -> None:
        """Note that the build is about to write a file: what it reads there afterwards is its own."""
        self._written.setdefault(path, facets.status(path))

    def make_folder(self, path: str) -> None:
        if facets.link(path) == facets.ABSENT:
            self._made.add(path)

    def list(self, folder: str, asker: Asker) -> None:
        """Note a folder's names, as far as the asker uses them."""
        if asker.is_ours or asker.is_importing or asker.is_in("alembic"):
            return  # imports are noted by name, revisions by their checksums
        if asker.is_in(*_METADATA):
            facet = "packages"
        elif asker.is_in("pkgutil"):
            facet = "importable"
        else:
            facet = "names"
        if self.places.of_folder(folder) in COUNTED:
            self.note(facet, folder)

    def look(self, wanted: Iterable[str], path: str, asker: Asker) -> None:
        """Note that somebody asked about a path without reading it."""
        if not asker.is_ours:
            for facet in ("kind",) if asker.is_importing or asker.is_in(*_CACHES) else wanted:
                self.note(facet, path)

    def project_asks(self) -> bool:
        """Return whether the code that stands behind the standard library is the project's, not a package's."""
        for frame in frames():
            file = absolute(frame.f_code.co_filename)
            if file is None or "/<frozen " in file:
                continue
            place = self.places.of(file)
            if place is not Place.LIBRARY:
                return place is not Place.PACKAGES
        return False

    def told(self, revisions: Mapping[str, str]) -> dict[str, Any]:
        """Return the record as one message. `revisions` are checksums by path of files that count elsewhere already."""
        with self.aside():
            self._note_surroundings()
        self._leave_out({self.places.key(path): checksum for path, checksum in revisions.items()})
        message: dict[str, Any] = {
            "python": sys.version,
            "prefix": self.places.key(sys.prefix),
            "facets": {name: known for name, known in self.facets.items() if known},
            "modules": self.modules.told(),
            "variables": sorted(self.variables),
            "everything": self.everything,
            "reasons": list(self.reasons),
        }
        problem = _problem(message)
        return {**message, "facets": {}, "modules": {}, "variables": [], "reasons": [problem]} if problem else message

    def _note_surroundings(self) -> None:
        for entry in dict.fromkeys([*self.modules.start, *sys.path]):
            path = absolute(entry)
            if path is None:
                continue
            if self.places.of_folder(path) in COUNTED:
                self.note("kind", path)
            package = self.places.package_folder(path)
            if package:
                self.facets["packages"].setdefault(self.places.key(package), facets.packages(package))

    def _leave_out(self, covered: Mapping[str, str]) -> None:
        """Drop what other facts of the record, or the plan's checksums, say already."""
        content = self.facets["content"]
        whole = {key for key, seen in content.items() if seen not in facets.NOT_READ}
        for facet, implied in (("kind", facets.FILE), ("link", facets.FILE)):
            known = self.facets[facet]
            for key in [key for key, seen in known.items() if seen == implied and key in covered]:
                del known[key]
        for facet in ("kind", "size"):
            self.facets[facet] = {key: seen for key, seen in self.facets[facet].items() if key not in whole}
        self.facets["content"] = {key: seen for key, seen in content.items() if covered.get(key) != seen}

    def _is_own(self, path: str) -> bool:
        if self._made and any(path == folder or path.startswith(f"{folder}/") for folder in self._made):
            return True
        return path in self._written and self._written[path] != facets.status(path)


def _problem(message: Mapping[str, Any]) -> str:
    text = json.dumps(message)
    if len(text) > LIMIT_BYTES:
        return f"depends on more than a record of {LIMIT_BYTES // 1000} kB can hold"
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "met a file whose name is no UTF-8"
    return ""
