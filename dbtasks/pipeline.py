"""The one road: settings, tier, evidence, plan, decision, clearance, outcome, audit entry. Nothing else joins them."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

from dbtasks.anchoring import Anchoring
from dbtasks.approved import weighed
from dbtasks.armed import Terminal
from dbtasks.call import Call as Call
from dbtasks.call import Report as Report
from dbtasks.console import Console
from dbtasks.errors import ConsentNotGivenError, DbtasksError, PlanChangedError, RefusedError
from dbtasks.evidence import StampState
from dbtasks.guard import Clearance, admit, clear, decide
from dbtasks.looks import keeping
from dbtasks.project import Project
from dbtasks.rationed import Ration
from dbtasks.recording import recorded
from dbtasks.registry import COORDINATION
from dbtasks.site import Result, Site
from dbtasks.survey import Survey, survey
from dbtasks.targets import Target, part_of, resolve, resolve_runtime
from dbtasks.trail import Act, Outcome, Trail
from dbtasks.verdicts import Ask, Refuse, Request, draw_places
from dbtasks.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbtasks.moment import Moment

# How often a plan that nobody was asked about is made anew when somebody else was faster.
_TRIES = 20


def carry_out(project: Project, call: Call, console: Console) -> Report:
    """Take one call down the road, and return what became of it.

    Raises whatever ends it early; a refusal is in the trail by then.
    """
    tier, trail = call.choice.tier, project.trail()
    act = Act(operation=call.operation.name, tier=tier.name, effect=call.operation.effect)
    for notice in (*call.choice.notices, *project.variables.notices):
        console.say(f"! {notice}")
    road = _Road(project, call, console, trail)
    try:
        return road.walk()
    except RefusedError as refused:
        if not road.entry:  # what is refused while running stands in its result
            trail.refusal(act, code=refused.code, detail={"saw": refused.saw, "reason": call.reason})
            road.refused(refused.code)
        raise
    except ConsentNotGivenError:
        trail.refusal(act, code="E-NOT-CONFIRMED", detail={"reason": call.reason})
        road.refused("E-NOT-CONFIRMED")
        raise


class _Road:
    """The stages of one call, in order."""

    def __init__(self, project: Project, call: Call, console: Console, trail: Trail) -> None:
        self.project, self.call, self.console, self.trail = project, call, console, trail
        self.asked, self.entry = False, 0
        self.looks = ExitStack()  # what is kept of the first look, until somebody is asked
        self.own: Target | None = None  # where the live database has shown to be the tier's
        tier = call.choice.tier
        before = project.settings.tier(tier.after) if tier.after else None
        self.request = Request(
            operation=call.operation,
            tier=tier,
            before=before,
            surroundings=project.surroundings,
            is_default=tier.name == project.settings.default.name,
            flag_on=tier.flag in call.choice.flags_on,
            dry_run=call.dry_run,
            yes=call.yes,
            read_only=call.wish.read_only,
            managed=call.managed,
            brought=call.brought,
            places=draw_places(),
        )

        self.ration, self.terminal = Ration(project, self.request), Terminal(project, self.request)

    def walk(self) -> Report:
        verdict = admit(self.request)
        if isinstance(verdict, Refuse):
            self._badge(None)
            raise verdict.error()
        target = self._target()
        with self.looks:
            return self._look_and_run(target)

    def _look_and_run(self, target: Target) -> Report:
        self._keep_looks(target)
        self._badge(target)
        if self.call.dry_run:
            return self._planned(target, self._look(target))
        for _ in range(_TRIES):
            seen = None
            try:
                seen = self._look(target)
                return self._cleared(seen, target)
            except PlanChangedError as changed:
                # Somebody else was faster. Where nobody was asked, nobody's word is bent by planning anew. What was
                # approved is one plan, and may be spent by now.
                if self.asked or self.call.brought:
                    raise
                last = changed
            finally:
                self.looks.close()
                if seen is not None and seen.beside is not None:
                    seen.beside.close()
            self._keep_looks(target)
        raise last

    def _keep_looks(self, target: Target) -> None:
        self.looks.enter_context(keeping(target.conninfo, target.conninfo.with_database(COORDINATION)))

    def refused(self, code: str) -> None:
        """Count a refusal, in the tier's own place alone: what another server says is no business of its."""
        if self.own is not None:
            self.ration.refused(self.own, code)

    def _look(self, target: Target, before: Survey | None = None) -> Survey:
        say: Callable[[str | Moment], None] = (lambda _said: None) if before else self.console.hear
        seen = survey(self.project, self.request, target, self.call.wish, before, say=say)
        brought = self.call.brought
        if brought:
            return weighed(brought, target, seen, dry_run=self.call.dry_run)
        return self.terminal.add(target, seen)

    def _cleared(self, seen: Survey, target: Target) -> Report:
        if seen.evidence.situation.stamp in (StampState.MATCHES, StampState.PROMOTED):
            self.own = target
        self._report_excess(seen)
        clearance = self._clear(seen, target)
        if not seen.plan.steps:  # nothing to prune, say
            self._note("nothing to do")
            return self._report(target, seen, "nothing to do", Result())
        return self._run(clearance, seen, target)

    def _report_excess(self, seen: Survey) -> None:
        """Say what a managed runtime's role could do besides serving."""
        server, database = seen.evidence.server, seen.evidence.database
        rights = {
            "is a superuser": server.superuser,
            "may create databases": server.can_create and not server.superuser,
            "owns the database": database is not None and database.owned and not server.superuser,
        }
        if self.call.managed and any(rights.values()):
            excess = " and ".join(right for right, has in rights.items() if has)
            self._note(
                f"! the runtime's role {server.role} {excess}. Give it a role that can serve and not administer."
            )

    def _target(self) -> Target:
        tier = self.call.choice.tier
        if self.call.managed:
            return resolve_runtime(self.project.variables, tier)
        as_, project = self.call.operation.administers, self.project
        part = part_of(self.call.operation, tier)
        target = resolve(project.settings, project.variables, tier, self._note, admin=as_, part=part)
        if target is None:  # start is on, so only a tier without any way in gets here
            raise DbtasksError(f"[{tier.label}] leads nowhere. Run: invoke check")
        return target

    def _planned(self, target: Target, seen: Survey) -> Report:
        """Show the plan and what the guard would say to it, and change nothing."""
        from dbtasks import card, card_steps, foreseeing  # late: most runs show none

        wet = foreseeing.meant(self.request)

        verdict, words = foreseeing.foresee(wet, seen.plan, seen.evidence, walks=self.call.wish.walks)
        left, none = self.ration.foresee(target, seen.evidence.situation.floor)
        if none is not None and not isinstance(verdict, Refuse):
            verdict, words = none, card.would(none)
        for line in (*card_steps.steps(seen.plan, seen.materials, seen.evidence), *card_steps.limits(left)):
            self.console.say(line)
        self.console.say(f"  plan {seen.plan.hash[:12]} · {words} · nothing was changed")
        report = replace(self._report(target, seen, words, Result()), limits=left)
        if not isinstance(verdict, Refuse):
            return report
        for line in verdict.shown.lines() if verdict.shown else ():
            self._note(line)
        return replace(report, refusal=verdict)

    def _report(self, target: Target, seen: Survey, verdict: str, result: Result) -> Report:
        return Report(
            project=self.project,
            tier=target.tier,
            target=target,
            plan=seen.plan,
            verdict=verdict,
            result=result,
            evidence=seen.evidence,
        )

    def _clear(self, seen: Survey, target: Target) -> Clearance:
        verdict = decide(self.request, seen.plan, seen.evidence)
        self.asked = isinstance(verdict, Ask)
        left = () if isinstance(verdict, Refuse) else self.ration.look(target, seen.evidence.situation.floor)
        replies: tuple[str, ...] = ()
        if isinstance(verdict, Ask) and not (verdict.yes_counts and self.request.yes):
            from dbtasks import backed_up, card, card_steps

            newest = backed_up.newest(self.project, target)
            for line in (*card.before_asking(seen, target, newest), *card_steps.limits(left)):
                self.console.say(line)
            self.looks.close()
            for question in verdict.questions:
                reply = self.console.ask(question)
                replies += (reply,)
                if reply != question.expected:
                    break
            seen = self.terminal.add(target, seen)  # its time may have ended while the question stood
        elif self.call.brought and not isinstance(verdict, Refuse):
            from dbtasks import card

            for line in card.approved(seen, target, self.call.brought):
                self.console.say(line)
        elif seen.evidence.rehearsed is not None and not isinstance(verdict, Refuse):
            from dbtasks import card_steps

            for line in card_steps.rehearsal(seen.evidence):
                self.console.say(line)
        return clear(self.request, seen.plan, seen.evidence, replies)

    def _run(self, clearance: Clearance, seen: Survey, target: Target) -> Report:
        self.looks.close()
        act = Act(
            operation=self.call.operation.name,
            tier=target.tier.name,
            target=target.masked,
            plan=seen.plan.hash,
            effect=seen.plan.effect,
        )
        wish = self.call.wish
        command = [] if wish.purpose else list(wish.command)
        at_risk = [str(risk) for risk in seen.evidence.risks if risk.loses]
        detail = {"reason": self.call.reason, "command": command, "purpose": wish.purpose, "at_risk": at_risk}
        detail["no_backup_because"] = wish.no_backup_because
        approval = {"approval": self.call.brought.as_data()} if self.call.brought else {}
        told = {name: value for name, value in detail.items() if value}
        self.entry = entry = self.trail.intent(act, {**told, **approval})
        anchoring = Anchoring(self.project, self.trail, clearance, target, self._note)
        site = Site(
            project=self.project,
            target=target,
            server_way=seen.server_way,
            entry=entry,
            anchoring=anchoring,
            look_again=lambda: self._look(target, seen),
            report=self.console.hear,
            beside=seen.beside,
            fresh=wish.fresh,
            reason=self.call.reason,
            ahead=self.call.ahead,
        )
        started = time.monotonic()

        def ended(outcome: Outcome, facts: dict[str, object]) -> None:
            milliseconds = round((time.monotonic() - started) * 1000)
            self.trail.result(entry, outcome=outcome, duration_ms=milliseconds, detail=facts)
            anchoring.end()

        aside = seen.plan.operation.replaces
        with closing(anchoring):
            result = recorded(lambda: self.ration.run(clearance, site), site.result.facts, ended, aside=aside)
        report = self._report(target, seen, "done", result)
        return replace(report, entry=entry, clearance=clearance)

    # What people see

    def _badge(self, target: Target | None) -> None:
        tier = self.call.choice.tier
        flag = self._flag()  # none where a managed runtime or a deprecated flag has named the tier
        source = f" ({flag})" if flag and self.call.choice.source == "flag" else ""
        where, also = (f"{target.masked} · ", self.terminal.badge(target)) if target else ("", "")
        self.console.say(f"{self.console.badge(tier, also)} {where}{self._verb()}{source}")

    def _flag(self) -> str:
        return ", ".join(sorted(self.call.choice.flags_on))

    def _verb(self) -> str:
        command = one_line(self.call.wish.command)
        verb = self.call.wish.purpose or (f"run {command}" if command else self.call.operation.name)
        return f"{verb} · dry run" if self.call.dry_run else verb

    def _note(self, line: str) -> None:
        self.console.say(f"  {line}")
