"""SQLAlchemy: what it connects with is held by itself; a driver that is not is refused before it is asked to."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from dbtasks.reach.door import DOOR
from dbtasks.reach.ground import Why

HELD = frozenset({"psycopg", "psycopg2", "asyncpg", "pg8000"})
_held: set[int] = set()


def hold_engines(module: ModuleType) -> None:
    """Listen on the class, so that engines are seen which were made before."""
    if id(module) in _held:
        return
    _held.add(id(module))
    engine = module.engine.Engine
    module.event.listen(engine, "do_connect", _before, insert=True)
    module.event.listen(engine, "engine_connect", _with_connection, insert=True)


def _before(dialect: Any, _record: object, _arguments: object, _parameters: object) -> None:
    __tracebackhide__ = True
    if _speaks_postgresql(dialect) and _root(dialect.dbapi) not in HELD and dialect.driver not in HELD:
        DOOR.refuse(Why.UNKNOWN_DRIVER, driver=str(dialect.driver))


def _with_connection(connection: Any, *_: object) -> None:
    """See what a `creator` or somebody's own listener has made."""
    __tracebackhide__ = True
    if not _speaks_postgresql(connection.dialect):
        return
    fairy = connection.connection
    driver = type(getattr(fairy, "driver_connection", None) or fairy.dbapi_connection)
    if not HELD & {each.__module__.partition(".")[0] for each in driver.__mro__}:
        connection.invalidate()
        DOOR.refuse(Why.UNKNOWN_DRIVER, driver=driver.__module__)


def _speaks_postgresql(dialect: Any) -> bool:
    kinds = {each.__module__ for each in type(dialect).__mro__}
    return dialect.name == "postgresql" or "sqlalchemy.dialects.postgresql.base" in kinds


def _root(dbapi: Any) -> str:
    return str(getattr(dbapi, "__name__", "")).partition(".")[0]
