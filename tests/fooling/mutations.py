"""What may happen to a project between two builds. A mutation takes its folder and the environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from tests.fooling.programs import VARIABLES

Mutation = Callable[[Path, dict[str, str]], None]

TREE = {
    "config/a.json": '{"a": 1}',
    "config/b.json": '{"b": 2}',
    "data/x.csv": "1,2,3\n",
    "data/deep/y.csv": "4,5,6\n",
    "shop/__init__.py": '"""Shop."""\nVALUE = "shop"\n',
    "shop/models.py": '"""Models."""\nVALUE = "models"\nfrom . import more\n',
    "shop/more.py": '"""More."""\nVALUE = "more"\n',
    "shop/data.txt": "package data\n",
    "extras/inner.py": '"""Inner."""\nVALUE = "inner"\n',
    "lib/extras.py": '"""Extras."""\nVALUE = "lib"\n',
    "lib/space/one.py": '"""One."""\nVALUE = "one"\n',
    "plain": "plain\n",
    ".env": "MODE=from-file-${FEATURE_A}\n",
    "README.md": "# Shop\n",
    "empty/.keep": "",
}
EDITED = tuple(sorted(TREE))
NEW = (
    "config/extra.json",
    "config/c.json",
    "data/z.csv",
    "shop/late.py",
    "shop/json.py",
    "extras/__init__.py",
    "extras.py",
    "json.py",
    "colorsys.py",
    "lib/colorsys.py",
    "lib/shop/__init__.py",
    "space/one.py",
    "shop/models/__init__.py",
    "nowhere/none.txt",
    "shop/more.so",
)
PATHS = (*EDITED, *NEW, "config", "data", "data/deep", "shop", "link", "linked.csv", "lib", "empty", "nowhere")


def make(root: Path) -> None:
    """Write the project as it is at first."""
    for name, text in TREE.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, ns=(10**18, 10**18))
    (root / "link").symlink_to("data")
    (root / "linked.csv").symlink_to("data/x.csv")


def edit(name: str, text: str) -> Mutation:
    def do(root: Path, _environ: dict[str, str]) -> None:
        if (root / name).is_file():
            (root / name).write_text(text)

    return do


def edit_in_place(name: str) -> Mutation:
    """Change bytes, not size and not time."""

    def do(root: Path, _environ: dict[str, str]) -> None:
        file = root / name
        if file.is_file():
            before = file.stat()
            data = file.read_bytes()
            swapped = data.replace(b"1", b"7").replace(b"more", b"MORE").replace(b"models", b"MODELS")
            swapped = swapped if swapped != data else data[::-1]
            file.write_bytes(swapped)
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return do


def add(name: str) -> Mutation:
    def do(root: Path, _environ: dict[str, str]) -> None:
        file = root / name
        if not os.path.lexists(file) and not any(each.is_file() for each in file.parents):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f'"""New."""\nVALUE = "new {name}"\n')

    return do


def remove(name: str) -> Mutation:
    def do(root: Path, _environ: dict[str, str]) -> None:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    return do


def rename(name: str, other: str) -> Mutation:
    def do(root: Path, _environ: dict[str, str]) -> None:
        source, target = root / name, root / other
        possible = os.path.lexists(source) and not os.path.lexists(target) and target.parent.is_dir()
        if possible and not target.is_relative_to(source):
            source.rename(target)

    return do


def chmod(name: str, mode: int) -> Mutation:
    def do(root: Path, _environ: dict[str, str]) -> None:
        if (root / name).exists():
            (root / name).chmod(mode | (0o700 if (root / name).is_dir() else 0))

    return do


def become_link(name: str, target: str) -> Mutation:
    """Replace whatever stands there by a link to something else of the project."""

    def do(root: Path, environ: dict[str, str]) -> None:
        if (root / name).parent.is_dir():
            remove(name)(root, environ)
            (root / name).symlink_to(root / target)

    return do


def become_linked_copy(name: str) -> Mutation:
    """Replace a folder by a link to a copy of it."""

    def do(root: Path, _environ: dict[str, str]) -> None:
        folder = root / name
        if folder.is_dir() and not folder.is_symlink():
            moved = root.parent / "moved" / name
            moved.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(moved)
            folder.symlink_to(moved)

    return do


def touch(name: str) -> Mutation:
    def do(root: Path, _environ: dict[str, str]) -> None:
        if (root / name).exists():
            (root / name).touch()

    return do


def set_variable(name: str, value: str) -> Mutation:
    def do(_root: Path, environ: dict[str, str]) -> None:
        environ[name] = value

    return do


def unset_variable(name: str) -> Mutation:
    def do(_root: Path, environ: dict[str, str]) -> None:
        environ.pop(name, None)

    return do


def forget_bytecode(root: Path, _environ: dict[str, str]) -> None:
    for folder in root.rglob("__pycache__"):
        shutil.rmtree(folder)


_EDITED, _PATHS = st.sampled_from(EDITED), st.sampled_from(PATHS)
MUTATIONS: st.SearchStrategy[Mutation] = st.one_of(
    st.builds(edit, _EDITED, st.sampled_from(["", "1,2,4\n", '{"a": 2}', 'VALUE = "edited"\n'])),
    st.builds(edit_in_place, _EDITED),
    st.builds(add, st.sampled_from(NEW)),
    st.builds(remove, _PATHS),
    st.builds(rename, _PATHS, _PATHS),
    st.builds(chmod, _PATHS, st.sampled_from([0o400, 0o644, 0o755])),
    st.builds(become_link, _PATHS, _PATHS),
    st.builds(become_linked_copy, st.sampled_from(["config", "data", "data/deep", "shop", "extras", "lib"])),
    st.builds(touch, _PATHS),
    st.builds(set_variable, st.sampled_from(VARIABLES), st.sampled_from(["", "on", "off"])),
    st.builds(unset_variable, st.sampled_from(VARIABLES)),
    st.just(forget_bytecode),
)
