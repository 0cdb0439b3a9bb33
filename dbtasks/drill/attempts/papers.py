"""Plans on paper that nobody agreed to, or not to this one, or not any more. Each would bring back a row of PROD."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from dbtasks.approvals.document import Content, Paper
from dbtasks.drill import signing
from dbtasks.drill.attempt import Attempt, Layer, Ran
from dbtasks.drill.ground import Ground
from dbtasks.drill.signing import ASKS, SIGNERS, STRANGER, last_line

_Forged = Callable[[Ground, Content], Paper | str]


def _content(ground: Ground) -> Content:
    """Return a plan of seeding PROD, which lacks a row."""
    ground.sql("DELETE FROM lessons WHERE id = 2", "drill_prod")
    if ground.plan is None:
        ground.plan = signing.content(ground, "seed")
    return ground.plan


def _applied(forge: _Forged) -> Callable[[Ground], Ran]:
    def forbidden(ground: Ground) -> Ran:
        paper = forge(ground, _content(ground))
        before = ground.state("drill_prod")
        ran = signing.apply(ground, paper)
        return Ran(code=ran.code, text=ran.text, harm=ground.state("drill_prod") != before)

    return forbidden


def _edited(ground: Ground, content: Content) -> str:
    data = json.loads(signing.signed(ground, content).as_text())
    data["plan"]["database"] = "drill_prod_2"
    return json.dumps(data)


def _other_reason(ground: Ground, content: Content) -> Paper:
    paper = signing.signed(ground, content)
    return replace(paper, agreements=(replace(paper.agreements[0], reason="another one"),))


def _of_another_plan(ground: Ground, content: Content) -> Paper:
    return replace(signing.signed(ground, content), agreements=signing.signed(ground, content).agreements)


def _expired(ground: Ground, content: Content) -> Paper:
    day = timedelta(days=1)
    old = replace(content, requested_at=content.requested_at - 2 * day, expires_at=content.requested_at - day)
    return signing.signed(ground, old)


def _of_another_database(ground: Ground, content: Content) -> Paper:
    target = content.plan.target
    if target is None:
        raise ValueError("the plan has no target")
    plan = replace(content.plan, target=replace(target, oid=target.oid + 1))
    return signing.signed(ground, replace(content, plan=plan))


def _replayed(ground: Ground) -> Ran:
    paper = signing.signed(ground, _content(ground))
    first = signing.apply(ground, paper)
    if first.code:
        return first
    ground.sql("DELETE FROM lessons WHERE id = 2", "drill_prod")
    before = ground.state("drill_prod")
    ran = signing.apply(ground, paper)
    return Ran(code=ran.code, text=ran.text, harm=ground.state("drill_prod") != before)


def _added_signer(ground: Ground) -> Ran:
    content = _content(ground)
    before = ground.state("drill_prod")
    last = signing.signer(ground, ASKS)
    with ground.edited(SIGNERS, last, last + signing.signer(ground, STRANGER)):
        ran = signing.apply(ground, signing.signed(ground, content, agrees=(STRANGER,)))
    return Ran(code=ran.code, text=ran.text, harm=ground.state("drill_prod") != before)


def _agreed(ground: Ground) -> str:
    """Run the same plan, signed as it must be."""
    paper = signing.signed(ground, _content(ground))
    before = ground.state("drill_prod")
    ran = signing.apply(ground, paper)
    return "" if ran.code == 0 and ground.state("drill_prod") != before else last_line(ran)


def _attempt(id_: str, tried: str, by: str, forbidden: Callable[[Ground], Ran]) -> Attempt:
    return Attempt(
        id=f"approvals.{id_}", tried=tried, layer=Layer.APPROVALS, by=by, forbidden=forbidden, allowed=_agreed
    )


PAPERS = (
    _attempt(
        "nobody",
        "a plan that nobody agreed to",
        "E-APPROVALS",
        _applied(lambda ground, content: signing.signed(ground, content, agrees=())),
    ),
    _attempt(
        "self",
        "a plan approved by who asked for it",
        "E-APPROVALS",
        _applied(lambda ground, content: signing.signed(ground, content, agrees=(ASKS,))),
    ),
    _attempt(
        "stranger",
        "a plan approved with a stranger's key",
        "E-SIGNATURE",
        _applied(lambda ground, content: signing.signed(ground, content, agrees=(STRANGER,))),
    ),
    _attempt("forged", "the approval of another plan", "E-SIGNATURE", _applied(_of_another_plan)),
    _attempt("other_reason", "an approval whose reason was edited", "E-SIGNATURE", _applied(_other_reason)),
    _attempt("edited", "a plan edited after it was approved", "E-PLAN-FILE", _applied(_edited)),
    _attempt("expired", "an approved plan whose time is over", "E-ENDED", _applied(_expired)),
    _attempt(
        "other_database",
        "an approval for another database of that name",
        "E-OTHER-TARGET",
        _applied(_of_another_database),
    ),
    _attempt("replayed", "an approved plan, run a second time", "E-REPLAYED", _replayed),
    _attempt("added_signer", "a stranger's key added to `config/allowed_signers`", "E-SIGNERS", _added_signer),
)
