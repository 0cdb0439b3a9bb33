"""What revision files said when they were last parsed, kept in the project's `.dbtasks` folder by their content.

Files are read and hashed each time, so whatever a file's time says, what is found here is what parsing would give.
A cache that is damaged, somebody else's or cannot be written is done without.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = ".dbtasks"
FILE = "revisions.json"

# Counts up when something else is read of a file. What is valid Python depends on Python.
_READER = f"1 {sys.version_info[0]}.{sys.version_info[1]}"

# id, down_revision, depends_on, branch_labels, message, line of revision, line of down_revision
Said = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], str, int, int]


class ScriptCache:
    """What files said, by the sha256 of their bytes."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER
        self._known = _load(self._folder)
        self._used: dict[str, Said] = {}

    def get(self, checksum: str) -> Said | None:
        """Return what a file with these bytes says, where that is known."""
        said = self._known.get(checksum)
        if said is not None:
            self._used[checksum] = said
        return said

    def put(self, checksum: str, said: Said) -> None:
        self._used[checksum] = said

    def save(self) -> None:
        """Keep what was asked for and what was put, and forget the rest."""
        if self._used != self._known:
            with suppress(OSError):
                _save(self._folder, self._used)


def _load(folder: Path) -> dict[str, Said]:
    try:
        data = kept(folder, FILE)
        if data is None or data["reader"] != _READER:
            return {}
        return {checksum: _said(values) for checksum, values in data["scripts"].items()}
    except (TypeError, KeyError, AttributeError, ValueError):
        return {}


def kept(folder: Path, name: str) -> Any:
    """Return what a file of ours in the folder holds; `None` where it is damaged, or somebody else's."""
    try:
        content = (folder / name).read_bytes()
        digest, _, text = content.partition(b"\n")
        if not _is_ours(folder) or digest.decode() != hashlib.sha256(text).hexdigest():
            return None
        return json.loads(text)
    except (OSError, ValueError):
        return None


def _said(values: list[object]) -> Said:
    id_, down, depends_on, labels, message, line, down_line = values
    return str(id_), _texts(down), _texts(depends_on), _texts(labels), str(message), _number(line), _number(down_line)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(str(each) for each in value)


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    return value


def _save(folder: Path, scripts: Mapping[str, Said]) -> None:
    keep(folder, FILE, {"reader": _READER, "scripts": scripts})


def keep(folder: Path, name: str, data: object) -> None:
    """Write a file of ours whole, or not at all. The folder is made only in a project of our own user's. OSError."""
    if not folder.exists() and _is_ours(folder.parent):
        folder.mkdir(0o700)
        if sys.platform != "win32" and os.geteuid() == 0:
            folder.chmod(0o711)  # the account that runs root's private servers passes through
        (folder / ".gitignore").write_text("*\n", encoding="ascii")
    if not _is_ours(folder):
        return
    text = json.dumps(data, separators=(",", ":")).encode()
    new = folder / f"{name}.{os.getpid()}.new"
    try:
        new.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        new.replace(folder / name)
    finally:
        new.unlink(missing_ok=True)


def _is_ours(folder: Path) -> bool:
    """Whether a folder is our user's and no link: what another user writes there is not believed."""
    found = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and (sys.platform == "win32" or found.st_uid == os.geteuid())
