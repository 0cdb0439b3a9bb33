"""What a downgrade to a named revision takes back of what stands in a database."""

from __future__ import annotations

from dataclasses import replace

from dbtasks.errors import UsageError
from dbtasks.evidence import Database
from dbtasks.materials import Materials
from dbtasks.migrations import lineage
from dbtasks.migrations.history import History
from dbtasks.migrations.scripts import first_name
from dbtasks.plan import RevisionBytes
from dbtasks.settings import Settings
from dbtasks.wording import quoted

BASE = "base"


def going_back(
    settings: Settings, history: History, database: Database | None, to: str, materials: Materials
) -> Materials:
    """Return the materials with what is taken back. UsageError where the revision that is named does not stand there.

    What the code does not have cannot be taken back either, and the guard says so.
    """
    current = database.revisions if database else frozenset[str]()
    if not current <= {each.id for each in history.revisions}:
        return materials
    there = lineage.standing(history, current)
    if to != BASE and to not in there:
        what = "is not applied here" if any(each.id == to for each in history.revisions) else "is no revision"
        standing = ", ".join(sorted(current)) or "nothing"
        raise UsageError(f"--to: {quoted(to)} {what}. Name one that is, in full, or base. At the top: {standing}.")
    taken = lineage.above(history, current, None if to == BASE else to)
    _refuse_first(settings, {to, *(each.id for each in taken)})
    back = tuple(RevisionBytes(id=each.id, checksum=each.checksum, message=each.message) for each in taken)
    left = lineage.tops(history, there - {each.id for each in taken})
    return replace(materials, back=back, to=to, down_to=left)


def _refuse_first(settings: Settings, named: set[str]) -> None:
    """Refuse to go below the tables that no revision makes: no downgrade tells how."""
    for each in settings.migrations.each:
        first = f"{each.prefix}{first_name(settings.root, each.first)}" if each.first else ""
        if first in named:
            raise UsageError(f"--to: {first} makes the first tables, and has no downgrade. Name a revision after it.")
