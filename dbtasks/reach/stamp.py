"""What a server says of the database that a session stands in, and whether that is the default tier's. Pure."""

from __future__ import annotations

from dbtasks.reach.ground import Ground, Why
from dbtasks.values import dataclass

# One text, so that every driver hands it over alike; every name is qualified, because a session's search path is its
# owner's. A database without the stamp's table answers with an error.
ASK = """
SELECT pg_catalog.concat_ws(
           E'\\n', s.system_identifier, d.oid, coalesce(i.project, ''), coalesce(i.tier, ''))
  FROM pg_catalog.pg_control_system() AS s
 CROSS JOIN pg_catalog.pg_database AS d
  LEFT JOIN dbtasks.identity AS i
    ON i.system_identifier OPERATOR(pg_catalog.=) s.system_identifier
   AND i.database_oid OPERATOR(pg_catalog.=) d.oid::bigint
 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
"""

# The same of a database that is being built and bears no stamp yet.
IDENTIFY = """
SELECT pg_catalog.concat_ws(E'\\n', s.system_identifier, d.oid, '', '')
  FROM pg_catalog.pg_control_system() AS s CROSS JOIN pg_catalog.pg_database AS d
 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A server's identity and the database's own stamp, empty where it has none."""

    server: str
    oid: str
    project: str
    tier: str


def read(answer: object) -> Seen | None:
    """Return what an answer to `ASK` says; `None` for anything else, which is no stamp.

    >>> read("7412\\n16390\\nshop\\nint")
    Seen(server='7412', oid='16390', project='shop', tier='int')
    """
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    parts = text.split("\n") if isinstance(text, str) else []
    if len(parts) != 4 or not all(part.isdecimal() for part in parts[:2]):
        return None
    server, oid, project, tier = parts
    return Seen(server=server, oid=oid, project=project, tier=tier)


def judge(seen: Seen | None, ground: Ground) -> Why | None:
    """Return why a database is not the default tier's nor a clone of it."""
    if seen is None or not seen.tier:
        return Why.NO_STAMP
    return None if (seen.project, seen.tier) == (ground.project, ground.tier) else Why.OTHER_STAMP
