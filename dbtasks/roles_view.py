"""How `roles.check` shows which rights the roles of a tier lack, and which are too much."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.console import Console
from dbtasks.entitled import look_at
from dbtasks.errors import DbtasksError
from dbtasks.guard import admit
from dbtasks.operations import rights
from dbtasks.project import Project
from dbtasks.role_rules import lacking, too_much
from dbtasks.roles import Facts, Finding
from dbtasks.selection import choose
from dbtasks.survey import Wish, survey
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Tier
from dbtasks.verdicts import Refuse, Request


def show(project: Project, console: Console, name: str, *, as_json: bool) -> bool:
    """Write what is found; return whether nothing is."""
    choice = choose(project.settings, name or None, project.environ)
    tier = choice.tier
    request = Request(
        operation=rights.OPERATION,
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
    console.say(f"{console.badge(tier)} {target.masked} · roles of {seen.name}")
    facts = look_at(project, target)
    found = (*too_much(facts), *lacking(facts))
    if as_json:
        console.data(_data(target, facts, found))
    else:
        for line in _lines(tier, facts, found):
            console.text(line)
    return not found


def _target(project: Project, tier: Tier, console: Console) -> Target:
    def say(line: str) -> None:
        console.say(f"  {line}")

    target = resolve(project.settings, project.variables, tier, say, start=False, admin=True)
    if target is None:
        raise DbtasksError(f"[{tier.label}] is not built yet. Run: invoke reset --tier={tier.name}")
    return target


def _data(target: Target, facts: Facts, found: tuple[Finding, ...]) -> dict[str, object]:
    return {
        "tier": target.tier.name,
        "target": target.masked,
        "roles": {part.value: role.name for part, role in facts.roles},
        "right": not found,
        "findings": [
            {"part": each.part.value, "role": each.role, "kind": _kind(each), "text": each.text} for each in found
        ],
    }


def _kind(finding: Finding) -> str:
    return "too much" if finding.much else "too little"


def _lines(tier: Tier, facts: Facts, found: tuple[Finding, ...]) -> Iterator[str]:
    for each in found:
        yield f"  {_kind(each):<12}{each.part.value} {each.role} {each.text}"
    if found:
        yield f"  What would mend it: invoke roles.plan --tier={tier.name}"
        return
    names = ", ".join(f"{part.value} {role.name}" for part, role in facts.roles)
    yield f"  right       {names}: no right too much, and none too little"
