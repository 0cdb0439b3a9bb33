"""Attempts at the pin itself, by code that knows how it works. Each has a process of its own."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from tricks import in_python, tell, trick_alone


def _forget(*roots: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in roots]:
        del sys.modules[name]


@trick_alone
def no_finder_watches(url: str) -> str:
    """Import a driver after the watching finder was taken away, which Python tells of."""
    code = (
        "sys.meta_path[:] = [each for each in sys.meta_path if type(each).__module__ != 'dbtasks.pin']\n"
        "import psycopg2; print(tell(psycopg2.connect(URL)))"
    )
    return in_python(code, url)


@trick_alone
def another_list_of_finders(url: str) -> str:
    code = (
        "sys.meta_path = [each for each in sys.meta_path if isinstance(each, type)]\n"
        "import psycopg; print(tell(psycopg.connect(URL)))"
    )
    return in_python(code, url)


@trick_alone
def a_finder_before_ours(url: str) -> str:
    """Let a finder of somebody's own answer first, as import hooks of tools do."""
    code = (
        "from importlib.machinery import PathFinder\n"
        "class First:\n"
        "    find_spec = staticmethod(PathFinder.find_spec)\n"
        "sys.meta_path.insert(0, First)\n"
        "import psycopg; print(tell(psycopg.connect(URL)))"
    )
    return in_python(code, url)


@trick_alone
def extension_loaded_by_hand(url: str) -> str:
    """Load the module of C without asking any finder."""
    folder = Path(str(importlib.import_module("psycopg2").__file__)).parent
    _forget("psycopg2")
    path = next(folder.glob("_psycopg*.so"))
    loader = importlib.machinery.ExtensionFileLoader("psycopg2._psycopg", str(path))
    spec = importlib.util.spec_from_file_location("psycopg2._psycopg", path, loader=loader)
    assert spec is not None
    module: Any = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return tell(module._connect(url))


@trick_alone
def source_loaded_by_hand(url: str) -> str:
    """Run a driver's source under another name."""
    path = Path(str(importlib.import_module("pg8000.core").__file__))
    spec = importlib.util.spec_from_file_location("mine", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from tricks import parts

    connection = module.CoreConnection(**parts(url))
    name = connection.execute_simple("SELECT current_database()").rows[0][0]
    connection.close()
    return str(name)


@trick_alone
def pin_led_elsewhere(url: str) -> str:
    """Tell the pin that the victim is the default tier: its stamp says otherwise."""
    pin: Any = importlib.import_module("dbtasks.pin").PIN
    pin.url, pin.database = url, url.rpartition("/")[2]
    return tell(importlib.import_module("psycopg").connect(url))


@trick_alone
def as_dbtasks_itself(url: str) -> str:
    """Go the way of dbtasks' own connections."""
    database: Any = importlib.import_module("dbtasks.database")
    conninfo: Any = importlib.import_module("dbtasks.conninfo")
    connection = database.look(conninfo.parse(url, variable="mine"))
    row = connection.execute("SELECT current_database()").fetchone()
    connection.close()
    return str(row[0])


@trick_alone
def without_the_test(url: str) -> str:
    """Forget that a test runs."""
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    _forget("pytest", "_pytest")
    return tell(importlib.import_module("psycopg").connect(url))
