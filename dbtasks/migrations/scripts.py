"""Where Alembic's configuration says that revision files lie, and what one such file says when it is only read."""

from __future__ import annotations

import ast
import configparser
import hashlib
import importlib.machinery
import os
import re
import sys
from pathlib import Path

from dbtasks.errors import Mistake, SettingsError
from dbtasks.migrations.script_cache import Said, ScriptCache
from dbtasks.settings import MigrationSettings
from dbtasks.values import dataclass

# What Alembic takes for a revision: not an editor's lock file, not a package marker.
_REVISION_FILE = re.compile(r"(?!\.\#|__init__).*\.py$")
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
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
    folders, recursive = _version_folders(root, settings)
    files: dict[Path, None] = {}
    for folder in folders:
        if recursive:
            for file in sorted(folder.rglob("*.py")):
                if _REVISION_FILE.match(file.name) and "__pycache__" not in file.parts:
                    files[file.resolve()] = None
        elif folder.is_dir():
            files |= dict.fromkeys(_files_in(folder))
    return list(files)


def _files_in(folder: Path) -> list[Path]:
    """Return the revision files of one folder, resolved: each by itself where it is a link, else by their folder."""
    resolved = folder.resolve()
    with os.scandir(resolved) as entries:
        found = sorted((entry for entry in entries if _REVISION_FILE.match(entry.name)), key=lambda entry: entry.name)
        return [resolved / entry.name if not entry.is_symlink() else Path(entry).resolve() for entry in found]


def working_folder(root: Path, settings: MigrationSettings) -> Path:
    """Return the folder to run Alembic in: the root, or the ini's folder where the script folder is relative to it."""
    config, place = _config(root, settings), root / settings.config
    location = config.get(settings.section, "script_location", fallback="")
    if not (root / location).exists() and (place.parent / location).exists():
        return place.parent
    return root


def read_script(root: Path, file: Path, cache: ScriptCache) -> Script | Mistake | None:
    """Return what a revision file says; `None` when it computes its ids, a mistake when it is no Python."""
    content = file.read_bytes()
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
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
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


def _config(root: Path, settings: MigrationSettings) -> configparser.ConfigParser:
    place = root / settings.config
    name = place.relative_to(root).as_posix() if place.is_relative_to(root) else place.as_posix()
    if not place.is_file():
        raise SettingsError([Mistake(file=name, text="there is no such file. Write Alembic's configuration there.")])
    config = configparser.ConfigParser({"here": place.parent.resolve().as_posix()})
    try:
        config.read_string(place.read_text(encoding="utf-8"), source=name)
    except configparser.Error as error:
        raise SettingsError([Mistake(file=name, line=getattr(error, "lineno", None), text=error.message)]) from None
    except UnicodeDecodeError:
        raise SettingsError([Mistake(file=name, text="is not UTF-8")]) from None
    if not config.has_section(settings.section):
        sections = ", ".join(f"[{each}]" for each in config.sections()) or "none"
        raise SettingsError([Mistake(file=name, text=f"has no section [{settings.section}]. It has: {sections}.")])
    return config


def _version_folders(root: Path, settings: MigrationSettings) -> tuple[list[Path], bool]:
    config = _config(root, settings)
    base, name = working_folder(root, settings), (root / settings.config).name
    try:
        options = {key: config.get(settings.section, key) for key in config.options(settings.section) if _ours(key)}
    except configparser.InterpolationError as error:
        raise SettingsError([Mistake(file=name, path=settings.section, text=str(error).replace("\n", " "))]) from None
    if not options.get("script_location"):
        line = _line(root / settings.config, f"[{settings.section}]")
        raise SettingsError([Mistake(file=name, line=line, path=settings.section, text="script_location is missing.")])
    searched = [base, *(base / each for each in _split(options, "prepend_sys_path", name))]
    folder = _folder(options["script_location"], searched)
    line = _line(root / settings.config, "script_location")
    if not folder.is_dir():
        raise SettingsError(
            [Mistake(file=name, line=line, path="script_location", text=f"there is no folder {folder}.")]
        )
    locations = _split(options, "version_locations", name)
    folders = [_folder(each, searched) for each in locations] or [folder / "versions"]
    return folders, options.get("recursive_version_locations") == "true"


def _ours(key: str) -> bool:
    # Other options may interpolate what only the project's own program defines.
    return key.endswith(("_location", "_locations", "path_separator", "prepend_sys_path"))


def _split(options: dict[str, str], key: str, file: str) -> list[str]:
    text = options.get(key)
    if not text:
        return []
    names = ("path_separator",) if key == "prepend_sys_path" else ("path_separator", "version_path_separator")
    chosen = next((options[each] for each in names if each in options), None)
    if chosen is None:  # Alembic's old way, still its default
        parts = re.split(r", *|(?: +)|:" if key == "prepend_sys_path" else r", *|(?: +)", text)
    elif chosen in _SEPARATORS:
        parts = text.split(_SEPARATORS[chosen])
    else:
        text = f"expected one of {', '.join(_SEPARATORS)}, found {chosen!r}."
        raise SettingsError([Mistake(file=file, path="path_separator", text=text)])
    return [part.strip() for part in parts if part.strip()]


def _folder(location: str, searched: list[Path]) -> Path:
    """Return the folder that a location means: a path, or `package:folder` found without importing the package."""
    if Path(location).is_absolute() or ":" not in location:
        return searched[0] / location
    package, *parts = location.split(":")
    places: list[str] = [*(str(each) for each in searched), *sys.path]
    found = ""
    for part in package.split("."):
        found = f"{found}.{part}" if found else part
        spec = importlib.machinery.PathFinder.find_spec(found, places)
        if spec is None or spec.submodule_search_locations is None:
            return searched[0] / location
        places = list(spec.submodule_search_locations)
    return Path(places[0], *parts)


def _line(file: Path, text: str) -> int | None:
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.strip().startswith(text)), None)
