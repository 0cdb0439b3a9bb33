"""What lint says of the statements that a rehearsal saw, by the catalogue of the target that they are meant for."""

from __future__ import annotations

from contextlib import closing
from datetime import date

import psycopg

from dbtasks.database import look
from dbtasks.evidence import Objection
from dbtasks.lint.engine import NAMES, lint
from dbtasks.lint.parsing import MissingLintError
from dbtasks.lint.reading import read_catalogue
from dbtasks.lint.waivers import read_waivers
from dbtasks.project import Project
from dbtasks.rehearsed import Rehearsed
from dbtasks.targets import Target


def objections(project: Project, target: Target, rehearsed: Rehearsed) -> tuple[Objection, ...]:
    """Return what is high or critical and not waived; nothing where the extra for lint is not installed."""
    waivers = read_waivers(project.settings.root, NAMES)
    try:
        with closing(look(target.conninfo)) as connection:
            catalogue = read_catalogue(connection)
        found = lint(rehearsed.statements, catalogue, waivers, today=date.today())  # noqa: DTZ011 - as in the engine
    except (MissingLintError, psycopg.Error, UnicodeDecodeError):
        return ()
    return tuple(
        Objection(rule=each.rule, severity=str(each.severity), revision=each.revision or "", message=each.message)
        for each in found
        if each.stops
    )
