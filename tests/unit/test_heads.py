"""What is kept of the heads, and that nothing stale is ever believed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dbtasks.migrations import heads
from dbtasks.migrations.heads import Heads, read_heads
from dbtasks.settings import SETTINGS_FILE
from tests.outside import REPOSITORY

REVISION = 'revision = "{id}"\ndown_revision = {down!r}\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve()
    (root / "config").mkdir()
    shutil.copy(REPOSITORY / SETTINGS_FILE, root / SETTINGS_FILE)
    (root / "seeds").mkdir()
    (root / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (root / "migrations" / "versions").mkdir(parents=True)
    add(root, "r1", None)
    return root


def add(root: Path, id_: str, down: str | None) -> Path:
    file = root / "migrations" / "versions" / f"{id_}.py"
    file.write_text(REVISION.format(id=id_, down=down))
    return file


def is_kept(root: Path) -> bool:
    return heads._known(root) is not None


def test_the_second_time_the_answer_is_the_kept_one(root: Path) -> None:
    first = read_heads(root)

    assert (heads._known(root), read_heads(root)) == (first, first)
    assert first == Heads(tables=(("", "alembic_version"),), heads=("r1",), revisions=frozenset({"r1"}))


@pytest.mark.parametrize("change", ["added", "edited", "removed", "renamed", "ini", "pyproject", "settings"])
def test_what_was_kept_is_not_believed_once_a_file_has_changed(root: Path, change: str) -> None:
    last = add(root, "r2", "r1")
    read_heads(root)
    assert is_kept(root)

    match change:
        case "added":
            add(root, "r3", "r2")
        case "edited":
            last.write_text(REVISION.format(id="r9", down="r1"))
        case "removed":
            last.unlink()
        case "renamed":
            last.rename(last.with_name("r2_.py"))
        case "ini":
            (root / "alembic.ini").write_text("[alembic]\nscript_location = ./migrations\n")
        case "pyproject":
            (root / "pyproject.toml").write_text("[tool.other]\n")
        case "settings":
            text = (root / SETTINGS_FILE).read_text()
            (root / SETTINGS_FILE).write_text(text.replace("version_table: alembic_version", "version_table: versions"))

    assert not is_kept(root)
    expected = {"added": ("r3",), "edited": ("r9",), "removed": ("r1",)}.get(change, ("r2",))
    assert read_heads(root).heads == expected
    assert read_heads(root).tables == (("", "versions" if change == "settings" else "alembic_version"),)


def test_a_project_whose_files_are_looked_for_in_folders_below_is_not_kept(root: Path) -> None:
    (root / "alembic.ini").write_text("[alembic]\nscript_location = migrations\nrecursive_version_locations = true\n")

    assert read_heads(root).heads == ("r1",)
    assert not is_kept(root)


def test_a_damaged_file_is_done_without(root: Path) -> None:
    read_heads(root)
    (root / ".dbtasks" / "heads.json").write_text("0\n{}")

    assert read_heads(root).heads == ("r1",)
