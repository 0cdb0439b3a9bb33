"""Adds to the evidence what a rehearsal of the pending revisions showed, and what they would do to the rows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from dbtasks import at_risk, rehearsal
from dbtasks.brought import Approval
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.evidence import Contents, Evidence, Objection, Rehearsal
from dbtasks.guard import decide
from dbtasks.materials import Materials
from dbtasks.moment import Hearing
from dbtasks.plan import Plan, TakeBack
from dbtasks.project import Project
from dbtasks.rehearsed import Rehearsed
from dbtasks.risks import Ceiling, Risk, ceilings, exceeded
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Loss
from dbtasks.verdicts import Refuse, Request


def is_wanted(request: Request, plan: Plan, evidence: Evidence, materials: Materials) -> bool:
    """Whether the pending revisions, or those to be taken back, must be tried out before anybody can judge the plan.

    Not where everything may be lost, unless somebody asks for a dry run; nor where there is nothing yet to lose.
    """
    takes_back = request.operation.takes_back
    if not (materials.back if takes_back else materials.pending) or evidence.database is None:
        return False
    if request.dry_run:
        return True
    floor = evidence.situation.floor
    if floor.may_lose is Loss.EVERYTHING or (
        floor.may_lose is not Loss.NOTHING and evidence.situation.contents is Contents.EMPTY
    ):
        return False
    # What is refused anyway need not be tried.
    well = replace(evidence, situation=replace(evidence.situation, rehearsal=Rehearsal.DONE, approval=Approval.GIVEN))
    return not isinstance(decide(request, plan, well), Refuse)


def add(
    project: Project,
    target: Target,
    seen: tuple[Evidence, Materials],
    before: Evidence | None,
    say: Hearing,
) -> tuple[Evidence, Materials]:
    """Return evidence and materials with what came of it. RefusedError where more would be lost than was agreed to.

    `before` is what an earlier look of the same call had found.
    """
    evidence, materials = seen
    tier = evidence.tier.name
    moves = TakeBack(revisions=materials.back, to=materials.to) if materials.back else materials.pending
    earlier = before.rehearsed if before else None
    rows = _rows(project, target, evidence)
    rehearsed = rehearsal.again(project, target.conninfo, tier, moves, rows, earlier, say)
    counts = not (rehearsed.missing or rehearsed.failed) and evidence.situation.floor.may_lose is not Loss.EVERYTHING
    risks = at_risk.count(target.conninfo, rehearsed.changes) if counts else ()
    agreed = ceilings(before.risks) if before is not None and materials.agreed is None else materials.agreed
    if agreed is not None and counts:
        command = f"downgrade --to={materials.to}" if materials.back else "migrate"
        _hold_to(agreed, risks, evidence, command)
        materials = replace(materials, agreed=agreed)
    state = _state(rehearsed, risks)
    situation = replace(evidence.situation, rehearsal=state, rehearsed_as=_said(rehearsed, risks))
    known = before is not None and rehearsed is earlier
    linted = (before.objections, before.unlinted) if before and known else _linted(project, target, rehearsed)
    seen_now = replace(evidence, situation=situation, rehearsed=rehearsed, risks=risks)
    return replace(seen_now, objections=linted[0], unlinted=linted[1]), materials


def _linted(project: Project, target: Target, rehearsed: Rehearsed) -> tuple[tuple[Objection, ...], str]:
    if not rehearsed.statements:
        return (), ""
    from dbtasks.linted import objections  # late: what reads SQL is large

    return objections(project, target, rehearsed)


def _rows(project: Project, target: Target, evidence: Evidence) -> rehearsal.Rows:
    """Return where rows for a rehearsal come from: the target where it may lose everything, else the default tier."""
    default, server = project.settings.default, evidence.server.system_identifier
    if evidence.situation.floor.may_lose is Loss.EVERYTHING:
        return rehearsal.Rows(source=target.conninfo, own=True, label=target.tier.label)
    if default.may_lose is not Loss.EVERYTHING:
        return rehearsal.Rows(not_on=server)
    with suppress(DbtasksError):
        found = resolve(project.settings, project.variables, default, lambda _line: None, start=False)
        return rehearsal.Rows(source=found.conninfo if found else None, label=default.label, not_on=server)
    return rehearsal.Rows(not_on=server)


def _hold_to(agreed: tuple[Ceiling, ...], risks: tuple[Risk, ...], evidence: Evidence, command: str) -> None:
    over = exceeded(agreed, risks)
    if over:
        more = "; ".join(f"{risk}, agreed were at most {limit:,}" for risk, limit in over)
        raise RefusedError(
            code="E-CEILING",
            saw=f"More would be lost in {evidence.name} than was agreed to: {more}.",
            why="Nothing was changed.",
            instead=f"To see what would be lost now: invoke {command} --tier={evidence.tier.name} --dry-run",
        )


def _state(rehearsed: Rehearsed, risks: tuple[Risk, ...]) -> Rehearsal:
    if rehearsed.missing:
        return Rehearsal.NOT_REHEARSED
    if rehearsed.failed:
        return Rehearsal.FAILED
    if any(risk.fails for risk in risks):
        return Rehearsal.CONTRADICTED
    return Rehearsal.UNCOUNTED if any(risk.uncounted for risk in risks) else Rehearsal.DONE


def _said(rehearsed: Rehearsed, risks: tuple[Risk, ...]) -> tuple[str, ...]:
    if rehearsed.missing or rehearsed.failed:
        notes = (f"{name} {note}" for name, note in rehearsed.notes)
        return ((rehearsed.missing or rehearsed.failed).replace("\n", "\n  "), *notes)
    fails = tuple(f"{risk}. To see them: {risk.query}" for risk in risks if risk.fails)
    return fails or tuple(str(risk) for risk in risks if risk.uncounted)
