"""Databases kept ready: templates of what was built, and spares, clones of one that wait for the next reset.

They lie on the tier's server under names of our own, registered in its coordination database with what they were
built from. A spare is used once, by renaming; a template as often as somebody clones it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from dbtasks import recipe, snapshots
from dbtasks.database import several
from dbtasks.recipe import Fit, Recipe
from dbtasks.registry import BUILD_LOCK_CLASS, Registry, Row, row_of
from dbtasks.settings import StockLimits
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One database of the stock. `stamp` is what a spare's stamp says, `facts` what people are told of it.

    `extensions` are those that are installed in it, with their versions.
    """

    row: Row
    made: Recipe
    stamp: Mapping[str, object] | None
    facts: str = ""
    extensions: tuple[tuple[str, str], ...] = ()

    @property
    def record(self) -> dict[str, object]:
        """What is noted beside another database that was made from this one."""
        extensions = [list(each) for each in self.extensions]
        return {"recipe": self.made.as_data(), "facts": self.facts, "extensions": extensions}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the stock has for a wish, how much of it, and what its build had opened."""

    fit: Fit
    item: Item
    inputs: Mapping[str, object] | None = None

    @property
    def is_spare(self) -> bool:
        return self.item.row.kind == "spare"

    def serves(self, stamp: Mapping[str, object] | None) -> bool:
        """Return whether a spare can be swapped in as it is: built whole, and stamped with at least what is wanted."""
        has = self.item.stamp
        if not stamp or not has or self.fit is not Fit.WHOLE:
            return False
        return all(has.get(name) == value for name, value in stamp.items())


class Stock:
    """The stock of one tier. `changed` tells why a build now could differ from a recorded one, or `None`."""

    def __init__(self, known: Registry, tier: str, changed: Callable[[Mapping[str, object]], str | None]) -> None:
        self.known, self.tier, self._changed = known, tier, changed

    def find(self, want: Recipe, model_oid: int | None, *, stamp: Mapping[str, object] | None) -> Found | None:
        """Return what saves the most of building, or `None`.

        Only what our own role made with the encoding, locale and tablespace of the model counts, or of `template1`.
        A spare counts where its stamp says what `stamp` does; whoever takes no spare passes `None`.
        """
        items = self._items(model_oid, claim=stamp is not None)
        found = (Found(fit=recipe.fit(item.made, want), item=item, inputs=inputs) for item, inputs in items)
        usable = [each for each in found if each.fit is not Fit.NOTHING and (not each.is_spare or each.serves(stamp))]
        usable.sort(key=lambda each: (each.fit, each.is_spare, len(each.item.made.revisions)), reverse=True)
        for each in usable:
            inputs = each.inputs if each.is_spare else self._claimed(each.item)
            if inputs is not None and self._is_current(each.item, inputs):
                return replace(each, inputs=inputs)
        return None

    def _claimed(self, item: Item) -> Mapping[str, object] | None:
        """Keep others from dropping it until this session ends, and return what its build had opened, as recorded.

        `None` where somebody drops it right now, or it was dropped meanwhile: inputs are read after the claim.
        """
        claim = sql.SQL("SELECT pg_try_advisory_lock_shared({}, {})").format(BUILD_LOCK_CLASS, item.row.id)
        read = sql.SQL("SELECT inputs FROM dbtasks.registry WHERE id = {}").format(item.row.id)
        claimed, rows = several(self.known.connection, claim, read)
        return _mapping(rows[0][0]) if claimed == [(True,)] and rows else None

    def keep(self, source: str, record: Mapping[str, object], inputs: Mapping[str, object], entry: int) -> Row:
        """Clone a database that nobody is connected to, and keep the clone as a template."""
        row = self.clone(source, entry)
        self.known.connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(row.name))
        )
        return self.put(row, "template", record, inputs)

    def clone(self, template: str, entry: int) -> Row:
        """Create a database of our own from a template, still as one that is being built."""
        row = self.known.reserve(self.tier, entry)
        try:
            snapshots.clone(self.known.connection, row.name, template)
        except psycopg.Error:
            self.known.drop(row)
            raise
        return replace(row, oid=self.known.record_built(row))

    def put(self, row: Row, kind: str, record: Mapping[str, object], inputs: Mapping[str, object]) -> Row:
        """Note that a database is built and what it is; its builder's lock is given up."""
        self.known.connection.execute(
            "UPDATE dbtasks.registry SET kind = %s, record = %s, inputs = %s, used_at = now(), since = now()"
            " WHERE id = %s",
            [kind, json.dumps(record), json.dumps(inputs), row.id],
        )
        self.known.release(row)
        return replace(row, kind=kind)

    def used(self, item: Item) -> None:
        """Note that a template was used: what is used least goes first."""
        self.known.connection.execute("UPDATE dbtasks.registry SET used_at = now() WHERE id = %s", [item.row.id])

    def make_room(self, limits: StockLimits) -> tuple[Row, ...]:
        """Drop what is over the limits, least used first, and every spare but the newest; return what went."""
        rows = self.known.connection.execute(_BY_USE, [self.known.project, self.tier]).fetchall()
        number = total = 0
        dropped = []
        for *columns, newest, size in rows:
            number, total = number + 1, total + cast(int, size)
            if number > limits.databases or total > limits.size_bytes or not newest:
                row = row_of(columns)
                if self.known.drop_unused(row):
                    number, total = number - 1, total - cast(int, size)
                    dropped.append(row)
        return tuple(dropped)

    def _is_current(self, item: Item, inputs: Mapping[str, object]) -> bool:
        """Return whether a build now would open the same files, and install the same versions of its extensions."""
        if item.extensions:
            names = [name for name, _ in item.extensions]
            offered = self.known.connection.execute(_OFFERED, [names]).fetchall()
            if {(str(name), str(version)) for name, version in offered} != set(item.extensions):
                return False
        return self._changed(inputs) is None

    def _items(self, model_oid: int | None, *, claim: bool) -> Iterator[tuple[Item, Mapping[str, object] | None]]:
        """Yield what there is, the last used first, and with spares that could be claimed what their builds had opened.

        One round trip: spares are read after they are claimed, so that none is dropped by others from then on.
        """
        project, tier = self.known.project, self.tier
        claims = sql.SQL(_CLAIM).format(BUILD_LOCK_CLASS, project, tier, claim)
        claimed, rows = several(self.known.connection, claims, sql.SQL(_ITEMS).format(model_oid, project, tier))
        mine = {id_ for id_, free in claimed if free}
        for *columns, record, inputs in rows:
            row, data = row_of(columns), _mapping(record) or {}
            made = recipe.from_data(_mapping(data.get("recipe")) or {})
            if made is not None:
                listed = cast("Sequence[Sequence[object]]", data.get("extensions", ()))
                extensions = tuple((str(name), str(version)) for name, version in listed)
                facts, stamp = str(data.get("facts", "")), _mapping(data.get("stamp"))
                item = Item(row=row, made=made, stamp=stamp, facts=facts, extensions=extensions)
                yield item, _mapping(inputs) if row.id in mine else None


