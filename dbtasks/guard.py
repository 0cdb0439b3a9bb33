"""The guard: two pure functions, and the clearance that they grant.

`admit` answers before any connection exists, from the request alone. `decide` answers after a read-only look at the
live database. Their rules are the tables in `admission` and `judgement`.
"""

from __future__ import annotations

from dbtasks.conninfo import Permit

from dbtasks.admission import ADMIT_RULES
from dbtasks.errors import ConsentNotGivenError, RefusedError
from dbtasks.evidence import Evidence
from dbtasks.judgement import DECIDE_RULES
from dbtasks.plan import Plan
from dbtasks.verdicts import Ask, Case, Decision, Proceed, Refuse, Request


def admit(request: Request) -> Proceed | Refuse:
    """Return whether the request is thinkable here at all. Makes no connection."""
    return next((verdict for rule in ADMIT_RULES if (verdict := rule(request))), Proceed())


def decide(request: Request, plan: Plan, evidence: Evidence) -> Decision:
    """Return the verdict on a plan in the light of what the live database showed."""
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
    return next((verdict for rule in DECIDE_RULES if (verdict := rule(case))), Proceed())


_GRANTED_HERE = object()


class Clearance(Permit):
    """Permission to run exactly one plan, once. Only `clear` makes one; copies, pickles and replacements fail."""

    __slots__ = ("_spent", "evidence", "plan", "request")

    def __init__(self, token: object, request: Request, plan: Plan, evidence: Evidence) -> None:
        if token is not _GRANTED_HERE:
            raise TypeError("a Clearance is granted by dbtasks.guard.clear")
        self.request, self.plan, self.evidence = request, plan, evidence
        self._spent = False

    def spend(self) -> Plan:
        """Return the plan, the first time only."""
        if self._spent:
            raise RefusedError(
                code="E-SPENT", saw="This clearance has run its plan already.", instead="Run the command again."
            )
        self._spent = True
        return self.plan

    def __reduce__(self) -> str:
        raise TypeError("a Clearance cannot be copied")


def clear(request: Request, plan: Plan, evidence: Evidence, replies: tuple[str, ...] = ()) -> Clearance:
    """Return the clearance for this plan, or raise what the verdict demands.

    `replies` are what was typed, one for each question. The verdict is made again here, so that no caller can bring
    a kinder one.
    """
    for verdict in (admit(request), decide(request, plan, evidence)):
        match verdict:
            case Refuse():
                raise verdict.error()
            case Ask() if not (verdict.yes_counts and request.yes):
                expected = tuple(question.expected for question in verdict.questions)
                if replies != expected:
                    raise ConsentNotGivenError("Not confirmed. Nothing was changed.")
    return Clearance(_GRANTED_HERE, request, plan, evidence)
