"""The revision files, and what one of them says when it is only read."""

from __future__ import annotations

import ast
import hashlib
import os
import re
from pathlib import Path

from dbtasks.errors import Mistake, SettingsError
from dbtasks.migrations.alembic_config import version_folders
from dbtasks.migrations.script_cache import Said, ScriptCache
from dbtasks.settings import SETTINGS_FILE, MigrationSettings
from dbtasks.values import dataclass

# What Alembic takes for a revision: not an editor's lock file, not a package marker.
_REVISION_FILE = re.compile(r"(?!\.\#|__init__).*\.py$")
_NAMES = ("revision", "down_revision", "depends_on", "branch_labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One revision file as read. `line` is that of `revision`, `down_line` that of `down_revision`.

    `checksum` is the sha256 of the very bytes that were read.
    """

    checksum: str
    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    path: Path
    message: str
    line: int | None = None
    down_line: int | None = None


def revision_files(root: Path, settings: MigrationSettings) -> list[Path]:
    """Return the files that Alembic would load as revisions, in the order of their folders and names."""
    folders, recursive = version_folders(root, settings)
    files: dict[Path, None] = {}
    for folder in folders:
        if recursive:
            for file in sorted(folder.rglob("*.py")):
                if _REVISION_FILE.match(file.name) and "__pycache__" not in file.parts:
                    files[file.resolve()] = None
        elif folder.is_dir():
            files |= dict.fromkeys(_files_in(folder))
    return list(files)


def first_name(root: Path, first: Path) -> str:
    """Return what the file that makes the first tables is called among the revisions: no revision's id has a slash."""
    return first.relative_to(root).as_posix()


def read_first(root: Path, first: Path) -> Script:
    """Return the file that makes the first tables as the revision that all others come after."""
    name = first_name(root, first)
    if not first.is_file():
        text = f"there is no such file. Write it, or take migrations.first out of {SETTINGS_FILE.as_posix()}."
        raise SettingsError([Mistake(file=name, text=text)])
    checksum = hashlib.sha256(first.read_bytes()).hexdigest()
    message = "the tables that the first revision expects"
    return Script(checksum=checksum, id=name, down=(), depends_on=(), labels=(), path=first, message=message)


def _files_in(folder: Path) -> list[Path]:
    """Return the revision files of one folder, resolved: each by itself where it is a link, else by their folder."""
    resolved = folder.resolve()
    with os.scandir(resolved) as entries:
        found = sorted((entry for entry in entries if _REVISION_FILE.match(entry.name)), key=lambda entry: entry.name)
        return [resolved / entry.name if not entry.is_symlink() else Path(entry).resolve() for entry in found]


def read_script(root: Path, file: Path, cache: ScriptCache) -> Script | Mistake | None:
    """Return what a revision file says; `None` when it computes its ids, a mistake when it is no Python."""
    try:
        content = file.read_bytes()
    except OSError as error:
        text = f"cannot be read: {error.strerror}. Remove it, or mend what it is."
        return Mistake(file=_shown(root, file), text=text)
    checksum = hashlib.sha256(content).hexdigest()
    said = cache.get(checksum)
    if said is None:
        parsed = _parse(root, file, content)
        if not isinstance(parsed, tuple):
            return parsed
        cache.put(checksum, said := parsed)
    id_, down, depends_on, labels, message, line, down_line = said
    return Script(
        checksum=checksum,
        id=id_,
        down=down,
        depends_on=depends_on,
        labels=labels,
        path=file,
        message=message,
        line=line,
        down_line=down_line,
    )


def _parse(root: Path, file: Path, content: bytes) -> Said | Mistake | None:
    name = _shown(root, file)
    try:
        tree = ast.parse(content, filename=str(file))
    except SyntaxError as error:
        return Mistake(file=name, line=error.lineno, text=f"is no valid Python: {error.msg}")
    except ValueError:
        return Mistake(file=name, text="is no text")
    values: dict[str, object] = {}
    lines: dict[str, int] = {}
    for node in tree.body:
        for variable, value in _assignments(node):
            try:
                values[variable] = ast.literal_eval(value)
            except ValueError:
                return None
            lines[variable] = node.lineno
    revision = values.get("revision")
    if not isinstance(revision, str):
        return None
    if "down_revision" not in values:
        return Mistake(file=name, line=lines["revision"], text="down_revision is missing. The first one says None.")
    names = [as_tuple(values.get(each)) for each in ("down_revision", "depends_on", "branch_labels")]
    message = ((ast.get_docstring(tree) or "").splitlines() or [""])[0]
    return revision, names[0], names[1], names[2], message, lines["revision"], lines["down_revision"]


def _shown(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()


def as_tuple(value: object) -> tuple[str, ...]:
    """Return what Alembic makes of a value that may be one name, several, or none.

    >>> as_tuple(None), as_tuple("a1"), as_tuple(["a1", "b2"])
    ((), ('a1',), ('a1', 'b2'))
    """
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    return tuple(str(each) for each in value) if isinstance(value, (tuple, list, set, frozenset)) else (str(value),)


def _assignments(node: ast.stmt) -> list[tuple[str, ast.expr]]:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        targets: list[ast.expr] = [node.target]
    elif isinstance(node, ast.Assign):
        targets = node.targets
    else:
        return []
    value = node.value
    assert value is not None  # noqa: S101 - for the type checker; the branch above has looked
    return [(target.id, value) for target in targets if isinstance(target, ast.Name) and target.id in _NAMES]
