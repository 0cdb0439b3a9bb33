"""What a finished migration leaves to be watched or done: replicas that follow, constraints that are not validated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbtasks.values import dataclass

if TYPE_CHECKING:
    from psycopg import Connection

# A role without the right to know sees rows without a state; whoever only receives the log replays nothing.
_REPLICAS = """
SELECT coalesce(nullif(application_name, ''), 'a replica'), state,
       greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint, extract(epoch FROM replay_lag)::float8
  FROM pg_stat_replication WHERE replay_lsn IS NOT NULL ORDER BY 1
"""

# NOT ENFORCED, which PostgreSQL 18 knows, is never validated, and a partition's follows the whole table's.
_UNVALIDATED = """
SELECT format('%I.%I', n.nspname, r.relname), quote_ident(c.conname)
  FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE NOT c.convalidated AND c.conparentid = 0 AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true)
   AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$'
 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A standby; `lag_s` is `None` where nothing was sent to it lately."""

    name: str
    state: str
    behind_bytes: int
    lag_s: float | None

    def __str__(self) -> str:
        """Return it as a line.

        >>> str(Replica(name="db-8", state="streaming", behind_bytes=4096, lag_s=0.104))
        'db-8 streaming, 4 kB behind, 0.1 s'
        """
        lag = f", {self.lag_s:.1f} s" if self.lag_s is not None else ""
        behind = f"{self.behind_bytes // 1024:,} kB behind" if self.behind_bytes >= 1024 else "has it all"
        return f"{self.name} {self.state}, {behind}{lag if self.behind_bytes >= 1024 else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unvalidated:
    """A constraint that holds for new rows only. Both names are quoted as SQL wants them."""

    table: str
    constraint: str

    def __str__(self) -> str:
        statement = f"ALTER TABLE {self.table} VALIDATE CONSTRAINT {self.constraint};"
        return f"{self.constraint} of {self.table} is not validated. When there is time: {statement}"


def replicas(connection: Connection) -> tuple[Replica, ...]:
    """Return the standbys that this server sends to, as far as the role may know."""
    rows = connection.execute(_REPLICAS).fetchall()
    return tuple(Replica(name=row[0], state=row[1], behind_bytes=row[2], lag_s=row[3]) for row in rows)


def unvalidated(connection: Connection) -> tuple[Unvalidated, ...]:
    """Return the application's constraints that were added as NOT VALID and are so still."""
    return tuple(Unvalidated(table=row[0], constraint=row[1]) for row in connection.execute(_UNVALIDATED).fetchall())
