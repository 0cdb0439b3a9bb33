"""What a person under stress needs: what happened last, what was destroyed, and every way back with its command.

It reads the trail and what is kept, and changes nothing. A tier that cannot be asked is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from dbtasks import audit_view
from dbtasks.backed_up import backups_of
from dbtasks.card_steps import backup_line, kept_line
from dbtasks.errors import DbtasksError, ServerUnreachableError, UsageError
from dbtasks.guard import admit
from dbtasks.kept import inside, kept
from dbtasks.materials import Kept
from dbtasks.operations import status
from dbtasks.points import marked_entries
from dbtasks.project import Project
from dbtasks.recovery.engines import Engine, Provider
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.recovery.goals import BeforeMark
from dbtasks.selection import choose
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Loss, RecoveryEngine, Tier
from dbtasks.trail_query import Filters
from dbtasks.trail_runs import Run, State, runs
from dbtasks.values import dataclass
from dbtasks.verdicts import Refuse, Request

# How far back is looked for what was destroyed, and how many lines of a tier are shown.
_LOOK_BACK = timedelta(days=30)
_MOST = 8

_BEGUN = frozenset({State.DONE, State.PARTIAL, State.UNFINISHED, State.UNKNOWN, State.FAILED, State.INTERRUPTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way back: what it leads to, and the command that goes it."""

    what: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one tier stands: where it leads, or why that is not known; its last runs, and the ways back.

    `ways` is `None` where nobody could be asked.
    """

    tier: Tier
    where: str
    last: tuple[Run, ...]
    destroyed: tuple[Run, ...]
    ways: tuple[Way, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What was found when it was opened."""

    at: datetime
    person: str
    host: str
    contacts: tuple[str, ...]
    standings: tuple[Standing, ...]


def look(project: Project, only: str = "") -> Incident:
    """Return how the tiers stand, or one of them."""
    tiers = (project.settings.tier(only),) if only else project.settings.tiers
    return Incident(
        at=datetime.now().astimezone(),
        person=project.who.person,
        host=project.who.host,
        contacts=project.settings.contacts,
        standings=tuple(_standing(project, tier) for tier in tiers),
    )


def _standing(project: Project, tier: Tier) -> Standing:
    since = datetime.now().astimezone() - _LOOK_BACK
    found = runs(project.settings.trail, Filters(tier=tier.name, since=since), project.who)
    if tier.may_lose is Loss.EVERYTHING:  # its tests open it all day
        found = [run for run in found if run.first.operation != "open"]
    destroyed = tuple(run for run in found if run.first.effect == "DESTROY" and run.state in _BEGUN)
    target, where = _target(project, tier)
    return Standing(
        tier=tier,
        where=where,
        last=tuple(found[-_MOST:]),
        destroyed=destroyed[-_MOST:],
        ways=tuple(_ways(project, tier, target)) if target else None,
    )


def _target(project: Project, tier: Tier) -> tuple[Target | None, str]:
    """Return where the tier leads, and how to say it. A look at the catalogue needs the tier's flag, no person."""
    request = Request(
        operation=status.OPERATION,
        tier=tier,
        surroundings=project.surroundings,
        is_default=tier.name == project.settings.default.name,
        flag_on=tier.flag in choose(project.settings, None, project.environ).flags_on,
    )
    verdict = admit(request)
    if isinstance(verdict, Refuse):
        return None, f"not asked: {tier.flag} is not set"
    try:
        target = resolve(project.settings, project.variables, tier, lambda _line: None, start=False)
    except DbtasksError as error:
        return None, str(error).splitlines()[0]
    return target, target.masked if target else "not built yet"


def _ways(project: Project, tier: Tier, target: Target) -> Iterator[Way]:
    yield from _kept(project, tier, target)
    for each in backups_of(project, target)[:_MOST]:
        command = f"invoke restore --tier={tier.name} --backup={each.id}"
        yield Way(what=f"backup {backup_line(each)}", command=command)
    yield from _points(project, tier, target)


