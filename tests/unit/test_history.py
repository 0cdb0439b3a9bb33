"""Revisions as values: what is read, in which order, and what every mistake says."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dbtasks.errors import SettingsError
from dbtasks.migration_errors import MigrationHistoryError
from dbtasks.migrations.alembic_config import implied_location, working_folder
from dbtasks.migrations.history import History, read_history
from dbtasks.settings import MigrationSettings

SETTINGS = MigrationSettings(config=Path("alembic.ini"))
INI = "[alembic]\nscript_location = %(here)s/migrations\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(INI)
    return tmp_path


def write(project: Path, text: str, name: str, folder: str = "migrations/versions") -> Path:
    (project / folder).mkdir(parents=True, exist_ok=True)
    file = project / folder / name
    file.write_text(text)
    return file


def chain(project: Path, *links: tuple[str, object], folder: str = "migrations/versions") -> None:
    for identifier, down in links:
        write(project, f"revision = {identifier!r}\ndown_revision = {down!r}\n", f"{identifier}.py", folder)


def ids(history: History) -> list[str]:
    return [revision.id for revision in history.revisions]


def mistakes(project: Path, settings: MigrationSettings = SETTINGS) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read_history(project, settings)
    return [str(mistake) for mistake in error.value.mistakes]


def test_a_revision_carries_what_its_file_says(project: Path) -> None:
    text = '"""Add users.\n\nRevision ID: b2\n"""\nrevision: str = "b2"\ndown_revision: str | None = "a1"\n'
    text += 'branch_labels = ["accounts"]\ndepends_on: tuple[str, ...] = ("c3",)\n'
    write(project, text, "b2_add_users.py")
    chain(project, ("a1", None), ("c3", None))
    revision = read_history(project, SETTINGS).revisions[2]
    assert revision.id == "b2"
    assert (revision.down, revision.depends_on, revision.labels) == (("a1",), ("c3",), ("accounts",))
    assert (revision.message, revision.path) == ("Add users.", Path("migrations/versions/b2_add_users.py"))
    assert revision.checksum == hashlib.sha256(text.encode()).hexdigest()


def test_revisions_come_after_what_they_need_and_ties_go_by_id(project: Path) -> None:
    chain(project, ("z", None), ("b", "z"), ("c", "z"), ("merge", ("b", "c")), ("a", "merge"))
    history = read_history(project, SETTINGS)
    assert (ids(history), history.heads) == (["z", "b", "c", "merge", "a"], ("a",))


def test_two_heads_are_data(project: Path) -> None:
    chain(project, ("a", None), ("b", "a"), ("c", "a"))
    assert read_history(project, SETTINGS).heads == ("b", "c")


def test_the_heads_are_what_alembic_leaves_in_the_version_table(project: Path) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    chain(project, ("a", None), ("b", "a"), ("x", None), ("y", "x"))
    write(project, "revision = 'c'\ndown_revision = 'b'\ndepends_on = 'y'\n", "c.py")
    script = ScriptDirectory.from_config(Config(str(project / "alembic.ini")))
    history = read_history(project, SETTINGS)
    assert set(history.heads) == set(script.revision_map._real_heads) == {"c"}  # get_heads() counts y as well
    assert sorted(ids(history)) == sorted(each.revision for each in script.walk_revisions())


@pytest.mark.parametrize(
    ("current", "pending"),
    [
        pytest.param(set(), ["a", "b", "x", "y", "c"], id="empty"),
        pytest.param({"a"}, ["b", "x", "y", "c"], id="one branch begun"),
        pytest.param({"b", "x"}, ["y", "c"], id="both begun"),
        pytest.param({"c"}, [], id="what it depends on is there too"),
        pytest.param({"c", "y"}, [], id="at the heads"),
    ],
)
def test_pending_is_what_current_and_its_ancestors_lack(project: Path, current: set[str], pending: list[str]) -> None:
    chain(project, ("a", None), ("b", "a"), ("x", None), ("y", "x"))
    write(project, "revision = 'c'\ndown_revision = 'b'\ndepends_on = 'y'\n", "c.py")
    history = read_history(project, SETTINGS)
    assert [revision.id for revision in history.pending(frozenset(current))] == pending


def test_a_branch_label_may_stand_for_its_revision(project: Path) -> None:
    write(project, "revision = 'x'\ndown_revision = None\nbranch_labels = 'billing'\n", "x.py")
    write(project, "revision = 'a'\ndown_revision = None\ndepends_on = 'billing'\n", "a.py")
    assert ids(read_history(project, SETTINGS)) == ["x", "a"]


def test_a_revision_that_the_code_lost_is_named(project: Path) -> None:
    chain(project, ("a", None))
    with pytest.raises(MigrationHistoryError) as error:
        read_history(project, SETTINGS).pending(frozenset({"a", "gone"}))
    assert error.value.unknown == ("gone",)
    assert str(error.value).startswith("the database is at revision gone, which this code does not have.")


PLACES = {
    "relative to the root": ("script_location = migrations", "migrations/versions"),
    "relative to the ini": ("script_location = %(here)s/db", "db/versions"),
    "in a package": (
        "script_location = shop.data:migrations\nprepend_sys_path = src",
        "src/shop/data/migrations/versions",
    ),
    "named folders": ("version_locations = %(here)s/one %(here)s/two", "two"),
    "named folders, separated as the system does": ("version_locations = %(here)s/one:two\npath_separator = os", "two"),
    "named folders, the older option": ("version_locations = one;two\nversion_path_separator = ;", "two"),
    "named folders on lines": ("version_locations =\n    one\n    two\npath_separator = newline", "two"),
    "nested folders": ("recursive_version_locations = true", "migrations/versions/2026/11"),
}


@pytest.mark.parametrize(("option", "folder"), PLACES.values(), ids=PLACES.keys())
def test_revisions_are_found_where_alembic_finds_them(project: Path, option: str, folder: str) -> None:
    default = "" if "script_location" in option else "script_location = migrations\n"
    (project / "alembic.ini").write_text(f"[alembic]\n{default}{option}\n")
    chain(project, ("found", None), folder=folder)
    for package in ("src/shop", "src/shop/data"):
        (project / package).mkdir(parents=True, exist_ok=True)
        (project / package / "__init__.py").touch()
    assert ids(read_history(project, SETTINGS)) == ["found"]


PYPROJECTS = {
    "relative to the root": ('script_location = "migrations"', "migrations/versions"),
    "relative to the file": ('script_location = "%(here)s/db"', "db/versions"),
    "in a package": ('script_location = "shop.data:migrations"\nprepend_sys_path = ["src"]', PLACES["in a package"][1]),
    "named folders": ('version_locations = ["%(here)s/one", "two"]', "two"),
    "nested folders": ("recursive_version_locations = true", "migrations/versions/2026/11"),
}


@pytest.mark.parametrize("named", ["pyproject.toml", "alembic.ini"])
@pytest.mark.parametrize(("option", "folder"), PYPROJECTS.values(), ids=PYPROJECTS.keys())
def test_pyproject_says_the_same_alone_or_beside_an_ini(project: Path, named: str, option: str, folder: str) -> None:
    default = "" if "script_location" in option else 'script_location = "migrations"\n'
    (project / "pyproject.toml").write_text(f"[tool.alembic]\n{default}{option}\n")
    if named == "pyproject.toml":
        (project / "alembic.ini").unlink()
    else:
        (project / "alembic.ini").write_text("[loggers]\nkeys = root\n")
    chain(project, ("found", None), folder=folder)
    for package in ("src/shop", "src/shop/data"):
        (project / package).mkdir(parents=True, exist_ok=True)
        (project / package / "__init__.py").touch()
    assert ids(read_history(project, MigrationSettings(config=Path(named)))) == ["found"]


def test_of_both_files_the_ini_counts_first(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "gone"\n')
    chain(project, ("a", None))
    assert ids(read_history(project, MigrationSettings(config=Path("pyproject.toml")))) == ["a"]


PYPROJECT_MISTAKES = {
    "no table": ("[project]\n", "pyproject.toml: has no section [tool.alembic]."),
    "no script_location": (
        "[project]\n[tool.alembic]\nversion_locations = []\n",
        "pyproject.toml:2: tool.alembic: script_location is missing.",
    ),
    "no TOML": ("[tool.alembic\n", "pyproject.toml: pyproject.toml is no valid TOML: Expected ']'"),
    "percent sign": (
        '[tool.alembic]\nscript_location = "50%(x)s"\n',
        "pyproject.toml: tool.alembic: cannot be filled in: 'x'. Only %(here)s is known; write %% for a percent sign.",
    ),
}


@pytest.mark.parametrize(("toml", "text"), PYPROJECT_MISTAKES.values(), ids=PYPROJECT_MISTAKES.keys())
def test_a_mistake_in_pyproject_is_told(project: Path, toml: str, text: str) -> None:
    (project / "alembic.ini").unlink()
    (project / "pyproject.toml").write_text(toml)
    found = mistakes(project, MigrationSettings(config=Path("pyproject.toml")))
    assert [each.partition(" at the end")[0].partition(" (at")[0] for each in found] == [text]


def test_another_python_is_asked_where_its_packages_lie(project: Path) -> None:
    ini = "[alembic]\nscript_location = email:mime\nversion_locations = migrations/versions\n"
    (project / "alembic.ini").write_text(ini)
    chain(project, ("a", None))
    (project / "email").mkdir()  # a folder is no package where there is one
    settings = MigrationSettings(config=Path("alembic.ini"), python=Path(sys.executable))
    assert ids(read_history(project, settings)) == ["a"]
    gone = replace(settings, python=project / ".venv/bin/python")
    assert mistakes(project, gone) == [
        (
            f"config/tiers.yaml: migrations.python: there is no program {project}/.venv/bin/python. "
            "Make that virtual environment, or name the Python that has Alembic."
        )
    ]


def test_histories_follow_each_other_under_their_names(project: Path) -> None:
    (project / "alembic.ini").write_text(f"{INI}[billing]\nscript_location = billing\n")
    chain(project, ("1", None), ("2", "1"))
    chain(project, ("1", None), ("0", "1"), folder="billing/versions")
    core = MigrationSettings(config=Path("alembic.ini"), name="core")
    several = replace(SETTINGS, histories=(core, replace(core, name="billing", section="billing")))
    history = read_history(project, several)
    assert ids(history) == ["core/1", "core/2", "billing/1", "billing/0"]
    assert history.heads == ("core/2", "billing/0")
    assert [each.id for each in history.pending(frozenset({"core/2", "billing/1"}))] == ["billing/0"]


def test_first_tables_come_before_every_base_and_are_there_once_a_revision_is(project: Path) -> None:
    chain(project, ("a", None), ("b", "a"), ("x", None))
    first = write(project, "print('tables')\n", "first.py", "db")
    history = read_history(project, replace(SETTINGS, first=first))
    assert ids(history) == ["db/first.py", "a", "b", "x"]
    assert history.revisions[0].checksum == hashlib.sha256(first.read_bytes()).hexdigest()
    assert [each.id for each in history.pending(frozenset())] == ["db/first.py", "a", "b", "x"]
    assert [each.id for each in history.pending(frozenset({"a"}))] == ["b", "x"]
    first.unlink()
    assert mistakes(project, replace(SETTINGS, first=first)) == [
        "db/first.py: there is no such file. Write it, or take migrations.first out of config/tiers.yaml."
    ]


def test_nested_folders_are_left_out_unless_asked_for(project: Path) -> None:
    chain(project, ("a", None))
    chain(project, ("b", "a"), folder="migrations/versions/old")
    assert ids(read_history(project, SETTINGS)) == ["a"]


def test_files_that_alembic_ignores_are_ignored(project: Path) -> None:
    chain(project, ("a", None))
    for name in ("__init__.py", ".#a.py", "notes.txt"):
        write(project, "this is no Python (", name)
    assert ids(read_history(project, SETTINGS)) == ["a"]


def test_an_ini_of_a_subfolder_runs_where_its_script_folder_is(tmp_path: Path) -> None:
    settings = MigrationSettings(config=Path("backend/alembic.ini"))
    chain(tmp_path, ("a", None), folder="backend/migrations/versions")
    (tmp_path / "backend" / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    assert ids(read_history(tmp_path, settings)) == ["a"]
    assert working_folder(tmp_path, settings) == tmp_path / "backend"


def test_an_ini_inside_the_scripts_folder_need_not_name_it(tmp_path: Path) -> None:
    settings = MigrationSettings(config=Path("migrations/alembic.ini"))
    chain(tmp_path, ("a", None))
    (tmp_path / "migrations" / "alembic.ini").write_text("[alembic]\n")
    assert mistakes(tmp_path, settings) == ["migrations/alembic.ini:1: alembic: script_location is missing."]
    (tmp_path / "migrations" / "env.py").touch()
    assert ids(read_history(tmp_path, settings)) == ["a"]
    assert implied_location(tmp_path, settings) == str(tmp_path / "migrations")
    assert working_folder(tmp_path, settings) == tmp_path


def test_another_section_is_read_when_named(project: Path) -> None:
    chain(project, ("a", None), folder="other/versions")
    (project / "alembic.ini").write_text(f"{INI}[billing]\nscript_location = other\n")
    assert ids(read_history(project, MigrationSettings(config=Path("alembic.ini"), section="billing"))) == ["a"]


def test_options_that_only_the_project_can_fill_do_no_harm(project: Path) -> None:
    (project / "alembic.ini").write_text(INI + "sqlalchemy.url = postgresql://%(DB_USER)s@db/shop\n")
    chain(project, ("a", None))
    assert ids(read_history(project, SETTINGS)) == ["a"]


INI_MISTAKES = {
    "no section": ("[loggers]\n", "alembic.ini: has no section [alembic]. It has: [loggers]."),
    "no script_location": ("[alembic]\nx = 1\n", "alembic.ini:1: alembic: script_location is missing."),
    "no folder": (
        "[alembic]\n\nscript_location = gone\n",
        "alembic.ini:3: script_location: there is no folder {root}/gone.",
    ),
    "unknown separator": (
        "[alembic]\nscript_location = migrations\nversion_locations = a b\npath_separator = comma\n",
        "alembic.ini: path_separator: expected one of space, newline, os, :, ;, found 'comma'.",
    ),
}


@pytest.mark.parametrize(("ini", "text"), INI_MISTAKES.values(), ids=INI_MISTAKES.keys())
def test_a_mistake_in_the_ini_is_told_with_its_place(project: Path, ini: str, text: str) -> None:
    (project / "alembic.ini").write_text(ini)
    assert mistakes(project) == [text.format(root=project)]


def test_a_missing_ini_is_told(tmp_path: Path) -> None:
    assert mistakes(tmp_path) == ["alembic.ini: there is no such file. Write Alembic's configuration there."]


def test_every_broken_file_is_told_at_once(project: Path) -> None:
    write(project, "revision = 'a'\n\ndef upgrade(:\n", "a.py")
    write(project, "x = 1\nrevision = 'b'\n", "b.py")
    assert mistakes(project) == [
        "migrations/versions/a.py:3: is no valid Python: invalid syntax",
        "migrations/versions/b.py:2: down_revision is missing. The first one says None.",
    ]


def test_what_only_looks_like_a_revision_file_is_told(project: Path) -> None:
    (project / "migrations/versions/a.py").mkdir()
    (project / "migrations/versions/b.py").symlink_to(project / "gone.py")
    assert mistakes(project) == [
        "migrations/versions/a.py: cannot be read: Is a directory. Remove it, or mend what it is.",
        "gone.py: cannot be read: No such file or directory. Remove it, or mend what it is.",
    ]


def test_every_broken_link_is_told_at_once(project: Path) -> None:
    chain(project, ("a", None), ("b", "gone"))
    write(project, "\nrevision = 'a'\ndown_revision = None\n", "copy.py")
    assert mistakes(project) == [
        "migrations/versions/copy.py:2: revision 'a' is also in migrations/versions/a.py. Give one of them a new id.",
        (
            "migrations/versions/b.py:2: revision 'b' follows 'gone', which no file has. "
            "Restore that file or correct the id."
        ),
    ]


def test_a_cycle_is_told(project: Path) -> None:
    chain(project, ("a", None), ("b", "c"), ("c", "b"))
    assert mistakes(project) == [
        "migrations/versions/b.py:2: revision 'b' comes after itself, by way of c.",
        "migrations/versions/c.py:2: revision 'c' comes after itself, by way of b.",
    ]


def test_a_computed_id_without_an_environment_to_run_it_in_is_told(project: Path) -> None:
    chain(project, ("a", None))
    write(project, "import os\nrevision = os.environ['X']\ndown_revision = 'a'\n", "b.py")
    assert mistakes(project) == [
        (
            "migrations/versions/b.py: its revision ids are computed, so they can be learned only by running it. "
            "Write them as plain strings."
        )
    ]