def _mapping(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, dict) else None


_COLUMNS = "r.id, r.tier, r.kind, r.name, r.oid, r.keep_until, r.entry, r.made_by, r.since"

# Through JSON, because the columns differ between the versions 14, 15 and 17: absent ones are NULL.
_ITEMS = f"""
WITH shapes AS (
    SELECT d.oid, d.datname, d.datdba,
           to_jsonb(d) - ARRAY['oid', 'datname', 'datdba', 'datacl', 'datistemplate', 'datallowconn', 'datconnlimit',
                               'datlastsysoid', 'datfrozenxid', 'datminmxid', 'dathasloginevt'] AS shape
      FROM pg_database d
)
SELECT {_COLUMNS}, r.record, CASE r.kind WHEN 'spare' THEN r.inputs END
  FROM dbtasks.registry r
  JOIN shapes d ON d.oid::bigint = r.oid AND d.datname = r.name
  JOIN shapes m ON m.shape = d.shape
   AND m.oid::bigint = coalesce({{}}, (SELECT oid::bigint FROM pg_database WHERE datname = 'template1'))
 WHERE r.project = {{}} AND r.tier = {{}} AND r.kind IN ('spare', 'template')
   AND pg_get_userbyid(d.datdba) = session_user
 ORDER BY r.used_at DESC
"""  # noqa: S608 - a list of columns, no value

_CLAIM: LiteralString = """
SELECT id, pg_try_advisory_lock_shared({}, id) FROM dbtasks.registry
 WHERE project = {} AND tier = {} AND kind = 'spare' AND {}
"""

_OFFERED = "SELECT name::text, default_version FROM pg_available_extensions WHERE name = ANY(%s)"

_BY_USE = f"""
SELECT {_COLUMNS}, r.kind = 'template' OR row_number() OVER (PARTITION BY r.kind ORDER BY r.id DESC) = 1 AS newest,
       coalesce(pg_database_size(d.oid), 0)
  FROM dbtasks.registry r LEFT JOIN pg_database d ON d.oid::bigint = r.oid AND d.datname = r.name
 WHERE r.project = %s AND r.tier = %s AND r.kind IN ('spare', 'template')
 ORDER BY r.kind, newest DESC, r.used_at DESC
"""  # noqa: S608 - as above
