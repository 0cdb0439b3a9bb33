"""How `harden --check` shows which guards stand inside a tier's database, and which are missing."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.armed import Terminal
from dbtasks.console import Console
from dbtasks.errors import DbtasksError
from dbtasks.guard import admit
from dbtasks.guards import look_at, wanted_by
from dbtasks.measures import Grounds, Hardening, Measure, beware, lines, measures, missing
from dbtasks.operations import guards
from dbtasks.project import Project
from dbtasks.selection import choose
from dbtasks.survey import Wish, survey
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Tier
from dbtasks.verdicts import Refuse, Request


def show(project: Project, console: Console, name: str, *, as_json: bool) -> bool:
    """Write what stands and what is missing; return whether nothing is."""
    choice = choose(project.settings, name or None, project.environ)
    tier = choice.tier
    request = Request(
        operation=guards.OPERATION,
        tier=tier,
        surroundings=project.surroundings,
        is_default=tier.name == project.settings.default.name,
        flag_on=tier.flag in choice.flags_on,
    )
    verdict = admit(request)
    if isinstance(verdict, Refuse):
        raise verdict.error()
    target = _target(project, tier, console)
    seen = survey(project, request, target, Wish()).evidence
    if seen.database is None:
        raise DbtasksError(f"[{tier.label}] {seen.name} does not exist yet.")
    console.say(
        f"{console.badge(tier, Terminal(project, request).badge(target))} {target.masked} · guards inside {seen.name}"
    )
    wanted = wanted_by(project, target, seen.server)
    grounds = look_at(target, wanted)
    found = measures(wanted, grounds)
    if as_json:
        console.data(_data(target, wanted, grounds, found))
    else:
        for line in _lines(tier, wanted, grounds, found):
            console.text(line)
    return not missing(found)


def _target(project: Project, tier: Tier, console: Console) -> Target:
    def say(line: str) -> None:
        console.say(f"  {line}")

    target = resolve(project.settings, project.variables, tier, say, start=False, admin=True)
    if target is None:
        raise DbtasksError(f"[{tier.label}] is not built yet. Run: invoke reset --tier={tier.name}")
    return target


def _data(target: Target, wanted: Hardening, grounds: Grounds, found: tuple[Measure, ...]) -> dict[str, object]:
    rows = [
        {"guard": each.guard.name.lower(), "on": each.on, "value": each.value, "there": each.done, "doubt": each.doubt}
        for each in found
    ]
    return {
        "tier": target.tier.name,
        "target": target.masked,
        "passes": wanted.passes,
        "whole": not missing(found),
        "measures": rows,
        "beware": list(beware(wanted, grounds)),
    }


def _lines(tier: Tier, wanted: Hardening, grounds: Grounds, found: tuple[Measure, ...]) -> Iterator[str]:
    left = missing(found)
    yield from (f"  there      {each}" for each in lines(tuple(each for each in found if each.done)))
    yield from (f"  missing    {each}" for each in lines(left))
    yield from (f"  beware     {each}" for each in beware(wanted, grounds))
    if left:
        yield f"  What is missing: invoke harden --tier={tier.name}"
    else:
        yield f"  whole      only {wanted.passes} passes"
