"""What can be told of a path in a few bytes, in the same words when a build sees it and when somebody asks again.

Part of the worker: standard library only. The functions of `os` are taken here, before anything wraps them.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterable

ABSENT = "absent"
FOLDER = "folder"
FILE = "file"
OTHER = "other"
UNREADABLE = "unreadable"
NOT_READ = frozenset({ABSENT, FOLDER, OTHER, UNREADABLE})
DIGEST = "sha256:"

_CHUNK = 1 << 20
_LISTED = 1000  # a listing that is longer is told as a digest
_METADATA = (".dist-info", ".egg-info", ".egg", ".egg-link", ".pth")
_CUSTOM = frozenset({"sitecustomize.py", "usercustomize.py"})

_access, _close, _fstat, _lstat = os.access, os.close, os.fstat, os.lstat
_open, _read, _readlink, _scandir, _stat = os.open, os.read, os.readlink, os.scandir, os.stat


def observe(facet: str, path: str) -> str:
    """Return what `facet` of a path is now; of `access N`, whether the path may be used in the way N."""
    name, _, mode = facet.partition(" ")
    return _access_told(path, int(mode)) if mode else FACETS[name](path)


def content(path: str) -> str:
    """Return the sha256 of a file's bytes, else what stands there instead."""
    try:
        # Not waiting, should it have become a pipe.
        descriptor = _open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _failed(error)
    try:
        told = _told(_fstat(descriptor).st_mode)
        if told != FILE:
            return told
        digest = hashlib.sha256()
        while True:
            data = _read(descriptor, _CHUNK)
            if not data:
                return digest.hexdigest()
            digest.update(data)
    except OSError:
        return UNREADABLE
    finally:
        _close(descriptor)


def kind(path: str) -> str:
    """Return whether a path is a file, a folder, something else or absent, behind any link."""
    try:
        return _told(_stat(path).st_mode)
    except OSError as error:
        return _failed(error)


def link(path: str) -> str:
    """Return where a link leads, else what the path is."""
    try:
        mode = _lstat(path).st_mode
        return f"link to {_readlink(path)}" if stat.S_ISLNK(mode) else _told(mode)
    except OSError as error:
        return _failed(error)


def size(path: str) -> str:
    try:
        return str(_stat(path).st_size)
    except OSError as error:
        return _failed(error)


def status(path: str) -> str:
    """Return whatever `stat` tells that a rebuild would read again; not the time of reading, which reading changes."""
    return _status(path, _stat)


def own_status(path: str) -> str:
    """Return the same of a link itself."""
    return _status(path, _lstat)


def names(folder: str) -> str:
    """Return the names in a folder, each with its kind as a mark, one a line, or a digest where these are many."""
    try:
        marked = sorted(name + mark for name, mark in entries(folder))
    except OSError as error:
        return _failed(error)
    text = "\n".join(marked)
    plain = len(text) <= _LISTED and text.count("\n") < max(len(marked), 1)
    return text if plain else digest_of(marked)


def importable(folder: str) -> str:
    """Return a digest of the names that `pkgutil` would take for modules and packages."""
    try:
        found = [name for name, mark in entries(folder) if _is_module(name) or (mark[-1:] == "/" and "." not in name)]
    except OSError as error:
        return _failed(error)
    return digest_of(sorted(name for name in found if name != "__pycache__"))


def packages(folder: str) -> str:
    """Return a digest of what is installed in a folder: names with versions, and the bytes of what redirects imports.

    A distribution that came from elsewhere than an index can change without its version: its list of files counts.
    """
    try:
        found = sorted(name for name, _ in entries(folder) if _redirects(name) or name.endswith(_METADATA))
    except OSError as error:
        return _failed(error)
    lines = []
    for name in found:
        path = f"{folder}/{name}"
        lines.append(name)
        if _redirects(name):
            lines.append(content(path))
        elif name.endswith(".dist-info"):
            origin = content(f"{path}/direct_url.json")
            lines += [] if origin == ABSENT else [origin, content(f"{path}/RECORD")]
    return digest_of(lines)


def modules(listing: Iterable[tuple[str, str]], asked: Collection[str]) -> list[str]:
    """Return which entries of a folder answer to the names that an import asked for, sorted."""
    return sorted(
        name + mark[-1:].replace("@", "")
        for name, mark in listing
        if (name in asked and mark[-1:] == "/") or (_is_module(name) and name.partition(".")[0] in asked)
    )


def entries(folder: str) -> list[tuple[str, str]]:
    """Return each name in a folder and its mark: `/` a folder, `@` a link, `@/` a link to a folder."""
    with _scandir(folder) as found:
        return [(each.name, ("@" if each.is_symlink() else "") + ("/" if each.is_dir() else "")) for each in found]


def digest_of(lines: Iterable[str]) -> str:
    # As JSON: a name may hold a line's end, and bytes that are no UTF-8.
    return DIGEST + hashlib.sha256(json.dumps(list(lines)).encode()).hexdigest()


def _is_module(name: str) -> bool:
    stem, dot, rest = name.partition(".")
    return bool(stem and dot) and (rest in ("py", "pyc", "so", "pyd") or rest.endswith((".so", ".pyd")))


def _redirects(name: str) -> bool:
    return name.endswith((".pth", ".egg-link")) or name.startswith("__editable__") or name in _CUSTOM


def _access_told(path: str, mode: int) -> str:
    return "yes" if _access(path, mode) else "no"


def _status(path: str, ask: Callable[[str], os.stat_result]) -> str:
    try:
        seen = ask(path)
    except OSError as error:
        return _failed(error)
    return f"{seen.st_mode:o} {seen.st_uid} {seen.st_gid} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"


def _told(mode: int) -> str:
    if stat.S_ISREG(mode):
        return FILE
    return FOLDER if stat.S_ISDIR(mode) else OTHER


def _failed(error: OSError) -> str:
    return ABSENT if isinstance(error, (FileNotFoundError, NotADirectoryError)) else UNREADABLE


FACETS: dict[str, Callable[[str], str]] = {
    "content": content,
    "kind": kind,
    "link": link,
    "size": size,
    "status": status,
    "own_status": own_status,
    "names": names,
    "importable": importable,
    "packages": packages,
}
