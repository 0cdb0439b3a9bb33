"""What a build of a database depended on, as a value that can be stored, and whether a build now could differ.

A cached database may be used only where `changed` says `None`. Nothing here trusts a file's time: whatever was read is
hashed again. What cannot be seen is left out: the clock, chance, the host's name, and files that a library in C opens
by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dbtasks.migrations import worker_facets
from dbtasks.values import dataclass

if TYPE_CHECKING:
    from dbtasks.migrations.events import InputsSeen
    from dbtasks.settings import MigrationSettings

_VERSION = 1
_DAMAGED = "the record of what it was built from is damaged"
# What Python and its C library read before any code could be watched.
_ALWAYS = ("LC_", "PYTHON")
_ALWAYS_EXACTLY = frozenset({"LANG", "LANGUAGE", "TZ"})
_NEVER_MATTERS = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONSTARTUP", "PYTHONBREAKPOINT"})
_OURS = "DBTASKS_"
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The environment as far as it counts: which variables, which of them were set, one digest over all their values.

    With `everything` all count except those that we set ourselves, `ours`.
    """

    names: tuple[str, ...] = ()
    everything: bool = False
    ours: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    salt: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """One build's inputs. Paths are relative to the project's root where they lie below it.

    `facets` has by facet (see `worker_facets`) what each path was: the content of files that were read, the kind of
    those that were looked for, the names in folders that were listed, the digest of installed packages. `modules` has
    by folder the names that imports asked for and the entries that answered. With `reasons` it must not be remembered.
    """

    python: str = ""
    prefix: str = ""
    facets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    modules: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)
    reasons: tuple[str, ...] = ()

    def as_data(self) -> dict[str, object]:
        """Return the same as values for JSON."""
        variables = self.variables
        data: dict[str, object] = {
            "version": _VERSION,
            "python": self.python,
            "prefix": self.prefix,
            "facets": {facet: dict(seen) for facet, seen in self.facets.items()},
            "modules": {folder: [list(asked), list(found)] for folder, (asked, found) in self.modules.items()},
            "variables": {
                "names": list(variables.names),
                "everything": variables.everything,
                "ours": list(variables.ours),
                "present": list(variables.present),
                "salt": variables.salt,
                "digest": variables.digest,
            },
            "reasons": list(self.reasons),
        }
        return {**data, "sum": _sum(data)}

    @classmethod
    def from_data(cls, data: object) -> Inputs:
        """Return what `as_data` gave; of anything else, inputs that are always changed."""
        try:
            return _read(data)
        except (KeyError, TypeError, ValueError):
            return cls(reasons=(_DAMAGED,))


def recorded(
    seen: InputsSeen,
    environ: Mapping[str, str],
    settings: MigrationSettings,
    *,
    onto: Mapping[str, object] | None = None,
) -> Inputs:
    """Return the inputs of a build from what its worker saw. `environ` is what the worker got.

    `onto` is the stored record of the database that the build went on from: what that one depended on, this one does.
    """
    earlier = Inputs(python=seen.python, prefix=seen.prefix) if onto is None else Inputs.from_data(onto)
    reasons = [*earlier.reasons, *seen.reasons]
    if seen.python != sys.version or (earlier.python, earlier.prefix) != (seen.python, seen.prefix):
        reasons.append("ran in another Python than this one")
    facets = {facet: dict(paths) for facet, paths in earlier.facets.items()}
    for facet, paths in seen.facets.items():
        known = facets.setdefault(facet, {})
        reasons += [f"met {key} as another than before" for key in paths if known.get(key, paths[key]) != paths[key]]
        known.update(paths)
    modules = dict(earlier.modules)
    for folder, (asked, found) in seen.modules.items():
        before = modules.get(folder, ((), ()))
        modules[folder] = (_joined(before[0], asked), _joined(before[1], found))
    names = {*earlier.variables.names, *seen.variables, *settings.variables}
    everything = earlier.variables.everything or seen.everything
    return Inputs(
        python=seen.python,
        prefix=seen.prefix,
        facets=facets,
        modules=modules,
        variables=_variables(names, settings.url_variables, environ, everything=everything),
        reasons=tuple(reasons),
    )


def changed(
    inputs: Inputs | Mapping[str, object], root: Path, environ: Mapping[str, str], *, variables: Collection[str] = ()
) -> str | None:
    """Return the first reason why a build now could differ, in words for people; `None` when none is known.

    `inputs` may be as it was stored; damaged, it is a reason. `environ` is what a worker would get now, `variables` are
    those that the settings name now.
    """
    known = inputs if isinstance(inputs, Inputs) else Inputs.from_data(inputs)
    return next(_reasons(known, str(root), environ, variables), None)


