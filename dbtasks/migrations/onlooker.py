"""The parent's look at what keeps the worker's sessions waiting, while it hears nothing from the worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import Connection

# Who has what a session waits for, or stands before it in the queue for it.
_BLOCKERS = """
SELECT DISTINCT format('pid %%s, role %%s, %%s, %%s%%s', a.pid, coalesce(a.usename, 'unknown'),
              coalesce(nullif(a.application_name, ''), 'a program without a name'), coalesce(a.state, 'busy'),
              coalesce(', in a transaction since ' || to_char(a.xact_start, 'HH24:MI:SS'), ''))
FROM unnest(%(ours)s::int[]) AS mine (pid) CROSS JOIN LATERAL unnest(pg_blocking_pids(mine.pid)) AS other (pid)
JOIN pg_stat_activity a ON a.pid = other.pid
WHERE a.pid <> ALL (%(ours)s::int[]) ORDER BY 1
"""


class Onlooker:
    """Asks over a connection of its own, opened when something is first asked. `seen` are the last ones, in words."""

    def __init__(self, url: str, entry: int) -> None:
        self._url, self._name = url, f"dbtasks/{entry}"
        self._connection: Connection | None = None
        self.seen: tuple[str, ...] = ()

    def look(self, backends: Sequence[int]) -> bool:
        """Look who keeps these sessions waiting; return whether it is somebody else than before.

        Where the server cannot be asked, nobody is named: that is no reason to stop a migration.
        """
        import psycopg

        try:
            found = self._ask(backends)
        except psycopg.Error:
            self.close()
            return False
        changed = bool(found) and found != self.seen
        self.seen = found or self.seen
        return changed

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, backends: Sequence[int]) -> tuple[str, ...]:
        import psycopg

        from dbtasks.reach.ourselves import connecting

        if self._connection is None:
            with connecting():
                self._connection = psycopg.connect(
                    self._url, autocommit=True, connect_timeout=10, application_name=self._name
                )
            self._connection.execute("SET statement_timeout = '2s'")
        rows = self._connection.execute(_BLOCKERS, {"ours": list(backends)}).fetchall()
        return tuple(str(row[0]) for row in rows)
