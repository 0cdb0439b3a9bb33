"""The guard: two pure functions, and the clearance that they grant.

`admit` answers before any connection exists, from the request alone. `decide` answers after a read-only look at the
live database. Their rules are the tables in `admission` and `judgement`.
"""

from __future__ import annotations

from typing import NoReturn, final

from dbtasks.admission import ADMIT_RULES
from dbtasks.conninfo import Permit
from dbtasks.errors import ConsentNotGivenError, RefusedError
from dbtasks.evidence import Evidence
from dbtasks.judgement import DECIDE_RULES
from dbtasks.plan import Plan
from dbtasks.verdicts import Ask, Case, Decision, Proceed, Refuse, Request, refuse_reloader


def admit(request: Request) -> Proceed | Refuse:
    """Return whether the request is thinkable here at all. Makes no connection."""
    return next((verdict for rule in ADMIT_RULES if (verdict := rule(request))), Proceed())


def decide(request: Request, plan: Plan, evidence: Evidence) -> Decision:
    """Return the verdict on a plan in the light of what the live database showed."""
    if not _belong_together(request, plan, evidence):
        return Refuse(
            code="E-PLAN",
            saw="The plan was made for another operation or target than the one that was asked for and looked at.",
            why="Nothing was changed.",
            instead="Look at what every tier resolves to: invoke check",
        )
    case = Case(
        request=request,
        situation=evidence.situation,
        database=evidence.name,
        effect=plan.effect,
        plan_hash=plan.hash,
    )
    return judge(case)


def judge(case: Case) -> Decision:
    """Return the verdict on one case: the table itself."""
    if case.request.looks_only:
        return Proceed()
    verdict = next((verdict for rule in DECIDE_RULES if (verdict := rule(case))), Proceed())
    if isinstance(verdict, Ask) and case.request.surroundings.reloaded and not _answered_by_yes(verdict, case.request):
        return refuse_reloader(case.request)
    return verdict


def _answered(verdict: Ask, replies: tuple[str, ...]) -> bool:
    return replies == tuple(question.expected for question in verdict.questions)


def _answered_by_yes(verdict: Ask, request: Request) -> bool:
    return verdict.yes_counts and request.yes


def _belong_together(request: Request, plan: Plan, evidence: Evidence) -> bool:
    asked = (request.operation, request.tier, request.tier.name)
    planned = (plan.operation, evidence.tier, plan.tier)
    target = (plan.project, plan.database, plan.server, plan.target)
    seen = (evidence.project, evidence.name, evidence.server.system_identifier, evidence.identity)
    return asked == planned and target == seen


_GRANTED_HERE = object()


@final
class Clearance(Permit):
    """Permission to run exactly one plan, once. Only `clear` makes one; copies, pickles and replacements fail."""

    __slots__ = ("_entry", "_spent", "evidence", "plan", "request")

    request: Request
    plan: Plan
    evidence: Evidence
    _spent: bool
    _entry: int | None

    def __init__(self, token: object, request: Request, plan: Plan, evidence: Evidence) -> None:
        if token is not _GRANTED_HERE:
            raise TypeError("a Clearance is granted by dbtasks.guard.clear")
        told = {"request": request, "plan": plan, "evidence": evidence, "_spent": False, "_entry": None}
        for name, value in told.items():
            object.__setattr__(self, name, value)

    @property
    def entry(self) -> int | None:
        return self._entry

    def spend(self, entry: int | None = None) -> Plan:
        """Return the plan, the first time only. `entry` is the trail's number of the intent to run it."""
        if self._spent:
            raise RefusedError(
                code="E-SPENT",
                saw="This clearance has run its plan already.",
                why="What one person agreed to happens once.",
                instead=self.request.look("To plan it anew:"),
            )
        object.__setattr__(self, "_spent", True)
        object.__setattr__(self, "_entry", entry)
        return self.plan

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError("a Clearance cannot be changed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Clearance cannot be copied")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("a Clearance has no variants")


def clear(request: Request, plan: Plan, evidence: Evidence, replies: tuple[str, ...] = ()) -> Clearance:
    """Return the clearance for this plan, or raise what the verdict demands.

    `replies` are what was typed, one for each question. The verdict is made again here, so that no caller can bring
    a kinder one. A dry run is never cleared: it ends with its plan, and what only looks has its own permit.
    """
    if request.looks_only:
        raise TypeError("what only looks runs nothing and needs no Clearance")
    for verdict in (admit(request), decide(request, plan, evidence)):
        match verdict:
            case Refuse():
                raise verdict.error()
            case Ask() if not (_answered_by_yes(verdict, request) or _answered(verdict, replies)):
                raise ConsentNotGivenError("Not confirmed. Nothing was changed.")
    return Clearance(_GRANTED_HERE, request, plan, evidence)
