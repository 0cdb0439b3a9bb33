"""Which schemas are put aside, and what lies in them, as the catalogue has it.

A schema is kept under its name, a mark and our name between: `public_dbtasks_1f3a90c2`. Schemas of the system, our
own `dbtasks`, and those that are kept already are never put aside, nor is one that belongs to somebody else and holds
nothing of ours.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import LiteralString, cast

from dbtasks.database import Connection
from dbtasks.values import dataclass

_NAME_BYTES = 63
_MOST_CUT = 100

# Every object that lies in a schema, with its owner; what has no owner column belongs to the server's superuser.
# `part`: belongs to an extension (e) or is the inner part (i) of something else, such as a table's row type.
LOCATED: LiteralString = """
WITH located AS MATERIALIZED (
    SELECT 'pg_class'::regclass AS classid, oid AS objid, relnamespace AS namespace, relowner AS owner FROM pg_class
    UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace, typowner FROM pg_type
    UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace, proowner FROM pg_proc
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace, oprowner FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace, opcowner FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace, opfowner FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace, collowner FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace, conowner FROM pg_conversion
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxnamespace, stxowner FROM pg_statistic_ext
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace, cfgowner FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace, dictowner FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace, 10 FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace, 10 FROM pg_ts_template
), part AS MATERIALIZED (
    SELECT DISTINCT classid, objid, deptype = 'e' AS of_extension FROM pg_depend WHERE deptype IN ('e', 'i')
)
"""

_MINE = """, candidate AS (
    SELECT oid, nspname, nspowner, pg_has_role(nspowner, 'USAGE') AS owned FROM pg_namespace
     WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'dbtasks')
       AND nspname !~ '_dbtasks_[0-9a-f]{8}$'
), held AS (
    SELECT l.namespace,
           count(*) FILTER (WHERE p.objid IS NULL AND pg_has_role(l.owner, 'USAGE')) AS ours,
           count(*) FILTER (WHERE p.objid IS NULL AND NOT pg_has_role(l.owner, 'USAGE')) AS theirs,
           count(*) FILTER (WHERE p.of_extension) AS extended
      FROM located l LEFT JOIN part p USING (classid, objid)
     WHERE l.namespace IN (SELECT oid FROM candidate) GROUP BY l.namespace
), mine AS (
    SELECT c.oid, c.nspname, c.nspowner, c.owned, coalesce(h.ours, 0) AS ours, coalesce(h.theirs, 0) AS theirs,
           coalesce(h.extended, 0) AS extended
      FROM candidate c LEFT JOIN held h ON h.namespace = c.oid WHERE c.owned OR h.ours > 0
)
"""

# `mine`: the schemas that are put aside.
CATALOGUE: LiteralString = LOCATED + _MINE

_SCHEMAS = """
SELECT nspname::text, oid::bigint, pg_get_userbyid(nspowner)::text, owned AND extended = 0 FROM mine ORDER BY 1
"""


class Way(enum.Enum):
    """How a schema's contents get out of the way."""

    RENAME = "the schema is renamed"
    # A role that is no superuser cannot move an extension, nor rename a schema that is not its own.
    MOVE = "each of its objects is moved into another schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema that would be put aside."""

    name: str
    oid: int
    owner: str
    way: Way


def schemas_of(connection: Connection) -> tuple[Schema, ...]:
    """Return the schemas that a replacement would put aside, by name."""
    return tuple(
        Schema(name=str(name), oid=cast(int, oid), owner=str(owner), way=Way.RENAME if whole else Way.MOVE)
        for name, oid, owner, whole in connection.execute(CATALOGUE + _SCHEMAS).fetchall()
    )


def kept_names(names: Iterable[str], mark: str) -> dict[str, str]:
    """Return under which name each schema is kept, none longer than the server's 63 bytes.

    >>> kept_names(["public", "é" * 30], "1f3a90c2")["public"]
    'public_dbtasks_1f3a90c2'
    >>> max(len(kept.encode()) for kept in kept_names(["é" * 31, "é" * 30 + "x"], "1f3a90c2").values())
    63
    """
    ending = f"_dbtasks_{mark}"
    kept: dict[str, str] = {}
    for name in names:
        tries = (f"{_cut(name, number, ending)}{ending}" for number in range(_MOST_CUT))
        kept[name] = next(each for each in tries if each not in kept.values())
    return kept


def _cut(name: str, number: int, ending: str) -> str:
    # Two long names may begin alike: all but the first get a number.
    tail = f"~{number}" if number else ""
    room = _NAME_BYTES - len(ending) - len(tail)
    return name.encode()[:room].decode(errors="ignore") + tail
