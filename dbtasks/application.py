"""For applications: `database_url()`, `connect()`, `current_tier()`, `validate()`.

They are the operation `open`: a badge, the guard, an audit entry. The default tier without a flag, others by their
flag, a guarded one for a person who confirms; a managed runtime that YAML declares gets its own `runtime_url` without
a question.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

    from dbtasks.pipeline import Report
    from dbtasks.project import Project
    from dbtasks.selection import Choice
    from dbtasks.tiers import Tier

# What follows imports inside its functions: an application that only names us must not pay for a driver, nor for YAML.

# One question, one audit entry and one answer for a process, however often its modules ask.
_opened: dict[tuple[int, str, bool], str] = {}
# A pool's threads ask at the same time. They take turns, since the environment loses its PG* while one connects.
_turn = threading.RLock()


def current_tier(start: Path | None = None) -> Tier:
    """Return the tier that this process means, by flags and runtime; contacts nothing."""
    project = _project(start)
    return _choice(project).tier


def database_url(*, read_only: bool = False, start: Path | None = None) -> str:
    """Return the URL of the current tier's database, with its password, after the guard has let this process in.

    Raises RefusedError (exit code 3), ConsentNotGivenError (4), UsageError (2) and what the server raises. The answer
    is remembered for the life of the process. `start` is a folder in the project; by default the working directory.
    """
    project = _project(start)
    handed = _handed_over(project)
    if handed is not None:
        url = _checked(project, handed)
        return _only_reading(url) if read_only else url
    choice = _choice(project)
    key = (os.getpid(), choice.tier.name, read_only)
    with _turn:
        if key not in _opened:
            _opened[key] = _open(project, choice, read_only=read_only)
    return _opened[key]


def connect(*, read_only: bool = False, start: Path | None = None) -> psycopg.Connection[tuple[object, ...]]:
    """Return a psycopg connection to the current tier's database. `read_only` makes its sessions so by default."""
    return connect_plainly(database_url(read_only=read_only, start=start))


def connect_to(
    tier: str | None, *, read_only: bool, purpose: str, reason: str = ""
) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection to the named tier for one purpose; asked and audited each time."""
    from dbtasks.selection import choose

    project = _project(None)
    choice = choose(project.settings, tier, project.environ)
    report = _opening(project, choice, read_only=read_only, purpose=purpose, reason=reason)
    return connect_plainly(_url(report, read_only=read_only), f"dbtasks/{report.entry}")


def validate(start: Path | None = None) -> None:
    """Check every tier that this process may look at; TiersNotReadyError tells all that is wrong.

    For an application's start: it costs one short connection a tier. A tier whose flag is off and one that was never
    built are none of its business; a managed runtime looks at its own tier only, when it is opened.
    """
    from dbtasks.errors import TiersNotReadyError
    from dbtasks.operations import check
    from dbtasks.overview import look_over, same_database
    from dbtasks.surroundings import Kind

    project = _project(start)
    if project.surroundings.kind is Kind.RUNTIME:
        return
    rows = [row for row in look_over(project, check.OPERATION) if row.asked and row.built]
    lines = [f"[{row.tier.label}] {row.problem}. {row.instead}".strip() for row in rows if row.problem]
    lines += [
        f"[{one.tier.label}] and [{other.tier.label}] are one database. Give each tier its own."
        for one, other in same_database(rows)
    ]
    if lines:
        raise TiersNotReadyError(lines)


def _project(start: Path | None) -> Project:
    from dbtasks.project import open_project

    with _turn:
        return open_project(start)


def _open(project: Project, choice: Choice, *, read_only: bool) -> str:
    return _url(_opening(project, choice, read_only=read_only), read_only=read_only)


def _opening(project: Project, choice: Choice, *, read_only: bool, purpose: str = "", reason: str = "") -> Report:
    from dbtasks.console import Console
    from dbtasks.operations import open_
    from dbtasks.pipeline import Call, carry_out
    from dbtasks.surroundings import Kind
    from dbtasks.survey import Wish

    tier, around = choice.tier, project.surroundings
    managed = around.kind is Kind.RUNTIME and around.runtime_tier == tier.name and bool(tier.runtime_url_variable)
    call = Call(operation=open_.OPERATION, choice=choice, managed=managed, reason=reason)
    call = dataclasses.replace(call, wish=Wish(read_only=read_only, purpose=purpose))
    return carry_out(project, call, Console())


def _url(report: Report, *, read_only: bool) -> str:
    if report.clearance is None:  # never: only a dry run has none
        raise RuntimeError("opened without a clearance")
    conninfo = report.target.conninfo
    return (conninfo.read_only() if read_only else conninfo).url(report.clearance)


def _checked(project: Project, handed: tuple[str, str]) -> str:
    """Return the URL that `invoke run` handed to this command, once the live database bears the tier's stamp.

    `run` asked before this process began. A variable that was left behind, or set by hand, must not lead elsewhere.
    """
    from dbtasks.handed import refuse_misled

    tier, url = handed
    key = (os.getpid(), tier, False)
    with _turn:
        if _opened.get(key) != url:
            refuse_misled(project, project.settings.tier(tier), url)
            _opened[key] = url
    return url


def _only_reading(url: str) -> str:
    """Return a URL that `invoke run` handed over, for sessions that read by default; there is no permit to parse it."""
    if "default_transaction_read_only" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}options=-c%20default_transaction_read_only%3Don"


def connect_plainly(url: str, name: str = "") -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection by a URL that an application already has, whatever `PG*` says; `name` is the session's."""
    import psycopg  # dear, and only who connects needs it

    from dbtasks.database import without_pg_environment

    with _turn, without_pg_environment():
        return psycopg.connect(url, application_name=name) if name else psycopg.connect(url)


def _handed_over(project: Project) -> tuple[str, str] | None:
    from dbtasks.environment import handed_over
    from dbtasks.surroundings import Kind

    return None if project.surroundings.kind is Kind.PYTEST else handed_over()


def _choice(project: Project) -> Choice:
    from dbtasks.selection import Choice, choose
    from dbtasks.surroundings import Kind

    settings, around = project.settings, project.surroundings
    handed = _handed_over(project)
    if handed is not None:
        return Choice(tier=settings.tier(handed[0]), source="flag")
    choice = choose(settings, None, project.environ)
    if choice.source == "default" and around.kind is Kind.RUNTIME and around.runtime_tier:
        return Choice(tier=settings.tier(around.runtime_tier), source="flag", notices=choice.notices)
    return choice
