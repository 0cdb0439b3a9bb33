"""What a stored record says of a project that has changed since, in exact words."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbtasks.inputs import Inputs, changed, recorded
from dbtasks.migrations import worker_facets
from dbtasks.migrations.events import InputsSeen
from dbtasks.settings import MigrationSettings

SETTINGS = MigrationSettings(config=Path("alembic.ini"))
ENVIRON = {"MODE": "1", "FEATURE": "on", "DATABASE_URL": "postgresql://anna@localhost/shop_int", "LANG": "C.UTF-8"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("migrations/env.py", "config/a.json", "shop/__init__.py", "shop/models.py", "data/x.csv"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# {name}\n")
    (tmp_path / "link").symlink_to("data")
    return tmp_path


def seen(root: Path, *looks: tuple[str, str], **more: Any) -> InputsSeen:
    """Return what a worker would tell that has looked at these facets of these paths."""
    facets: dict[str, dict[str, str]] = {}
    for facet, path in looks:
        facets.setdefault(facet, {})[path] = worker_facets.observe(facet, str(root / path))
    event = InputsSeen(
        python=sys.version, prefix=sys.prefix, facets=facets, modules={}, variables=(), everything=False, reasons=()
    )
    return replace(event, **more)


def stored(event: InputsSeen, environ: dict[str, str] = ENVIRON, onto: dict[str, object] | None = None) -> Any:
    """Return a record as it comes back from the registry."""
    return json.loads(json.dumps(recorded(event, environ, SETTINGS, onto=onto).as_data()))


def edit(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text("edited\n")


def become_folder(name: str) -> Callable[[Path], object]:
    def do(root: Path) -> None:
        (root / name).unlink()
        (root / name).mkdir()

    return do


def relink(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("config")


def edit_unseen(root: Path) -> None:
    """Other bytes of the same number, and the old time."""
    file = root / "config/a.json"
    before = file.stat()
    file.write_text(file.read_text().swapcase())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "a file that was read": ("content", "migrations/env.py", edit("migrations/env.py"), "migrations/env.py was edited"),
    "the same size and time": ("content", "config/a.json", edit_unseen, "config/a.json was edited"),
    "a file that is gone": ("content", "data/x.csv", lambda root: (root / "data/x.csv").unlink(), "data/x.csv is gone"),
    "a file that was missing": ("content", "data/z.csv", edit("data/z.csv"), "data/z.csv is new"),
    "a folder in its place": ("content", "data/x.csv", become_folder("data/x.csv"), "data/x.csv was edited"),
    "behind a link": ("content", "link/x.csv", edit("data/x.csv"), "link/x.csv was edited"),
    "a link elsewhere": ("content", "link/x.csv", relink, "link/x.csv is gone"),
    "a link as such": ("link", "link", relink, "link leads elsewhere"),
    "a look at an absent one": ("kind", "config/extra.json", edit("config/extra.json"), "config/extra.json is new"),
    "a look at a present one": (
        "kind",
        "config/a.json",
        lambda root: (root / "config/a.json").unlink(),
        "config/a.json is gone",
    ),
    "another kind": ("kind", "data/x.csv", become_folder("data/x.csv"), "data/x.csv is of another kind"),
    "a size": ("size", "data/x.csv", edit("data/x.csv"), "data/x.csv has another size"),
    "a status": (
        "status",
        "data/x.csv",
        lambda root: (root / "data/x.csv").chmod(0o640),
        "data/x.csv has another size, time or mode",
    ),
    "a link's own status": (
        "own_status",
        "data/x.csv",
        lambda root: os.utime(root / "data/x.csv"),
        "data/x.csv has another size, time or mode",
    ),
    "a right": (
        f"access {os.X_OK}",
        "data/x.csv",
        lambda root: (root / "data/x.csv").chmod(0o755),
        "data/x.csv may be used in other ways",
    ),
    "a listing, more": ("names", "data", edit("data/y.csv"), "data/y.csv is new"),
    "a listing, less": ("names", "data", lambda root: (root / "data/x.csv").unlink(), "data/x.csv is gone"),
    "the listing of the root": ("names", ".", edit("notes.txt"), "notes.txt is new"),
    "modules to walk over": ("importable", "shop", edit("shop/late.py"), "the modules in shop are others"),
    "a folder that is gone": ("names", "none", lambda root: (root / "none").mkdir(), "none is new"),
    "what is installed": (
        "packages",
        "data",
        lambda root: (root / "data/shop-1.0.dist-info").mkdir(),
        "packages in data were installed, upgraded or removed",
    ),
    "the root itself": ("status", ".", edit("notes.txt"), "the project's folder has another size, time or mode"),
}


@pytest.mark.parametrize(("facet", "path", "change", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_what_has_changed_is_told(
    root: Path, facet: str, path: str, change: Callable[[Path], object], words: str
) -> None:
    record = stored(seen(root, (facet, path)))
    assert changed(record, root, ENVIRON) is None
    change(root)
    assert changed(record, root, ENVIRON) == words


UNRELATED = {
    "a log line": edit("log"),
    "a readme": edit("README.md"),
    "a new module that nobody asked for": edit("shop/late.py"),
    "a file beside one that was read": edit("config/b.json"),
    "a touch of what was read": lambda root: os.utime(root / "config/a.json"),
    "a chmod of what was read": lambda root: (root / "config/a.json").chmod(0o600),
    "an edit of what was only looked for": edit("data/x.csv"),
    "bytecode": lambda root: (root / "shop/__pycache__").mkdir(),
}


@pytest.mark.parametrize("change", UNRELATED.values(), ids=UNRELATED.keys())
def test_what_does_not_matter_is_no_change(root: Path, change: Callable[[Path], object]) -> None:
    looks = (("content", "migrations/env.py"), ("content", "config/a.json"), ("kind", "data/x.csv"))
    record = stored(seen(root, *looks, modules={"shop": [["models", "none"], ["models.py"]]}))
    change(root)
    assert changed(record, root, ENVIRON) is None


def test_an_absolute_path_is_looked_for_where_it_is(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shared = tmp_path_factory.mktemp("shared") / "rates.csv"
    shared.write_text("1\n")
    record = stored(seen(root, ("content", str(shared))))
    assert changed(record, root, ENVIRON) is None
    shared.write_text("2\n")
    assert changed(record, root, ENVIRON) == f"{shared} was edited"


def test_a_long_listing_is_told_as_a_whole(root: Path) -> None:
    for number in range(300):
        (root / "data" / f"{number}.csv").touch()
    record = stored(seen(root, ("names", "data")))
    (root / "data" / "more.csv").touch()
    assert changed(record, root, ENVIRON) == "the files in data are others"


def test_the_kind_of_what_is_listed_counts(root: Path) -> None:
    record = stored(seen(root, ("names", ".")))
    (root / "data").rename(root / "data2")
    (root / "data").symlink_to("data2")
    (root / "data2/x.csv").unlink()
    assert changed(record, root, ENVIRON) == "data2/ is new"


IMPORTS = {
    "a module that shadows": (edit("shop/json.py"), "shop/json.py is new"),
    "a library that shadows": (
        edit("shop/json.cpython-311-x86_64-linux-gnu.so"),
        "shop/json.cpython-311-x86_64-linux-gnu.so is new",
    ),
    "a package that shadows": (lambda root: (root / "shop/json").mkdir(), "shop/json/ is new"),
    "a module that is gone": (lambda root: (root / "shop/models.py").unlink(), "shop/models.py is gone"),
    "the folder that is gone": (lambda root: (root / "shop").rename(root / "store"), "shop/models.py is gone"),
}


@pytest.mark.parametrize(("change", "words"), IMPORTS.values(), ids=IMPORTS.keys())
def test_a_module_that_an_import_would_find_is_a_change(
    root: Path, change: Callable[[Path], object], words: str
) -> None:
    record = stored(seen(root, modules={"shop": [["json", "models"], ["models.py"]]}))
    assert changed(record, root, ENVIRON) is None
    change(root)
    assert changed(record, root, ENVIRON) == words


VARIABLES = {
    "another value": ({"FEATURE": "off"}, "FEATURE has another value"),
    "set": ({"EXTRA": ""}, "EXTRA is set now"),
    "unset": ({"FEATURE": None}, "FEATURE is not set any more"),
    "one that Python itself reads": ({"PYTHONOPTIMIZE": "1"}, "PYTHONOPTIMIZE is set now"),
    "the time zone": ({"TZ": "UTC"}, "TZ is set now"),
    "the language": ({"LANG": "de_DE.UTF-8"}, "FEATURE or LANG has another value"),
    "one that nobody read": ({"MODE": "2"}, None),
    "our own": ({"DBTASKS_UNDER_PYTEST": "4711"}, None),
    "bytecode": ({"PYTHONDONTWRITEBYTECODE": "1"}, None),
    "the URL that we set": ({"DATABASE_URL": "postgresql://anna@localhost/other"}, None),
}


@pytest.mark.parametrize(("change", "words"), VARIABLES.values(), ids=VARIABLES.keys())
def test_variables_that_were_read_count(root: Path, change: dict[str, str | None], words: str | None) -> None:
    with_language = {name: value for name, value in ENVIRON.items() if name != "LANG" or "LANG" in change}
    record = stored(seen(root, variables=("FEATURE", "EXTRA", "DATABASE_URL")), with_language)
    assert changed(record, root, with_language) is None
    now = {name: value for name, value in {**with_language, **change}.items() if value is not None}
    assert changed(record, root, now) == words


def test_where_all_were_read_any_counts(root: Path) -> None:
    record = stored(seen(root, everything=True), {**ENVIRON, "COLOUR": "red"})
    assert changed(record, root, {**ENVIRON, "COLOUR": "red"}) is None
    assert changed(record, root, {**ENVIRON, "COLOUR": "red", "NEW": "1"}) == "NEW is set now"
    words = "one of 4 variables has another value: COLOUR, FEATURE, LANG, MODE"
    assert changed(record, root, {**ENVIRON, "COLOUR": "blue"}) == words


def test_what_the_settings_name_counts_though_nobody_was_seen_reading_it(root: Path) -> None:
    settings = replace(SETTINGS, variables=("MODE",))
    record = recorded(seen(root), ENVIRON, settings).as_data()
    assert changed(record, root, {**ENVIRON, "MODE": "2"}, variables=("MODE",)) == "LANG or MODE has another value"


def test_a_variable_that_the_settings_name_since_is_a_change(root: Path) -> None:
    assert changed(stored(seen(root)), root, ENVIRON, variables=("MODE",)) == "migrations.variables names MODE since"
    assert changed(stored(seen(root, everything=True)), root, ENVIRON, variables=("MODE",)) is None


def test_no_value_is_in_the_record(root: Path) -> None:
    environ = {**ENVIRON, "TOKEN": "hunter2-unguessable"}
    records = [json.dumps(stored(seen(root, variables=("TOKEN",)), environ)) for _ in range(2)]
    assert "hunter2" not in records[0]
    assert records[0] != records[1], "the same values must not be recognised from one record to the next"


def test_another_python_is_a_change(root: Path) -> None:
    record = recorded(seen(root), ENVIRON, SETTINGS)
    older = replace(record, python="3.8.2 (default)")
    assert changed(older, root, ENVIRON) == f"Python is {sys.version.split()[0]}, was 3.8.2"
    elsewhere = replace(record, prefix=".venv")
    assert changed(elsewhere, root, ENVIRON) == f"Python's packages are those of {sys.prefix}, were those of .venv"


def test_what_ran_in_another_python_is_not_remembered(root: Path) -> None:
    record = recorded(seen(root, python="3.8.2 (default)"), ENVIRON, SETTINGS)
    assert changed(record, root, ENVIRON) == "its build ran in another Python than this one"


def test_reasons_come_first(root: Path) -> None:
    record = stored(seen(root, ("content", "config/a.json"), reasons=("started a child process: git",)))
    (root / "config/a.json").unlink()
    assert changed(record, root, ENVIRON) == "its build started a child process: git"


# A build that went on from a cached one


def test_a_build_depends_on_what_it_went_on_from(root: Path) -> None:
    first = stored(
        seen(root, ("content", "config/a.json"), variables=("MODE",), modules={"shop": [["models"], ["models.py"]]})
    )
    second = seen(root, ("content", "data/x.csv"), modules={"shop": [["json"], []]})
    both = stored(second, onto=first)
    assert changed(both, root, ENVIRON) is None
    assert changed(both, root, {**ENVIRON, "MODE": "2"}) == "LANG or MODE has another value"
    edit("shop/json.py")(root)
    assert changed(both, root, ENVIRON) == "shop/json.py is new"
    (root / "shop/json.py").unlink()
    edit("config/a.json")(root)
    assert changed(both, root, ENVIRON) == "config/a.json was edited"


def test_a_build_that_met_other_bytes_than_the_one_before_is_not_remembered(root: Path) -> None:
    first = stored(seen(root, ("content", "config/a.json")))
    edit("config/a.json")(root)
    both = stored(seen(root, ("content", "config/a.json")), onto=first)
    assert changed(both, root, ENVIRON) == "its build met config/a.json as another than before"


def test_a_build_that_went_on_from_a_damaged_record_is_not_remembered(root: Path) -> None:
    both = stored(seen(root), onto={"version": 1})
    assert changed(both, root, ENVIRON) == "the record of what it was built from is damaged"


# The stored form


def damages(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield each place of a stored record and what may happen to it."""
    if path:
        yield path, "removed"
        yield path, "replaced"
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from damages(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from damages(inner, (*path, index))


def test_every_damage_of_a_stored_record_is_a_change(root: Path) -> None:
    event = seen(root, ("content", "config/a.json"), ("kind", "none"), variables=("MODE",))
    record = stored(replace(event, modules={"shop": [["models"], ["models.py"]]}))
    places = list(damages(record))
    for path, what in places:
        damaged = copy.deepcopy(record)
        inner = damaged
        for step in path[:-1]:
            inner = inner[step]
        if what == "removed":
            del inner[path[-1]]
        else:
            inner[path[-1]] = 7
        assert changed(damaged, root, ENVIRON) == "the record of what it was built from is damaged", (path, what)
    assert len(places) > 50


@pytest.mark.parametrize("data", [None, [], {}, "text", {"version": 1, "sum": ""}, {"sum": {}}], ids=repr)
def test_what_is_no_record_is_a_change(root: Path, data: Any) -> None:
    assert changed(data, root, ENVIRON) == "the record of what it was built from is damaged"


def test_what_another_version_has_written_more_is_a_change(root: Path) -> None:
    record = {key: value for key, value in stored(seen(root)).items() if key != "sum"} | {"more": []}
    record["sum"] = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    assert changed(record, root, ENVIRON) == "the record of what it was built from is damaged"


def test_a_record_comes_back_as_it_was_stored(root: Path) -> None:
    record = recorded(seen(root, ("content", "config/a.json"), variables=("MODE",), everything=True), ENVIRON, SETTINGS)
    assert Inputs.from_data(json.loads(json.dumps(record.as_data()))) == record
