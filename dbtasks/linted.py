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
from dbtasks.wording import one_line


def objections(project: Project, target: Target, rehearsed: Rehearsed) -> tuple[tuple[Objection, ...], str]:
    """Return what is high or critical and not waived, and why nothing was looked at where that is so."""
    waivers = read_waivers(project.settings.root, NAMES)
    try:
        with closing(look(target.conninfo)) as connection:
            catalogue = read_catalogue(connection)
        found = lint(rehearsed.statements, catalogue, waivers, today=date.today())  # noqa: DTZ011 - as in the engine
    except MissingLintError as error:
        return (), str(error)
    except (psycopg.Error, UnicodeDecodeError) as error:
        return (), f"the catalogue could not be read: {one_line(str(error).splitlines()[:1])}"
    stopping = [each for each in found if each.stops]
    return tuple(
        Objection(rule=each.rule, severity=str(each.severity), revision=each.revision or "", message=each.message)
        for each in stopping
    ), ""
