"""Rights are given statement by statement, each in a transaction of its own: what is refused keeps no other away."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from dbtasks.conninfo import mask
from dbtasks.database import Connection
from dbtasks.roles import Change
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What came of it: the statements that ran, and those that the server refused, each in its words."""

    ran: tuple[Change, ...]
    refused: tuple[tuple[Change, str], ...]


def give(connection: Connection, changes: tuple[Change, ...], said: Callable[[int, int], None]) -> Given:
    """Run the statements. `said` hears how many have been run, of how many."""
    refused: list[tuple[Change, str]] = []
    for number, change in enumerate(changes):
        said(number, len(changes))
        if why := _refusal(connection, change.sql):
            refused.append((change, why))
    not_run = {change for change, _ in refused}
    return Given(ran=tuple(each for each in changes if each not in not_run), refused=tuple(refused))


def _refusal(connection: Connection, statement: str) -> str:
    """Run a statement; return what the server says against it, empty where it ran.

    A GRANT by one who may grant nothing is a warning, and no error: it counts as refused.
    """
    heard: list[str] = []

    def hear(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            heard.append(str(diagnostic.message_primary))

    connection.add_notice_handler(hear)
    try:
        with connection.transaction():
            connection.execute(statement.encode())  # names as PostgreSQL has quoted them: see `role_changes`
    except psycopg.Error as error:
        if connection.closed:
            raise
        return mask(str(error)).strip().splitlines()[0]
    finally:
        connection.remove_notice_handler(hear)
    return heard[0] if heard else ""
