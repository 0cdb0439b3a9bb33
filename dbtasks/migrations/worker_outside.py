"""What a revision does outside of its transaction: written down before it happens, and given the time it needs.

Alembic's own `autocommit_block` is one way out of several: env.py may run everything in autocommit mode, a revision may
commit, or send COMMIT as text, by SQLAlchemy or past it. Part of the worker: standard library only; SQLAlchemy is
handed in.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from . import worker_raw

_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|(\$\w*\$).*?\1", re.DOTALL)
_WORD = re.compile(r"\b(?:COMMIT|END|TRANSACTION)\b", re.IGNORECASE)  # most texts have none, and some are long
_COMMIT = re.compile(r"(?:^|;)\s*(?:COMMIT|END|PREPARE\s+TRANSACTION)\b", re.IGNORECASE)
_ATOMIC = re.compile(r"\bBEGIN\s+ATOMIC\b.*?;\s*END\b", re.IGNORECASE | re.DOTALL)  # a function's body without quotes
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
        worker_raw.listen(event, engine, self._raw)

    def _commits(self, _connection: Any) -> None:
        if self.book.inside:
            self.book.leaves_transaction()

    def _raw(self, statement: str | None) -> None:
        if self.book.inside and (statement is None or commits(statement)):
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
    >>> commits("END"), commits("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END")
    (True, False)
    """
    bare = _ATOMIC.sub(" ", _NOISE.sub(" ", statement)) if _WORD.search(statement) else ""
    return _COMMIT.search(bare) is not None
