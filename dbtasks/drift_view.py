"""How `drift` shows where a schema differs from what its revisions produce."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from dbtasks.armed import Terminal
from dbtasks.console import Console
from dbtasks.drift import Comparing, Comparison, Difference
from dbtasks.drift.schema import one_line
from dbtasks.errors import DbtasksError
from dbtasks.evidence import Drift
from dbtasks.guard import admit
from dbtasks.operations import drift
from dbtasks.project import Project
from dbtasks.roles import Part
from dbtasks.selection import choose
from dbtasks.survey import Survey, Wish, survey
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Tier
from dbtasks.verdicts import Refuse, Request

# From so many lines on a definition is shown by what changed in it.
_LONG = 6


def show(project: Project, console: Console, name: str, *, as_json: bool) -> bool:
    """Write how one tier's schema differs; return whether it is what it should be, or accepted as it is."""
    choice = choose(project.settings, name or None, project.environ)
    tier = choice.tier
    request = Request(
        operation=drift.OPERATION,
        tier=tier,
        surroundings=project.surroundings,
        is_default=tier.name == project.settings.default.name,
        flag_on=tier.flag in choice.flags_on,
    )
    verdict = admit(request)
    if isinstance(verdict, Refuse):
        raise verdict.error()
    target = resolve(
        project.settings, project.variables, tier, lambda line: console.say(f"  {line}"), start=False, part=Part.READER
    )
    if target is None:
        raise DbtasksError(f"[{tier.label}] is not built yet. Run: invoke reset --tier={tier.name}")
    seen = survey(project, request, target, Wish())
    if seen.evidence.database is None:
        raise DbtasksError(f"[{tier.label}] {seen.evidence.name} does not exist yet.")
    at = seen.evidence.database.revisions
    where = f"{target.masked} · drift against {', '.join(sorted(at)) or 'no revision'}"
    console.say(f"{console.badge(tier, Terminal(project, request).badge(target))} {where}")
    found = Comparing(project, lambda line: console.say(f"  {line}")).whole(target, seen.files.history, at)
    if as_json:
        console.data(_data(target, seen, found))
    else:
        for line in _lines(tier, found):
            console.text(line)
    return found.drift in (Drift.NONE, Drift.ACCEPTED)


def _data(target: Target, seen: Survey, found: Comparison) -> dict[str, object]:
    database = seen.evidence.database
    accepted = [
        {**each.as_data(), "reason": word.reason, "person": word.person, "at": word.at.isoformat()}
        for each, word in found.accepted
    ]
    return {
        "tier": target.tier.name,
        "target": target.masked,
        "revisions": sorted(database.revisions) if database else [],
        "drift": found.drift.name.lower(),
        "unknown": found.unknown,
        "differences": [each.as_data() for each in found.found],
        "accepted": accepted,
        "fingerprint": found.fingerprint,
    }


def _lines(tier: Tier, found: Comparison) -> Iterator[str]:
    """Yield what people read: each difference with both sides, then what was accepted, then the sum of it."""
    for each in found.found:
        yield f"  {each.kind:<12} {one_line(each.name)} {_ENDS[each.what.value]}"
        yield from (f"    {line}" for line in _sides(each))
    for each, word in found.accepted:
        yield f"  accepted     {each.clause}: {one_line(word.reason)} ({one_line(word.person)}, {word.at:%d %b %Y})"
    if found.unknown:
        yield f"  unknown      {one_line(found.unknown)}"
        yield "  Nothing can be said of its schema, and that is no pass."
    elif found.found:
        count = len(found.found)
        yield f"  {count} difference{'s' if count != 1 else ''}. Put it back, or write a revision for it."
        yield f"  What is meant to stay as it is: invoke drift --tier={tier.name} --accept --reason=..."
    else:
        yield "  none         the schema is what its revisions produce" + (", but for that" if found.accepted else "")


_ENDS = {"missing": "is missing", "extra": "is extra", "other": "is another one"}


def _sides(each: Difference) -> Iterator[str]:
    expected, found = (_legible(text) for text in (each.expected, each.found))
    if each.expected is not None and each.found is not None and max(len(expected), len(found)) >= _LONG:
        told = list(difflib.unified_diff(expected, found, "expected", "found", lineterm="", n=1))
        yield from told
        return
    for name, lines in (("expected", expected), ("found", found)):
        if lines == [""]:  # there is nothing to tell of it, such as of a schema
            continue
        for number, line in enumerate(lines):
            yield f"{name if not number else '':<9} {line}".rstrip()


def _legible(text: str | None) -> list[str]:
    return [] if text is None else [one_line(line) for line in text.replace("\t", "    ").split("\n")]
