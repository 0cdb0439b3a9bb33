"""Which module of which driver is held by what, now or when it is imported."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from dbtasks.errors import RefusedError, UnheldDriverError
from dbtasks.reach.refusals import CODE

_DRIVERS = "dbtasks.reach.drivers."
# The modules in which a driver's ways in end, with what holds them: module and function below `drivers`.
HOLDS = {
    "psycopg.pq._pq_ctypes": ("psycopg", "hold_ctypes"),
    "psycopg.pq.pq_ctypes": ("psycopg", "hold_pgconn"),
    "psycopg_binary.pq": ("psycopg", "hold_pgconn"),
    "psycopg_c.pq": ("psycopg", "hold_pgconn"),
    "psycopg_binary._psycopg": ("psycopg", "hold_generators"),
    "psycopg_c._psycopg": ("psycopg", "hold_generators"),
    "psycopg.generators": ("psycopg", "hold_generators"),
    "psycopg.connection_async": ("psycopg", "hold_attempts"),
    "psycopg_pool.pool": ("psycopg_pool", "hold_pool"),
    "psycopg_pool.pool_async": ("psycopg_pool", "hold_async_pool"),
    "psycopg2._psycopg": ("psycopg2", "hold_module"),
    "psycopg2": ("psycopg2", "hold_package"),
    "asyncpg.connect_utils": ("asyncpg", "hold_connecting"),
    "asyncpg.protocol.protocol": ("asyncpg", "hold_protocol"),
    "pg8000.core": ("pg8000", "hold_core"),
    "sqlalchemy": ("sqlalchemy", "hold_engines"),
}
# Drivers that are known and not held. PyGreSQL's `pg` and py-postgresql by the module that connects, since others may
# have a package of that name.
UNHELD = frozenset({"psqlpy", "psycopg2cffi", "_pg", "pg._pg", "postgresql.driver.pq3", "adbc_driver_postgresql"})

_disarmed: set[int] = set()
_looking = threading.local()


def find(
    asking: Any, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
) -> ModuleSpec | None:
    """Return what the finders behind the one that asks find, so that a driver's module is held once it is loaded."""
    if (name not in HOLDS and name not in UNHELD) or name in _looked_for():
        return None
    # Those before it were asked already, or ask it themselves.
    behind = sys.meta_path[sys.meta_path.index(asking) + 1 :] if asking in sys.meta_path else sys.meta_path
    _looked_for().add(name)  # one behind it may ask all the others, it among them
    try:
        found = (finder.find_spec(name, path, target) for finder in behind)
        spec = next((spec for spec in found if spec is not None), None)
    finally:
        _looked_for().discard(name)
    if spec is None or spec.loader is None:
        return spec
    loader = spec.loader

    def exec_module(module: ModuleType) -> None:
        del loader.__dict__["exec_module"]
        if name in UNHELD:
            _hold(module, "unheld", "refuse_import")
        loader.exec_module(module)
        _hold(module, *HOLDS[name])

    loader.__dict__["exec_module"] = exec_module
    return spec


def _looked_for() -> set[str]:
    """Return the names that this thread looks for right now."""
    names: set[str] = _looking.__dict__.setdefault("names", set())
    return names


def hold_loaded() -> None:
    """Hold the modules that are there already, and once more those that somebody has let go."""
    for name, (driver, hold) in HOLDS.items():
        module = sys.modules.get(name)
        # One that is just being loaded is held when it is complete.
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            _hold(module, driver, hold)
    for name in UNHELD & sys.modules.keys():
        module = sys.modules[name]
        if id(module) not in _disarmed:
            _disarmed.add(id(module))
            _hold(module, "unheld", "disarm")


def _hold(module: ModuleType, driver: str, hold: str) -> None:
    """Hold one module. A version of a driver that cannot be held cannot be used in tests."""
    holding: Callable[[ModuleType], None] = getattr(import_module(_DRIVERS + driver), hold)
    try:
        holding(module)
    except RefusedError:
        raise
    except Exception as problem:
        raise UnheldDriverError(
            code=CODE,
            saw=f"{module.__name__} is not built as dbtasks knows it, so that tests cannot be held: {problem}.",
            why="Tests run on the default tier only; no setting changes that.",
            instead="Install another version of that driver, and report this one.",
        ) from problem
