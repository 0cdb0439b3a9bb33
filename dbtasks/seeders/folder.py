"""The seed folder as values: sets, files, modes. Nothing is connected to and no row is read."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from dbtasks.errors import Mistake, SeedError
from dbtasks.seeders.files import Mode, SeedFile, Seeds

SETTINGS = "set.yaml"


def read(root: Path, folder: Path, sets: Sequence[str], extensions: Mapping[str, str]) -> Seeds:
    """Return the files of `sets` below `folder`; `extensions` maps a file name's ending to its format.

    Raises `SeedError` with every mistake: unknown sets, unknown endings, links out of the project, two files for
    one table. Names that begin with a dot, and README files, are passed over.
    """
    base = folder if folder.is_absolute() else root / folder
    mistakes: list[Mistake] = []
    files: list[SeedFile] = []
    modes: list[tuple[str, Mode]] = []
    for name in dict.fromkeys(sets):
        if (problem := _unknown_set(root, base, name)) is not None:
            mistakes.append(problem)
            continue
        members: list[SeedFile] = []
        for path in sorted(base.joinpath(name).iterdir()):
            if path.name.startswith(".") or path.stem.upper() == "README":
                continue
            if (problem := _unfit(root, path, extensions)) is not None:
                mistakes.append(problem)
            elif path.name == SETTINGS:
                modes.append((name, _mode(root, path)))
            else:
                members.append(_seed_file(root, name, path, extensions[path.suffix.lower()]))
        mistakes += _twice(members)
        files += members
    if mistakes:
        raise SeedError(mistakes)
    return Seeds(files=tuple(files), root=root, modes=tuple(modes))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `" Did you mean users?"` for the nearest of the known words, else an empty text.

    >>> nearest("user", ["users", "bookings"]), nearest("zzz", ["users"])
    (' Did you mean users?', '')
    """
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""


def _unknown_set(root: Path, base: Path, name: str) -> Mistake | None:
    shown = _shown(root, base)
    if not base.is_dir():
        return Mistake(file=shown, text=f"there is no such folder, so no seed set {name}. Create {shown}/{name}.")
    known = sorted(path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith("."))
    if name not in known:
        there = f" There are: {', '.join(known)}." if known else " There is none yet."
        return Mistake(file=shown, text=f"unknown seed set {name}.{nearest(name, known) or there}")
    if not base.joinpath(name).resolve().is_relative_to(root.resolve()):
        return Mistake(file=f"{shown}/{name}", text="the link leads out of the project. Put the folder here instead.")
    return None


def _unfit(root: Path, path: Path, extensions: Mapping[str, str]) -> Mistake | None:
    shown = _shown(root, path)
    if not path.resolve().is_relative_to(root.resolve()):
        return Mistake(file=shown, text="the link leads out of the project. Put a copy of the file here instead.")
    if not path.is_file():
        return Mistake(file=shown, text="expected a file. A seed set has no folders of its own.")
    if path.suffix.lower() not in extensions:
        known = ", ".join(extensions)
        return Mistake(file=shown, text=f"unknown ending {path.suffix or '(none)'}. A seed file ends in {known}.")
    return None


def _seed_file(root: Path, name: str, path: Path, form: str) -> SeedFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return SeedFile(
        set=name,
        path=Path(_shown(root, path)),
        format=form,
        table=None if form == "sql" else path.stem,
        digest=digest,
        size_bytes=path.stat().st_size,
    )


def _twice(members: Sequence[SeedFile]) -> list[Mistake]:
    first: dict[str, SeedFile] = {}
    mistakes = []
    for file in members:
        if file.table is None:
            continue
        if (other := first.setdefault(file.table, file)) is not file:
            text = f"table {file.table} has a second file in this set, {other.name}. Join the two into one."
            mistakes.append(Mistake(file=file.name, text=text))
    return mistakes


def _mode(root: Path, path: Path) -> Mode:
    shown = _shown(root, path)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.CBaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        node = None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    if [key.value for key, _ in pairs] == ["mode"] and pairs[0][1].value in list(Mode):
        return Mode(pairs[0][1].value)
    line = pairs[0][0].start_mark.line + 1 if pairs else 1
    text = "expected one line, either mode: missing (keeps what people changed) or mode: match (follows the file)."
    raise SeedError([Mistake(file=shown, line=line, text=text)])


def _shown(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
