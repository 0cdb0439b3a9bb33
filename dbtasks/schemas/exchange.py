"""Old schemas out, new ones in: one transaction in the target, all or nothing whoever is killed.

The old ones go aside first, because they have the names, and stay in service for everybody else until the commit:
nobody sees what is not committed. Their tables are locked last, right before it. Only where objects must be moved
one by one are they locked for as long as the loading takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from dbtasks.conninfo import mask
from dbtasks.database import Connection
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.schemas import bequest, keeping, privileges, waiting
from dbtasks.schemas.catalogue import Schema, Way, kept_names, schemas_of
from dbtasks.schemas.dump import Dump
from dbtasks.schemas.keeping import Errand, Held
from dbtasks.schemas.loading import load
from dbtasks.schemas.moving import come_back, exists, put_aside
from dbtasks.schemas.obstacles import obstacles
from dbtasks.schemas.privileges import Attributes, Defaults
from dbtasks.values import dataclass

# Those of pg_dump, so that its statements mean what they meant there.
_SETTINGS = {
    "statement_timeout": "0",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "search_path": "",
    "check_function_bodies": "off",
    "xmloption": "content",
    "client_min_messages": "warning",
    "row_security": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What was put aside. `locked_ms`: for how long nobody could use the tables."""

    mark: str
    schemas: tuple[Held, ...]
    locked_ms: int


def replace(connection: Connection, dump: Dump, errand: Errand) -> Replaced:
    """Put the schemas aside and load the dump in their place."""
    with _whole(connection) as aside:
        old = _put_aside(connection, aside, errand)
        created = [name for name in dump.schemas if not exists(connection, name)]
        for name in created:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        bequest.set_defaults(connection, old.defaults, dump.defaults, loaded=False)
        load(connection, dump)
        bequest.set_defaults(connection, old.defaults, dump.defaults, loaded=True)
        for name, made in dump.schemas.items():
            bequest.dress(connection, name, made, old.attributes.get(name), created=name in created)
        keeping.fill_ledger(connection, dump.ledger)
        return _finish(connection, old, errand)


def bring_back(connection: Connection, mark: str, errand: Errand) -> Replaced:
    """Put back what is kept under a mark, and keep what was in service under the errand's."""
    with _whole(connection) as aside:
        kept = keeping.find(connection, mark, whole=True)
        old = _put_aside(connection, aside, errand)
        back = {held.kept: held.name for held in kept.schemas}
        hung = (privileges.attributes_of(connection, back), privileges.defaults_of(connection), kept.defaults)
        stayed = [name for name in back.values() if exists(connection, name)]
        for each, name in back.items():
            come_back(connection, each, name)
        bequest.give_back(connection, hung, back, stayed)
        keeping.bring_ledger_back(connection, mark)
        keeping.forget(connection, mark)
        return _finish(connection, old, errand)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Old:
    """What was in service: its schemas, what hung on them, and since when nobody can use some of it."""

    held: tuple[Held, ...]
    attributes: dict[str, Attributes]
    defaults: Defaults
    moved_at: float | None


@contextmanager
def _whole(connection: Connection) -> Iterator[tuple[Schema, ...]]:
    """One transaction over what would be put aside; refused where something stands in its way."""
    if not connection.autocommit:
        raise ValueError("a replacement is a transaction of its own, and this connection has one open")
    waited_for: list[int] = []
    try:
        with waiting.telling_holders(connection, waited_for), connection.transaction():
            for setting, value in {"lock_timeout": str(waiting.LOCK_WAIT_MS), **_SETTINGS}.items():
                connection.execute("SELECT set_config(%s, %s, true)", [setting, value])
            _refuse_obstacles(connection)
            aside = schemas_of(connection)
            waited_for += [schema.oid for schema in aside]
            yield aside
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise DbtasksError(
            f"What was built could not be put in place: {mask(str(error)).strip()}\n"
            "  The old schemas are in service as before."
        ) from error


def _refuse_obstacles(connection: Connection) -> None:
    found = obstacles(connection)
    if found:
        raise RefusedError(
            code="E-OBSTACLE",
            saw="The schemas cannot be replaced:\n    " + "\n    ".join(found),
            why="Nothing was changed.",
            instead="To bring the schema up to date and keep its rows: invoke migrate",
        )


def _put_aside(connection: Connection, aside: tuple[Schema, ...], errand: Errand) -> _Old:
    names = kept_names([schema.name for schema in aside], errand.mark)
    attributes = privileges.attributes_of(connection, names)
    defaults = privileges.defaults_of(connection)
    waiting.try_tables(connection, [schema.oid for schema in aside])
    moved = {schema.name: names[schema.name] for schema in aside if schema.way is Way.MOVE}
    moved_at = time.monotonic() if moved else None
    for schema in aside:
        put_aside(connection, schema, names[schema.name])
    bequest.keep_with(connection, attributes, defaults, moved)
    keeping.put_ledger_aside(connection, errand.mark)
    held = keeping.held(connection, names)
    return _Old(held=held, attributes=attributes, defaults=defaults, moved_at=moved_at)


def _finish(connection: Connection, old: _Old, errand: Errand) -> Replaced:
    everywhere = {scope: default.grants for scope, default in old.defaults.items() if scope.schema is None}
    keeping.note(connection, errand, old.held, everywhere)
    locked_at = old.moved_at or time.monotonic()
    waiting.lock_tables(connection, [held.oid for held in old.held])
    return Replaced(mark=errand.mark, schemas=old.held, locked_ms=round((time.monotonic() - locked_at) * 1000))
