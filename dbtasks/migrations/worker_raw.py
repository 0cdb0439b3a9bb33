"""What a revision commits past SQLAlchemy, on the driver's own connection: seen before it happens, as the rest is.

Of psycopg and psycopg2, which nearly every project has. Part of the worker: standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What is heard: a statement's text, or `None` for a commit by its method.
Hears = Callable[[str | None], None]


def listen(event: Any, engine: Any, hears: Hears) -> None:
    """Begin to look on at what drivers' connections are told, for every engine that the project makes."""

    def opens(dialect: Any, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
        if dialect.driver == "psycopg2" and "connection_factory" not in parameters:
            from psycopg2.extensions import connection, cursor

            parameters["connection_factory"] = _second(connection, cursor, hears)

    def opened(connection: Any, _record: object) -> None:
        if type(connection).__module__.partition(".")[0] != "psycopg":
            return  # psycopg2's has its factory, and SQLAlchemy's own events tell of what others do
        commit = connection.commit

        def told() -> None:
            hears(None)
            commit()

        connection.commit = told
        connection.cursor_factory = _telling(connection.cursor_factory, hears)

    event.listen(engine, "do_connect", opens)
    event.listen(engine, "connect", opened)


def _second(connection: Any, cursor: Any, hears: Hears) -> type:
    class Connection(connection):  # type: ignore[misc]  # the project's psycopg2 is not here to be looked at
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.cursor_factory = _telling(cursor, hears)

        def commit(self) -> None:
            hears(None)
            super().commit()

    return Connection


def _telling(made: Any, hears: Hears) -> type:
    """Return a class of cursors that tell what they are about to send."""

    class Cursor(made):  # type: ignore[misc]  # as above
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            hears(_text(query, self))
            return super().execute(query, *arguments, **options)

    return Cursor


def _text(query: Any, cursor: Any) -> str:
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    return query if isinstance(query, str) else str(query.as_string(cursor))
