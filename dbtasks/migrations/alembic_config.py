"""Alembic's configuration, read without Alembic: an ini file, `[tool.alembic]` of pyproject.toml, or both.

Read is only what says where revision files lie. As Alembic does it, the ini counts before pyproject.toml, and the file
that was not named is looked for beside the one that was.
"""

from __future__ import annotations

import configparser
import importlib.machinery
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import cast

from dbtasks.errors import Mistake, SettingsError
from dbtasks.settings import MigrationSettings
from dbtasks.values import dataclass

INI, PYPROJECT = "alembic.ini", "pyproject.toml"
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_ASK_S = 60
# Alone, so that nothing of the project's is imported: the package's folders, and where Python looks for others.
_ASK = """
import importlib.util, json, sys
spec = importlib.util.find_spec(sys.argv[1])
print(json.dumps(list(spec.submodule_search_locations or []) if spec else []))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What both files say, the ini first. `file` is the one to name in a mistake."""

    file: str
    place: Path
    ini: dict[str, str]
    toml: dict[str, object]

    def text(self, key: str) -> str:
        found = self.ini.get(key) or self.toml.get(key) or ""
        return found if isinstance(found, str) else str(found).lower()

    def texts(self, key: str) -> list[str]:
        if self.ini.get(key):
            return _split(self.ini, key, self.file)
        found = self.toml.get(key)
        return [str(each) for each in found] if isinstance(found, list) else []

    def mistake(self, text: str, path: str | None, starts: str) -> SettingsError:
        lines = self.place.read_text(encoding="utf-8").splitlines()
        line = next((number for number, each in enumerate(lines, 1) if each.strip().startswith(starts)), None)
        return SettingsError([Mistake(file=self.file, line=line, path=path, text=text)])


def files(root: Path, settings: MigrationSettings) -> tuple[Path | None, Path | None]:
    """Return the ini and the pyproject.toml that Alembic reads: the named one, and the other where it is beside it."""
    named = root / settings.config
    if named.name == PYPROJECT:
        return _there(named.with_name(INI)), named
    return named, _there(named.with_name(PYPROJECT))


def version_folders(root: Path, settings: MigrationSettings) -> tuple[list[Path], bool]:
    """Return the folders that revision files lie in, and whether those inside of them count."""
    options = _read(root, settings)
    base = _base(root, options)
    location = options.text("script_location") or _implied(options)
    if not location:
        header = "[tool.alembic]" if options.place.name == PYPROJECT else f"[{settings.section}]"
        raise options.mistake("script_location is missing.", header.strip("[]"), header)
    searched = [base, *(base / each for each in options.texts("prepend_sys_path"))]
    python = interpreter(root, settings) if settings.python else None
    folder = _folder(location, searched, python)
    if not folder.is_dir():
        raise options.mistake(f"there is no folder {folder}.", "script_location", "script_location")
    named = options.texts("version_locations")
    folders = [_folder(each, searched, python) for each in named] or [folder / "versions"]
    return folders, options.text("recursive_version_locations") == "true"


def implied_location(root: Path, settings: MigrationSettings) -> str | None:
    """Return the scripts folder where no file names it: Flask-Migrate keeps its ini inside of it."""
    options = _read(root, settings)
    return None if options.text("script_location") else _implied(options) or None


def working_folder(root: Path, settings: MigrationSettings) -> Path:
    """Return the folder to run Alembic in: the root, or the ini's folder where the script folder is relative to it."""
    return _base(root, _read(root, settings))


def interpreter(root: Path, settings: MigrationSettings) -> Path:
    """Return the Python that runs the project's migrations. `SettingsError` when it is not there."""
    if settings.python is None:
        return Path(sys.executable)
    python = root / settings.python
    if not os.access(python, os.X_OK):
        text = f"there is no program {python}. Make that virtual environment, or name the Python that has Alembic."
        raise SettingsError([Mistake(file="config/tiers.yaml", path="migrations.python", text=text)])
    return python


def _base(root: Path, options: _Options) -> Path:
    location = options.text("script_location")
    if not (root / location).exists() and (options.place.parent / location).exists():
        return options.place.parent
    return root


def _implied(options: _Options) -> str:
    folder = options.place.parent
    return str(folder) if (folder / "env.py").is_file() and (folder / "versions").is_dir() else ""


def _read(root: Path, settings: MigrationSettings) -> _Options:
    place = root / settings.config
    name = place.relative_to(root).as_posix() if place.is_relative_to(root) else place.as_posix()
    if not place.is_file():
        raise SettingsError([Mistake(file=name, text="there is no such file. Write Alembic's configuration there.")])
    ini, toml = files(root, settings)
    said = {} if toml is None else _toml(toml, name)
    options = _Options(file=name, place=place, ini={}, toml=said)
    if ini is None:
        return options if said else _lacks(options, "tool.alembic", ())
    config = _parsed(ini, name)
    if config.has_section(settings.section):
        return _Options(file=name, place=place, ini=_interpolated(config, settings.section, name), toml=said)
    return options if said else _lacks(options, settings.section, config.sections())


