"""What every tier looks like now: the rows of `status` and the findings of `check`. Catalogue reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from dbtasks.armed import Terminal
from dbtasks.conninfo import parse
from dbtasks.effects import Effect, Operation
from dbtasks.errors import DbtasksError, RefusedError, UrlNotConfiguredError
from dbtasks.evidence import Contents, Evidence, Identity, StampState
from dbtasks.guard import admit, judge
from dbtasks.kept import kept
from dbtasks.materials import Materials
from dbtasks.migration_rules import torn_next, torn_words
from dbtasks.operations import migrate, prepare
from dbtasks.project import Project
from dbtasks.roles import Part
from dbtasks.selection import choose
from dbtasks.survey import Survey, Wish, survey
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Tier
from dbtasks.trail_query import Filters
from dbtasks.trail_runs import Run, runs
from dbtasks.values import dataclass
from dbtasks.verdicts import Case, Refuse, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tier at a glance. `problem` is empty where nothing keeps people from working; `instead` mends it.

    `asked`: the tier's flag allowed a look. `built`: its embedded server has been started at least once.
    `kept` counts the replaced databases that can be brought back, `ended` those of them whose retention is over. What
    was seen, of what and by which way: `evidence`, `materials`, `way`; `None` where nobody could look.
    `armed` is what the badge says of this terminal.
    """

    tier: Tier
    target: str
    revision: str
    pending: int | None
    stamp: str
    last: str = ""
    problem: str = ""
    instead: str = ""
    identity: Identity | None = None
    asked: bool = True
    built: bool = True
    kept: int = 0
    ended: int = 0
    evidence: Evidence | None = None
    materials: Materials | None = None
    way: Target | None = None
    armed: str = ""

    def as_data(self) -> dict[str, object]:
        names = (
            "target",
            "revision",
            "pending",
            "stamp",
            "last",
            "problem",
            "instead",
            "asked",
            "built",
            "kept",
            "ended",
            "armed",
        )
        return {"tier": self.tier.name} | {name: getattr(self, name) for name in names}


def look_over(
    project: Project, operation: Operation, only: str = "", last: Callable[[Tier], str] | None = None
) -> Iterator[Row]:
    """Yield one row a tier, or that of one by its name or alias. A tier whose flag is off is not contacted.

    `last` tells what happened last in a tier, where somebody has read that already.
    """
    flags_on = choose(project.settings, None, project.environ).flags_on
    for tier in (project.settings.tier(only),) if only else project.settings.tiers:
        request = Request(
            operation=operation,
            tier=tier,
            surroundings=project.surroundings,
            is_default=tier.name == project.settings.default.name,
            flag_on=tier.flag in flags_on,
        )
        yield replace(_row(project, request), last=last(tier) if last else last_run(project, tier))


def _row(project: Project, request: Request) -> Row:
    tier = request.tier
    verdict = admit(request)
    if isinstance(verdict, Refuse):
        shown = _without_looking(project, tier)
        return _unknown(tier, shown, f"not asked ({tier.flag} is not set)", asked=False)
    try:
        target = resolve(project.settings, project.variables, tier, lambda _line: None, start=False, part=Part.READER)
        if target is None:
            build = f"invoke reset --tier={tier.name}"
            row = _unknown(tier, "embedded server, not started yet", "not built yet", instead=build)
            return replace(row, built=False)
        return _seen(project, request, target, survey(project, request, target, Wish()))
    except RefusedError as error:
        return _unknown(tier, _without_looking(project, tier), error.saw, instead=error.instead)
    except UrlNotConfiguredError as error:
        return _unknown(tier, "", str(error).split(". ")[0], instead=f"Set {error.variable}.")
    except DbtasksError as error:
        return _unknown(tier, _without_looking(project, tier), str(error))


def _unknown(tier: Tier, target: str, problem: str, *, instead: str = "", asked: bool = True) -> Row:
    return Row(
        tier=tier,
        target=target,
        revision="unknown",
        pending=None,
        stamp="unknown",
        problem=problem,
        instead=instead,
        asked=asked,
    )


def _seen(project: Project, request: Request, target: Target, seen: Survey) -> Row:
    evidence, materials = seen.evidence, seen.materials
    there = kept(target.conninfo, project.settings.project, request.tier.name)
    current = evidence.database.revisions if evidence.database else frozenset()
    problem, instead = _problem(request, seen)
    unknown = sorted(current - {each.id for each in materials.revisions})
    if unknown and not problem:
        problem = f"at revision {', '.join(unknown)}, which this code does not have"
        instead = "Check out the commit that has it."
    return Row(
        tier=request.tier,
        target=target.masked,
        revision=", ".join(sorted(current)) or "no revision",
        pending=None if unknown else len(materials.pending),
        stamp="ok" if evidence.situation.stamp is StampState.MATCHES else evidence.situation.stamp.value,
        problem=problem,
        instead=instead,
        identity=evidence.identity,
        kept=len(there),
        ended=sum(ended for _, ended in there),
        evidence=evidence,
        materials=materials,
        way=target,
        armed=Terminal(project, request).badge(target),
    )


def _problem(request: Request, seen: Survey) -> tuple[str, str]:
    """Return what the guard would object to if somebody at a terminal migrated, and the way to mend it."""
    situation = seen.evidence.situation
    if situation.contents is Contents.ABSENT:
        return f"{seen.evidence.name} does not exist yet", f"invoke reset --tier={request.tier.name}"
    if situation.torn:
        names = tuple(each.revision for each in situation.torn)
        return torn_words(names), torn_next(situation.torn, request.tier.name)
    if seen.evidence.database is not None and seen.evidence.database.unproven:
        words = f"not proven: {seen.evidence.database.unproven}"
        return words, f"Mend it, then: invoke migrate --tier={request.tier.name}"
    case = Case(
        request=Request(
            operation=migrate.OPERATION,
            tier=request.tier,
            surroundings=request.surroundings,
            is_default=request.is_default,
            flag_on=request.flag_on,
            before=request.before,
        ),
        situation=situation,
        database=seen.evidence.name,
        effect=Effect.CHANGE,
        plan_hash=seen.plan.hash,
    )
    verdict = judge(case)
    if isinstance(verdict, Refuse) and verdict.code not in ("E-NO-PERSON", "E-AGENT", "E-TAKE-OVER", "E-DISARMED"):
        return f"{verdict.saw} ({verdict.code})", verdict.instead
    return "", ""


def same_database(rows: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Yield each pair of tiers that are one database, by the server's identity and never by text."""
    for at, row in enumerate(rows):
        for other in rows[at + 1 :]:
            if row.identity is not None and row.identity == other.identity:
                yield row, other


def _without_looking(project: Project, tier: Tier) -> str:
    value = project.variables.get(tier.url_variable)
    if value is None:
        return ""
    try:
        return parse(value.text, variable=value.variable).masked
    except DbtasksError:
        return value.variable


def last_run(project: Project, tier: Tier) -> str:
    """Return what happened last in a tier, by the trail, as a clause."""
    found = runs(project.settings.trail, Filters(tier=tier.name), project.who, limit=8)
    done = [run for run in found if run.first.kind == "intent" and run.first.operation != prepare.OPERATION.name]
    return in_words(done[-1]) if done else ""


def in_words(run: Run) -> str:
    """Return a run as a clause: `reset done 22 Nov 14:02 by anna`."""
    moment = run.first.moment.astimezone()
    return f"{run.first.operation} {run.state} {moment:%d %b %H:%M} by {run.first.person}"
