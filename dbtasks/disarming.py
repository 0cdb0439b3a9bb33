"""How `disarm` ends what is armed: without a question, since it can only take away."""

from __future__ import annotations

from dbtasks import sessions
from dbtasks.console import Console
from dbtasks.database import telling_failures
from dbtasks.errors import DbtasksError
from dbtasks.guard import admit
from dbtasks.operations import status
from dbtasks.project import Project
from dbtasks.selection import Choice
from dbtasks.targets import resolve
from dbtasks.trail import Act, Outcome, Trail
from dbtasks.verdicts import Refuse, Request


def disarm(project: Project, console: Console, choice: Choice) -> None:
    """End every armed session of this person on the tier."""
    tier = choice.tier
    request = Request(
        operation=status.OPERATION,  # whoever may look there may end it
        tier=tier,
        surroundings=project.surroundings,
        is_default=tier.name == project.settings.default.name,
        flag_on=tier.flag in choice.flags_on,
    )
    verdict = admit(request)
    if isinstance(verdict, Refuse):
        raise verdict.error()
    target = resolve(project.settings, project.variables, tier, console.hear, start=False)
    if target is None:
        raise DbtasksError(f"[{tier.label}] is not built yet. Run: invoke reset --tier={tier.name}")
    console.say(f"{console.badge(tier)} {target.masked} · disarm")
    trail = Trail(project.settings.trail, project.who)
    entry = trail.intent(Act(operation="disarm", tier=tier.name, target=target.masked))
    outcome, ended = Outcome.FAILED, None
    try:
        with telling_failures(tier.name, target.conninfo.database):
            ended = sessions.end(target, project.settings.project, project.who.person)
        outcome = Outcome.FAILED if ended is None else Outcome.DONE
    finally:
        trail.result(entry, outcome=outcome, detail={"ended": ended or 0})
    if ended is None:
        text = "The server has no database dbtasks, so that nothing is written there without a question."
        raise DbtasksError(f"{text} Close the terminal that is armed: what is armed ends with it.")
    said = f"{ended} terminal{'s' if ended != 1 else ''} of {project.who.person}" if ended else "nothing was armed"
    console.fact("disarm", said)
