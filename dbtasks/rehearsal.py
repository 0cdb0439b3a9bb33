"""Rehearsals: revisions run for real, in a throw-away database on a scratch server, with what they do written down.

The database is like the target's: its definitions, its settings, its role; or it holds what earlier revisions made.
Nothing is written to a tier.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace

import psycopg

from dbtasks import rehearsal_rows, schemas
from dbtasks.conninfo import Conninfo, mask
from dbtasks.database import Inspection, look
from dbtasks.errors import (
    DbtasksError,
    InterruptedByPersonError,
    ProgramNotFoundError,
    RefusedError,
    ServerUnreachableError,
)
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.moment import Hearing
from dbtasks.plan import RevisionBytes
from dbtasks.project import Project
from dbtasks.registry import Row
from dbtasks.rehearsal_stage import Moves, Stage, stage
from dbtasks.rehearsed import Rehearsed
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where rows for a rehearsal come from. `own`: they are the target's, so that what fails with them would fail.

    `not_on`: see `stage`.
    """

    source: Conninfo | None = None
    own: bool = False
    label: str = ""
    not_on: int = 0


def rehearse(project: Project, target: Conninfo, tier: str, pending: Moves, rows: Rows, report: Hearing) -> Rehearsed:
    """Rehearse pending revisions on a database with the target's definitions. What went wrong is in the result."""
    try:
        model = _model(project, target)
        with stage(project, tier, report, not_on=rows.not_on) as there:
            lacking = schemas.missing_extensions(there.there.known.connection, model.like.extensions)
            if lacking:
                return Rehearsed(missing=f"the scratch server lacks the extension {', '.join(lacking)}")
            return _with_or_without(there, model, pending, rows)
    except InterruptedByPersonError:
        raise InterruptedByPersonError(f"interrupted in the rehearsal; {target.database} was not touched") from None
    except (DbtasksError, psycopg.Error) as error:
        return Rehearsed(missing=_first(error))


def again(
    project: Project,
    target: Conninfo,
    tier: str,
    pending: Moves,
    rows: Rows,
    earlier: Rehearsed | None,
    report: Hearing,
) -> Rehearsed:
    """Rehearse, unless an earlier rehearsal of the same revisions began with the same definitions."""
    if earlier is not None and earlier.model and not earlier.failed:
        try:
            if _model(project, target).digest == earlier.model:
                return earlier
        except (DbtasksError, psycopg.Error) as error:
            return Rehearsed(missing=_first(error))
    return rehearse(project, target, tier, pending, rows, report)


def from_nothing(
    project: Project, tier: str, before: Sequence[RevisionBytes], revisions: Sequence[RevisionBytes], report: Hearing
) -> Rehearsed:
    """Rehearse revisions on a database that the ones before them have made. Raises what stopped them."""
    with stage(project, tier, report) as there:
        row = there.empty()
        if before:
            there.run(row, before, to=before[-1].id, records=False)
        return there.run(row, [*before, *revisions], to=revisions[-1].id if revisions else "heads")


def _with_or_without(there: Stage, model: schemas.Model, pending: Moves, rows: Rows) -> Rehearsed:
    """Rehearse with rows where there are some. Another tier's rows may not fit, so that their word is none."""
    if rows.source is None:
        return _once(there, model, pending, None)
    found = _once(there, model, pending, rows.source)
    if not found.failed or rows.own:
        return found
    without = _once(there, model, pending, None)
    return replace(without, beware=f"with the rows of {rows.label} it failed: {found.failed}")


def _once(there: Stage, model: schemas.Model, pending: Moves, source: Conninfo | None) -> Rehearsed:
    row = _like(there, model)
    copied = None
    if source is not None:
        with closing(there.open(row)) as connection, suppress(psycopg.Error, ServerUnreachableError):
            connection.execute("SET ROLE none")
            copied = rehearsal_rows.copy(source, connection, frozenset(table for table, _ in model.versions))
    known = Rehearsed(on=there.there.shown, model=model.digest, rows=copied)
    try:
        found = there.run(row, pending)
    except MigrationFailedError as error:
        revision = f"revision {error.failed}: " if error.failed else ""
        notes = tuple((name, note) for name, note in error.notes.items() if name != "next")
        return replace(known, failed=f"{revision}{error.reason}", notes=notes)
    except RefusedError as error:
        return replace(known, failed=error.saw)
    return replace(found, on=known.on, model=known.model, rows=known.rows)


def _like(there: Stage, model: schemas.Model) -> Row:
    """Return a database like the target: a clone of one that was loaded before, where there is one."""
    if not there.project.settings.stock.databases:
        return there.like(model)
    key = f"{_LOADER} {there.there.shown} {model.digest}"
    return there.clone(there.template(key) or there.keep(there.like(model), key))


def _model(project: Project, target: Conninfo) -> schemas.Model:
    with closing(look(target)) as connection:
        tables = [table for _, table in project.settings.migrations.version_tables]
        return schemas.model_of(target, connection, Inspection(), tables)


def _first(error: Exception) -> str:
    text = error.saw if isinstance(error, RefusedError) else mask(str(error))
    lines = text.strip().splitlines() or [type(error).__name__]
    return lines[0] if not isinstance(error, ProgramNotFoundError) else text


# Counts up when what is made of a target's definitions changes.
_LOADER = 1
