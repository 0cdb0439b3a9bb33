"""PostgreSQL drivers that are known and not held: a test process cannot import them."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

from dbtasks.reach.door import DOOR
from dbtasks.reach.ground import Why


def refuse_import(module: ModuleType) -> NoReturn:
    """Refuse while the module is imported, before it has run."""
    __tracebackhide__ = True
    DOOR.refuse(Why.UNKNOWN_DRIVER, driver=module.__name__)


def disarm(module: ModuleType) -> None:
    """Refuse at the first call of a module that was imported before the pin woke."""
    for name, value in tuple(vars(module).items()):
        if callable(value) and not name.startswith("__"):
            vars(module)[name] = _refusing(module.__name__)


def _refusing(name: str) -> Any:
    def refuse(*_: object, **__: object) -> NoReturn:
        __tracebackhide__ = True
        DOOR.refuse(Why.UNKNOWN_DRIVER, driver=name)

    return refuse