def _points(project: Project, tier: Tier, target: Target) -> Iterator[Way]:
    """Yield the moments that the server could be recovered to: those that were marked, then any."""
    engine: Engine | Provider | None = None
    with suppress(UsageError):  # a provider is named, and the connection does not lead there
        engine = engine_for(project, target)
    recover, provider = f"invoke recover --tier={tier.name}", engine if isinstance(engine, Provider) else None
    where = f"in a new project ({RecoveryEngine(provider.name).in_words})" if provider else "on a second server"
    for entry, mark in marked_entries(project, tier)[:_MOST]:
        command = provider.way(BeforeMark(mark=mark)) if provider else f"{recover} --before={entry}"
        yield Way(
            what=f"point right before entry {entry}, {mark.at.astimezone():%d %b %H:%M:%S}, {where}", command=command
        )
    if provider:
        yield Way(what=f"any other moment that it keeps, {where}", command=f"{recover} --to=<time>")
    elif engine is not None and not isinstance(engine, Provider):
        with suppress(DbtasksError):  # a base backup that nobody can read
            for first in engine.bases.kept()[:1]:
                what = f"any moment since {first.taken_at.astimezone():%d %b %H:%M:%S}, {where}"
                yield Way(what=what, command=f"{recover} --to=<time>")


def _kept(project: Project, tier: Tier, target: Target) -> Iterator[Way]:
    there: tuple[tuple[Kept, bool], ...] = ()
    with suppress(ServerUnreachableError):
        there = (*kept(target.conninfo, project.settings.project, tier.name), *inside(target.conninfo))
    for each, _ in there:
        entry = f" --entry={each.entry}" if each.entry else ""
        yield Way(what=kept_line(each), command=f"invoke undo --tier={tier.name}{entry}")


def lines(incident: Incident) -> Iterator[str]:
    """Yield the page: Markdown that reads as plain text."""
    yield f"# Incident of {incident.at:%d %b %Y %H:%M}, opened by {incident.person} on {incident.host}"
    yield from ("", "Stop what is still writing. Then read on: nothing here changes anything until a command is typed.")
    if incident.contacts:
        yield from ("", "## Whom to call", "", *(f"- {each}" for each in incident.contacts))
    for standing in incident.standings:
        yield from ("", f"## [{standing.tier.label}] {standing.where}")
        yield from _section("What happened last", list(standing.last), "nothing is recorded here")
        yield from _section("What was destroyed or replaced", list(standing.destroyed), "nothing is recorded here")
        yield from ("", "Ways back right now, the newest first:", "")
        for way in standing.ways or ():
            yield from (f"- {way.what}", f"      {way.command}")
        if not standing.ways:
            yield "- none that is known from here" if standing.ways is not None else "- unknown: the tier was not asked"
    first = incident.standings[0].tier.name if incident.standings else "int"
    looks = ("invoke status", "invoke audit --limit=50", f"invoke undo --tier={first} --list")
    yield from ("", "## Look before you act", "", *(f"      {each}" for each in looks))
    yield from ("", "Each of the commands above shows what comes and what goes, and asks. `--dry-run` only shows.")
    yield from ("", "## Notes", "", "- what was noticed, when, by whom:", "- what was done:", "")


def _section(title: str, found: list[Run], nothing: str) -> Iterator[str]:
    yield from ("", f"{title}:", "")
    yield from (f"      {line}" for line in audit_view.lines(found))
    if not found:
        yield f"- {nothing}"


def save(incident: Incident, folder: Path) -> Path:
    """Write the page into a file of its own, and return where. DbtasksError where that cannot be."""
    text = "\n".join(lines(incident))
    stem = f"{incident.at:%Y-%m-%d-%H%M%S}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100):
            path = folder / (f"{stem}.md" if number == 1 else f"{stem}-{number}.md")
            with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
                file.write(text)
                return path
    except OSError as error:
        raise DbtasksError(f"The page cannot be saved in {folder}: {error.strerror or error}.") from None
    raise DbtasksError(f"The page cannot be saved in {folder}: too many of this second are there.")


def as_data(incident: Incident) -> dict[str, object]:
    """Return the page as plain data."""
    return {
        "at": incident.at.isoformat(),
        "person": incident.person,
        "contacts": list(incident.contacts),
        "tiers": [
            {
                "tier": each.tier.name,
                "where": each.where,
                "last": [audit_view.as_data(run) for run in each.last],
                "destroyed": [audit_view.as_data(run) for run in each.destroyed],
                "ways": [{"what": way.what, "command": way.command} for way in each.ways]
                if each.ways is not None
                else None,
            }
            for each in incident.standings
        ],
    }
