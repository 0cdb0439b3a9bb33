"""For applications: `database_url()`, `connect()`, `current_tier()`, `validate()`.

They are the operation `open`: a badge, the guard, an audit entry. INT without a flag, STG by its flag, PROD for a person
who confirms; a managed runtime that YAML declares gets its own `runtime_url` without a question.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dbtasks.conninfo import Conninfo
from dbtasks.console import Console
from dbtasks.environment import handed_over
from dbtasks.errors import Mistake, SettingsError
from dbtasks.operations import check, open_
from dbtasks.overview import look_over, same_database
from dbtasks.pipeline import Call, carry_out
from dbtasks.project import Project, open_project
from dbtasks.selection import Choice, choose
from dbtasks.surroundings import Kind
from dbtasks.survey import Wish
from dbtasks.tiers import Tier

if TYPE_CHECKING:
    import psycopg

# One question, one audit entry and one answer for a process, however often its modules ask.
_opened: dict[tuple[int, str, bool], str] = {}


def current_tier(start: Path | None = None) -> Tier:
    """Return the tier that this process means, by flags and runtime; contacts nothing."""
    project = open_project(start)
    return _choice(project).tier


def database_url(*, read_only: bool = False, start: Path | None = None) -> str:
    """Return the URL of the current tier's database, with its password, after the guard has let this process in.

    Raises RefusedError (exit code 3), ConsentNotGivenError (4), UsageError (2) and what the server raises. The answer
    is remembered for the life of the process. `start` is a folder in the project; by default the working directory.
    """
    project = open_project(start)
    choice = _choice(project)
    handed = handed_over()
    if handed is not None and project.surroundings.kind is not Kind.PYTEST:
        return handed[1]  # `invoke run` asked, before this process began
    key = (os.getpid(), choice.tier.name, read_only)
    if key not in _opened:
        managed = project.surroundings.kind is Kind.RUNTIME and project.surroundings.runtime_tier == choice.tier.name
        call = Call(
            operation=open_.OPERATION,
            choice=choice,
            managed=managed and choice.tier.runtime_url_variable is not None,
            wish=Wish(read_only=read_only),
        )
        report = carry_out(project, call, Console())
        if report.clearance is None:  # never: only a dry run has none
            raise RuntimeError("opened without a clearance")
        _opened[key] = _read_only(report.target.conninfo, read_only).url(report.clearance)
    return _opened[key]


def connect(*, read_only: bool = False, start: Path | None = None) -> psycopg.Connection[tuple[object, ...]]:
    """Return a psycopg connection to the current tier's database. `read_only` makes its sessions so by default."""
    import psycopg  # noqa: PLC0415  # dear, and only this function needs it

    from dbtasks.database import without_pg_environment  # noqa: PLC0415

    url = database_url(read_only=read_only, start=start)
    with without_pg_environment():
        connection = psycopg.connect(url)
    connection.read_only = read_only or None
    return connection


def validate(start: Path | None = None) -> None:
    """Check every tier that this process may look at; SettingsError tells all that is wrong.

    For an application's start: it costs one short connection a tier.
    """
    project = open_project(start)
    rows = list(look_over(project, check.OPERATION, project.environ))
    file = project.settings.file.name
    mistakes = [
        Mistake(file=file, path=f"tiers.{row.tier.name}", text=f"{row.problem}. {row.instead}".strip())
        for row in rows
        if row.problem and row.asked
    ]
    mistakes += [
        Mistake(file=file, path=f"tiers.{one.tier.name}", text=f"this is the same database as {other.tier.name}")
        for one, other in same_database(rows)
    ]
    if mistakes:
        raise SettingsError(mistakes)


def _choice(project: Project) -> Choice:
    settings, around = project.settings, project.surroundings
    handed = handed_over()
    if handed is not None and around.kind is not Kind.PYTEST:
        return Choice(tier=settings.tier(handed[0]), source="flag")
    choice = choose(settings, None, project.environ)
    if choice.source == "default" and around.kind is Kind.RUNTIME and around.runtime_tier:
        return Choice(tier=settings.tier(around.runtime_tier), source="flag", notices=choice.notices)
    return choice


def _read_only(conninfo: Conninfo, read_only: bool) -> Conninfo:
    if not read_only:
        return conninfo
    option = ("options", "-c default_transaction_read_only=on")
    return dataclasses.replace(conninfo, options=(*conninfo.options, option))