def _reasons(inputs: Inputs, root: str, environ: Mapping[str, str], variables: Collection[str]) -> Iterator[str]:
    yield from (reason if reason == _DAMAGED else f"its build {reason}" for reason in inputs.reasons)
    if inputs.python != sys.version:
        yield f"Python is {sys.version.split()[0]}, was {inputs.python.partition(' ')[0]}"
    elif _path(root, inputs.prefix) != sys.prefix:
        yield f"Python's packages are those of {sys.prefix}, were those of {inputs.prefix}"
    for folder, (asked, found) in inputs.modules.items():
        yield from _modules_changed(root, folder, asked, found)
    for facet, paths in inputs.facets.items():
        for key, then in paths.items():
            now = worker_facets.observe(facet, _path(root, key))
            if now != then:
                yield _difference(facet, key, then, now)
    yield from _variables_changed(inputs.variables, environ, variables)


def _joined(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


# Files and folders


def _path(root: str, key: str) -> str:
    if key.startswith("/"):
        return key
    return root if key == "." else f"{root}/{key}"


def _modules_changed(root: str, folder: str, asked: Collection[str], found: Collection[str]) -> Iterator[str]:
    try:
        listing = worker_facets.entries(_path(root, folder))
    except OSError:
        listing = []
    now = worker_facets.modules(listing, frozenset(asked))
    yield from _listing_changed(folder, tuple(found), tuple(now))


def _listing_changed(folder: str, then: Collection[str], now: Collection[str]) -> Iterator[str]:
    before = "" if folder == "." else f"{folder}/"
    yield from (f"{before}{name} is new" for name in now if name not in then)
    yield from (f"{before}{name} is gone" for name in then if name not in now)


def _difference(facet: str, key: str, then: str, now: str) -> str:
    name = "the project's folder" if key == "." else key
    if facet == "packages":
        return f"packages in {name} were installed, upgraded or removed"
    if facet == "importable":
        return f"the modules in {name} are others"
    if now == worker_facets.ABSENT:
        return f"{name} is gone"
    if then == worker_facets.ABSENT:
        return f"{name} is new"
    if facet == "names":
        listed = [text.splitlines() for text in (then, now)]
        digests = any(text.startswith(worker_facets.DIGEST) for text in (then, now))
        found = [] if digests else list(_listing_changed(key, listed[0], listed[1]))
        return found[0] if found else f"the files in {name} are others"
    return f"{name} {_WORDS.get(facet, 'may be used in other ways')}"


_WORDS = {
    "content": "was edited",
    "kind": "is of another kind",
    "link": "leads elsewhere",
    "size": "has another size",
    "status": "has another size, time or mode",
    "own_status": "has another size, time or mode",
}


# Variables


def _variables(
    names: Collection[str], ours: Collection[str], environ: Mapping[str, str], *, everything: bool
) -> Variables:
    salt = os.urandom(16).hex()
    blank = Variables(names=tuple(sorted(names)), everything=everything, ours=tuple(sorted(ours)), salt=salt)
    values = _counted(blank, environ)
    return replace(blank, present=tuple(sorted(values)), digest=_digest(salt, values))


def _counted(variables: Variables, environ: Mapping[str, str]) -> dict[str, str]:
    names, ours = frozenset(variables.names), frozenset(variables.ours)
    return {
        name: value
        for name, value in environ.items()
        if name not in ours and not name.startswith(_OURS) and (name in names or variables.everything or _always(name))
    }


def _always(name: str) -> bool:
    return (name.startswith(_ALWAYS) or name in _ALWAYS_EXACTLY) and name not in _NEVER_MATTERS


def _variables_changed(then: Variables, environ: Mapping[str, str], named: Collection[str]) -> Iterator[str]:
    if not then.everything:
        yield from (f"migrations.variables names {name} since" for name in sorted({*named} - {*then.names}))
    now = _counted(then, environ)
    yield from (f"{name} is set now" for name in sorted(now) if name not in then.present)
    yield from (f"{name} is not set any more" for name in then.present if name not in now)
    if _digest(then.salt, now) != then.digest:
        if len(then.present) <= _NAMED:
            yield f"{' or '.join(then.present)} has another value"
        else:
            yield f"one of {len(then.present)} variables has another value: {', '.join(then.present)}"


def _digest(salt: str, values: Mapping[str, str]) -> str:
    return hashlib.sha256(f"{salt}{json.dumps(sorted(values.items()))}".encode()).hexdigest()


# The stored form


def _sum(data: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _read(data: object) -> Inputs:
    if not isinstance(data, dict):
        raise TypeError(data)
    rest = {key: value for key, value in data.items() if key != "sum"}
    if data["sum"] != _sum(rest) or rest["version"] != _VERSION:
        raise ValueError(data["sum"])
    # What the sum vouches for has the shape that `as_data` gave it.
    known = rest["variables"]
    inputs = Inputs(
        python=rest["python"],
        prefix=rest["prefix"],
        facets=rest["facets"],
        modules={folder: (tuple(asked), tuple(found)) for folder, (asked, found) in rest["modules"].items()},
        variables=Variables(
            names=tuple(known["names"]),
            everything=known["everything"],
            ours=tuple(known["ours"]),
            present=tuple(known["present"]),
            salt=known["salt"],
            digest=known["digest"],
        ),
        reasons=tuple(rest["reasons"]),
    )
    if inputs.as_data() != data:
        raise ValueError(data["sum"])
    return inputs
