"""What a revision does outside of its transaction: written down before it happens, and given the time it needs.

Alembic's own `autocommit_block` is one way out of several: env.py may run everything in autocommit mode, a revision may
commit, or send COMMIT as text. Part of the worker: standard library only; SQLAlchemy is handed in.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|(\$\w*\$).*?\1", re.DOTALL)
_COMMIT = re.compile(r"(?:^|;)\s*COMMIT\b", re.IGNORECASE)
_CONCURRENT = re.compile(
    r"\s*(?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b.*?)\s+CONCURRENTLY\b", re.IGNORECASE | re.DOTALL
)


class Running(Protocol):
    """What this needs of the book: whether a revision is between its beginning and its end, and where to say so."""

    inside: bool

    def leaves_transaction(self) -> None: ...


class Outside:
    """Sees a revision leave its transaction, whichever way.

    While an index is built or dropped concurrently, `lock_timeout` is lifted: that waits for old transactions and keeps
    no reader or writer waiting, and to give up would leave an invalid index.
    """

    def __init__(self, book: Running) -> None:
        self.book = book
        self._lifted: tuple[Any, str] | None = None

    def listen(self, event: Any, engine: Any) -> None:
        """Begin to look on, at every engine that the project makes."""
        event.listen(engine, "commit", self._commits)
        event.listen(engine, "before_cursor_execute", self._executes)
        event.listen(engine, "after_cursor_execute", self._executed)

    def _commits(self, _connection: Any) -> None:
        if self.book.inside:
            self.book.leaves_transaction()

    def _executes(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        raw = connection.connection.dbapi_connection
        self._set_back(raw)  # the statement before may have failed
        if not self.book.inside:
            return
        if getattr(raw, "autocommit", False):
            self.book.leaves_transaction()
            if _CONCURRENT.match(_NOISE.sub(" ", statement)):
                self._lift(raw, cursor)
        elif commits(statement):
            self.book.leaves_transaction()

    def _executed(self, connection: Any, *_: Any) -> None:
        self._set_back(connection.connection.dbapi_connection)

    def _lift(self, raw: Any, cursor: Any) -> None:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SET lock_timeout = 0")
        self._lifted = raw, before

    def _set_back(self, raw: Any) -> None:
        if self._lifted is None or self._lifted[0] is not raw:
            return
        before, self._lifted = self._lifted[1], None
        cursor = raw.cursor()
        cursor.execute(f"SET lock_timeout = '{before}'")
        cursor.close()


def commits(statement: str) -> bool:
    """Return whether a statement ends the transaction, outside of comments, strings and the bodies of functions.

    >>> commits("ANALYZE; commit"), commits("DO $$BEGIN COMMIT; END$$"), commits("SELECT ' ; COMMIT'")
    (True, False, False)
    """
    return "commit" in statement.lower() and _COMMIT.search(_NOISE.sub(" ", statement)) is not None
