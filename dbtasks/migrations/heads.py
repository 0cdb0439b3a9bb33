"""At which revisions the code's heads are, worked out once for the bytes of its files.

What was found is kept in the project's `.dbtasks` folder beside a digest over every file that it came from: settings,
Alembic's configuration, each revision. They are read and hashed each time, so that nothing stale is ever believed; only
YAML, configuration and history are not worked out again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dbtasks.migrations.script_cache import FOLDER, keep, kept
from dbtasks.values import dataclass

if TYPE_CHECKING:
    from dbtasks.settings import Settings

_FILE = "heads.json"

# Counts up when something else is kept.
_READER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """`tables` are each history's prefix and version table, `revisions` all that the code has."""

    tables: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    revisions: frozenset[str]


def read_heads(root: Path) -> Heads:
    """Return the heads of the project in `root`; SettingsError as `read_history` has it."""
    known = _known(root)
    if known is not None:
        return known
    from dbtasks.migrations.history import read_history  # late, as below: they cost more than all the rest
    from dbtasks.settings import load

    settings = load(root)
    history = read_history(settings.root, settings.migrations)
    found = Heads(
        tables=settings.migrations.version_tables,
        heads=history.heads,
        revisions=frozenset(revision.id for revision in history.revisions),
    )
    with suppress(OSError, UnicodeError):
        _keep(settings, found)
    return found


def _known(root: Path) -> Heads | None:
    data = kept(root / FOLDER, _FILE)
    try:
        if data is None or data["reader"] != _READER:
            return None
        folders, files = data["folders"], data["files"]
        if _digest(root, folders, files) != data["digest"]:
            return None
        return Heads(
            tables=tuple((str(prefix), str(table)) for prefix, table in data["tables"]),
            heads=tuple(map(str, data["heads"])),
            revisions=frozenset(map(str, data["revisions"])),
        )
    except (KeyError, TypeError, ValueError, OSError):
        return None


def _keep(settings: Settings, found: Heads) -> None:
    """Keep what was found where the same files will say the same: not where other Pythons or folders are asked."""
    from dbtasks.migrations.alembic_config import version_folders

    root, files, folders = settings.root, [settings.file, settings.root / "pyproject.toml"], []
    for each in settings.migrations.each:
        its, recursive = version_folders(root, each)
        if recursive or each.python is not None or not all(folder.is_relative_to(root) for folder in its):
            return
        folders += its
        files += [root / each.config, *([each.first] if each.first is not None else [])]
    names = [folder.relative_to(root).as_posix() for folder in folders]
    paths = [file.relative_to(root).as_posix() for file in files]
    data = {"reader": _READER, "folders": names, "files": paths, "digest": _digest(root, names, paths)}
    told = {"tables": found.tables, "heads": found.heads, "revisions": sorted(found.revisions)}
    keep(root / FOLDER, _FILE, data | told)


def _digest(root: Path, folders: Iterable[str], files: Sequence[str]) -> str:
    """Return sha256 over the names and the bytes of these files, and of every Python file in these folders."""
    digest, base = hashlib.sha256(), f"{root}/"
    paths = [f"{base}{file}" for file in files]
    for folder in folders:
        with os.scandir(f"{base}{folder}") as entries:
            paths += sorted(entry.path for entry in entries if entry.name.endswith(".py"))
    for path in paths:
        digest.update(f"{len(path)} {path} ".encode())
        digest.update(hashlib.sha256(_content(path)).digest())
    return digest.hexdigest()


def _content(path: str) -> bytes:
    """Return a file's bytes, without what makes `open` comfortable; there are hundreds of them."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return b"absent"
    try:
        parts = [os.read(descriptor, 1 << 16)]
        while parts[-1]:
            parts.append(os.read(descriptor, 1 << 16))
        return b"".join(parts)
    finally:
        os.close(descriptor)