def _lacks(options: _Options, section: str, sections: list[str] | tuple[()]) -> _Options:
    has = (
        f" It has: {', '.join(f'[{each}]' for each in sections) or 'none'}." if options.place.suffix != ".toml" else ""
    )
    raise SettingsError([Mistake(file=options.file, text=f"has no section [{section}].{has}")])


def _parsed(ini: Path, name: str) -> configparser.ConfigParser:
    config = configparser.ConfigParser({"here": ini.parent.resolve().as_posix()})
    try:
        config.read_string(ini.read_text(encoding="utf-8"), source=name)
    except configparser.Error as error:
        raise SettingsError([Mistake(file=name, line=getattr(error, "lineno", None), text=error.message)]) from None
    except UnicodeDecodeError:
        raise SettingsError([Mistake(file=name, text="is not UTF-8")]) from None
    return config


def _interpolated(config: configparser.ConfigParser, section: str, name: str) -> dict[str, str]:
    try:
        return {key: config.get(section, key) for key in config.options(section) if _ours(key)}
    except configparser.InterpolationError as error:
        raise SettingsError([Mistake(file=name, path=section, text=str(error).replace("\n", " "))]) from None


def _toml(place: Path, name: str) -> dict[str, object]:
    """Return what counts here of `[tool.alembic]`; empty where the file has no such table."""
    try:
        text = place.read_text(encoding="utf-8")
        data = tomllib.loads(text) if "alembic" in text else {}  # most say nothing of it
    except UnicodeDecodeError:
        raise SettingsError([Mistake(file=name, text=f"{place.name} is not UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([Mistake(file=name, text=f"{place.name} is no valid TOML: {error}")]) from None
    tool = data.get("tool")
    said = tool.get("alembic") if isinstance(tool, dict) else None
    here = {"here": place.parent.resolve().as_posix()}

    def filled(value: object) -> object:
        if isinstance(value, list):
            return [filled(each) for each in value]
        return value % here if isinstance(value, str) else value

    try:
        found = {key: filled(value) for key, value in said.items() if _ours(key)} if isinstance(said, dict) else {}
    except (KeyError, ValueError, TypeError) as error:
        text = f"cannot be filled in: {error}. Only %(here)s is known; write %% for a percent sign."
        raise SettingsError([Mistake(file=name, path="tool.alembic", text=text)]) from None
    return cast("dict[str, object]", found)


def _ours(key: str) -> bool:
    # Other options may interpolate what only the project's own program defines.
    return key.endswith(("_location", "_locations", "path_separator", "prepend_sys_path"))


def _split(options: dict[str, str], key: str, file: str) -> list[str]:
    names = ("path_separator",) if key == "prepend_sys_path" else ("path_separator", "version_path_separator")
    chosen = next((options[each] for each in names if each in options), None)
    if chosen is None:  # Alembic's old way, still its default
        parts = re.split(r", *|(?: +)|:" if key == "prepend_sys_path" else r", *|(?: +)", options[key])
    elif chosen in _SEPARATORS:
        parts = options[key].split(_SEPARATORS[chosen])
    else:
        text = f"expected one of {', '.join(_SEPARATORS)}, found {chosen!r}."
        raise SettingsError([Mistake(file=file, path="path_separator", text=text)])
    return [part.strip() for part in parts if part.strip()]


def _folder(location: str, searched: list[Path], python: Path | None) -> Path:
    """Return the folder that a location means: a path, or `package:folder` found without importing the package."""
    if Path(location).is_absolute() or ":" not in location:
        return searched[0] / location
    package, *parts = location.split(":")
    first, *rest = package.split(".")
    places = _first(first, [str(each) for each in searched], python)
    for number, _ in enumerate(rest, 2):
        places = _searched(".".join(package.split(".")[:number]), places)
    return Path(places[0], *parts) if places else searched[0] / location


def _first(package: str, searched: list[str], python: Path | None) -> list[str]:
    """Return a package's folders. A mere folder of its name counts only where nobody has a package, as in imports."""
    spec = importlib.machinery.PathFinder.find_spec(package, searched)
    here = list(spec.submodule_search_locations or ()) if spec is not None else []
    if spec is not None and spec.origin is not None:
        return here
    return (_asked(package, python) if python else _searched(package, sys.path)) or here


def _searched(name: str, places: list[str]) -> list[str]:
    spec = importlib.machinery.PathFinder.find_spec(name, places)
    return list(spec.submodule_search_locations or ()) if spec is not None else []


def _asked(package: str, python: Path) -> list[str]:
    """Return a package's folders as another Python finds them, which knows its own virtual environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "LANG") if name in os.environ}
    command = [str(python), "-c", _ASK, package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=kept, timeout=_ASK_S, check=True)
        return [str(each) for each in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def _there(file: Path) -> Path | None:
    return file if file.is_file() else None
