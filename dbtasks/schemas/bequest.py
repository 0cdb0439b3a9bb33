"""What new schemas get of the old ones, and old ones of those that went: owner, comment, grants, default privileges.

While a dump is loaded, only those default privileges hold that the revisions did not make: the grants of each object
are in the dump, and a default that a late revision makes must not reach what an early one made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.schemas import privileges
from dbtasks.schemas.moving import exists
from dbtasks.schemas.privileges import Attributes, Defaults, Grants, Scope

# What PostgreSQL itself writes on a new database's public schema.
_STANDARD_COMMENT = "standard public schema"


def set_defaults(connection: Connection, old: Defaults, made: Defaults, *, loaded: bool) -> None:
    """Set the default privileges for the time of loading, or for good."""
    wanted: dict[Scope, Grants] = {}
    for scope in {**old, **made}:
        if scope.schema is not None and not exists(connection, scope.schema):
            continue
        before = old[scope].grants if scope in old else privileges.base_of(connection, scope)
        if scope in made:
            before = (privileges.merged if loaded else privileges.without)(before, made[scope])
        wanted[scope] = before
    privileges.set_defaults(connection, wanted)


def dress(connection: Connection, name: str, made: Attributes, old: Attributes | None, *, created: bool) -> None:
    """Give a schema what the old one of its name had and what the revisions changed."""
    before = old or privileges.attributes_of(connection, [name])[name]
    owner = (old or made).owner
    if created:
        now = privileges.attributes_of(connection, [name])[name]
        if now.owner != owner:
            change = sql.SQL("ALTER SCHEMA {} OWNER TO {}")
            connection.execute(change.format(sql.Identifier(name), sql.Identifier(owner)))
    grants = privileges.merged(before.grants if old or not created else made.base, made)
    comment = made.comment if made.comment not in (None, _STANDARD_COMMENT) else (old or made).comment
    privileges.give(connection, name, grants, comment)


def keep_with(
    connection: Connection, attributes: Mapping[str, Attributes], defaults: Defaults, moved: Mapping[str, str]
) -> None:
    """Hang what hung on schemas that stay on those into which their objects were moved."""
    for name, kept in moved.items():
        privileges.give(connection, kept, attributes[name].grants, attributes[name].comment)
    wanted = {
        replace(scope, schema=moved[scope.schema]): default.grants
        for scope, default in defaults.items()
        if scope.schema is not None and scope.schema in moved
    }
    privileges.set_defaults(connection, wanted)


def give_back(
    connection: Connection,
    kept: tuple[Mapping[str, Attributes], Defaults, Mapping[Scope, Grants]],
    back: Mapping[str, str],
    stayed: Collection[str],
) -> None:
    """Hang on schemas what was kept for them: `kept` as it was read before they came back, `back` their kept names."""
    attributes, defaults, everywhere = kept
    wanted: dict[Scope, Grants] = {}
    for scope, default in defaults.items():
        if scope.schema is None:
            wanted[scope] = default.base
        elif scope.schema in stayed:
            wanted[scope] = ()
    for scope, default in defaults.items():
        if scope.schema is not None and back.get(scope.schema) in stayed:
            wanted[replace(scope, schema=back[scope.schema])] = default.grants
    privileges.set_defaults(connection, {**wanted, **everywhere})
    for name in stayed:
        mine = next(attributes[each] for each, home in back.items() if home == name)
        privileges.give(connection, name, mine.grants, mine.comment)
