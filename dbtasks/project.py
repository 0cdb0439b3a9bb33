"""The project that a command works for: its settings, its variables, and what this process is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

from dbtasks.author import Who, git_email, whoami
from dbtasks.people import Signs, known_as
from dbtasks.settings import Settings, find_root, load
from dbtasks.surroundings import AGENT_MARKER_FILES, Kind, Process, Surroundings, recognise
from dbtasks.trail import Trail
from dbtasks.values import dataclass
from dbtasks.variables import Variables, read_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Everything that is known before a tier is named. `environ` is the real environment."""

    settings: Settings
    variables: Variables
    surroundings: Surroundings
    who: Who
    environ: Mapping[str, str] = field(repr=False)

    def trail(self) -> Trail:
        """Return a way to add to the trail, as this process."""
        return Trail(self.settings.trail, self.who, self.settings.rotation)


def open_project(start: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Project:
    """Return the project around a folder (the working directory by default). Reads files; contacts nothing."""
    environ = dict(os.environ) if environ is None else environ
    settings = load(find_root(Path(start) if start else Path.cwd()))
    environ = _without_twins(environ, settings)
    surroundings = recognise(_this_process(environ), settings.tiers, settings.agent_markers)
    who = whoami(surroundings.kind.value, settings.root)
    if settings.people:
        surroundings = replace(
            surroundings, person=known_as(settings.people, _signs(settings, environ, who, surroundings))
        )
    return Project(
        settings=settings,
        variables=read_variables(settings, environ),
        surroundings=surroundings,
        who=who,
        environ=environ,
    )


def _signs(settings: Settings, environ: Mapping[str, str], who: Who, surroundings: Surroundings) -> Signs:
    mails = any(each.git_email for each in settings.people)
    return Signs(
        os_user=who.person,
        git_email=git_email(settings.root) if mails else "",
        ci=environ if surroundings.kind is Kind.CI else {},
    )


def _without_twins(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Leave out the handed URL where it bears another tier's name: `run` sets DATABASE_URL, whatever the tier."""
    handed, tier = environ.get("DBTASKS_HANDED_URL"), environ.get("DBTASKS_HANDED_TIER")
    others = {each.url_variable.lower() for each in settings.tiers if each.name != tier}
    return {name: text for name, text in environ.items() if not handed or text != handed or name.lower() not in others}


def _this_process(environ: Mapping[str, str]) -> Process:
    return Process(
        environ=environ,
        stdin_is_terminal=_is_terminal(sys.stdin),
        stderr_is_terminal=_is_terminal(sys.stderr),
        pytest_imported="_pytest" in sys.modules,
        marker_files=tuple(path for path in AGENT_MARKER_FILES if Path(path).exists()),
        is_worker=_is_worker(),
    )


def _is_worker() -> bool:
    # Who was started by multiprocessing has it loaded; importing it only to ask costs ten milliseconds.
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _is_terminal(stream: object) -> bool:
    try:
        return stream is not None and bool(stream.isatty())  # type: ignore[attr-defined]  # None or a text stream
    except ValueError:  # closed
        return False
