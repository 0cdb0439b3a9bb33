"""Guarded database tasks for teams with PostgreSQL and Alembic.

Names only: each is imported when it is first used, so that `import dbtasks` costs next to nothing.
PYTEST_DONT_REWRITE: the pin imports this before pytest could rewrite assertions, and there are none.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs 8 ms, and `dbtasks.pth` imports this at each start of Python
if TYPE_CHECKING:
    from dbtasks.application import connect, current_tier, database_url, validate
    from dbtasks.at_head import assert_schema_current, assert_schema_current_async
    from dbtasks.conninfo import Secret, mask
    from dbtasks.errors import DbtasksError, RefusedError, SchemaNotCurrentError

__version__ = "0.1.0"

__all__ = [
    "DbtasksError",
    "RefusedError",
    "SchemaNotCurrentError",
    "Secret",
    "assert_schema_current",
    "assert_schema_current_async",
    "connect",
    "current_tier",
    "database_url",
    "mask",
    "validate",
]

_HOMES = {
    "DbtasksError": "errors",
    "RefusedError": "errors",
    "SchemaNotCurrentError": "errors",
    "assert_schema_current": "at_head",
    "assert_schema_current_async": "at_head",
    "Secret": "conninfo",
    "mask": "conninfo",
    "connect": "application",
    "current_tier": "application",
    "database_url": "application",
    "validate": "application",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'dbtasks' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"dbtasks.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
