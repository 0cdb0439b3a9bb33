"""The card's lines of a rehearsal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dbtasks.evidence import Evidence, Rehearsal
from dbtasks.plan import ApplyRevisions
from dbtasks.rehearsal_view import as_data, revision_lines, risk_lines
from dbtasks.rehearsed import Rehearsed, RehearsedRevision
from dbtasks.risks import Risk
from dbtasks.statements import ChangeKind, LockTaken, Statement
from tests.unit.guard_cells import INT, PROD, STG
from tests.unit.guard_samples import BASE, HEAD, evidence_of, situation_of

WRITTEN = "; the run writes the table before, which may mend it"
STEP = ApplyRevisions(revisions=(BASE, HEAD), heads=("c41f",))
PHONE = Risk(kind=ChangeKind.DROPS_COLUMN, what="users.phone", revision="c41f", count=18_442)
DONE = Rehearsed(
    revisions=(RehearsedRevision(id="a1f0", milliseconds=11), RehearsedRevision(id="c41f", milliseconds=20.4)),
    on="PostgreSQL 18.6",
)


def lock(relation: str, mode: str, **more: object) -> Statement:
    taken = (LockTaken(relation=f"public.{relation}", mode=f"{mode}Lock"),)
    return Statement(text="ALTER", revision="c41f", locks=taken, **more)  # type: ignore[arg-type] # by name


def seen(rehearsed: Rehearsed | None, *risks: Risk, rehearsal: Rehearsal = Rehearsal.DONE) -> Evidence:
    return replace(
        evidence_of(STG, replace(situation_of(STG), rehearsal=rehearsal)), rehearsed=rehearsed, risks=tuple(risks)
    )


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ((), "locks no table that is there"),
        ((lock("users", "AccessShare"),), "locks no table that is there"),
        ((lock("users", "RowExclusive"),), "writes rows of users"),
        ((lock("users", "ShareUpdateExclusive"),), "locks users: SHARE UPDATE EXCLUSIVE, writes go on"),
        ((lock("users", "Share"), lock("users", "AccessExclusive")), "locks users: ACCESS EXCLUSIVE, all wait"),
        ((lock("users", "Unheard"),), "locks users: ACCESS EXCLUSIVE, all wait"),
        (
            tuple(lock(name, "Share", rewrites=(f"public.{name}",)) for name in ("a", "b", "c", "d")),
            "locks a, b and 2 more: SHARE, writes wait; rewrites a, b and 2 more",
        ),
    ],
)  # fmt: skip
def test_a_revision_is_a_line_with_its_strongest_lock(statements: tuple[Statement, ...], expected: str) -> None:
    evidence = seen(replace(DONE, statements=statements))

    text = " ".join(text for name, text in revision_lines(STEP, evidence) if name.strip() != "a1f0")

    assert text == f"{'bookings':<34} {expected}" or text == f"bookings {expected}"


def test_what_was_not_rehearsed_is_a_line_with_its_message() -> None:
    assert list(revision_lines(STEP, None)) == [("  a1f0", "users"), ("  c41f", "bookings")]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param(seen(None), [], id="none"),
        pytest.param(seen(Rehearsed(missing="no server")), [("not rehearsed", "no server")], id="missing"),
        pytest.param(
            seen(Rehearsed(failed="r1: no\nDETAIL: x", notes=(("raised in", "r1.py:3"),))),
            [("rehearsal", "failed: r1: no"), ("", "DETAIL: x"), ("raised in", "r1.py:3")],
            id="failed",
        ),
        pytest.param(
            seen(DONE),
            [("rehearsed", "2 revisions on PostgreSQL 18.6, without rows, 31 ms"), ("data at risk", "none")],
            id="nothing at risk",
        ),
        pytest.param(
            seen(replace(DONE, revisions=DONE.revisions[:1], rows=4_789, beware="with INT's rows it failed"), PHONE),
            [
                ("rehearsed", "1 revision on PostgreSQL 18.6, 4,789 rows, 11 ms"),
                ("beware", "with INT's rows it failed"),
                ("data at risk", "drops users.phone: 18,442 values (c41f); consent covers up to 18,500"),
            ],
            id="at risk",
        ),
        pytest.param(
            replace(seen(DONE), unlinted="lint needs the package postgast"),
            [
                ("rehearsed", "2 revisions on PostgreSQL 18.6, without rows, 31 ms"),
                ("data at risk", "none"),
                ("not linted", "lint needs the package postgast"),
            ],
            id="not linted",
        ),
        pytest.param(
            seen(
                DONE,
                replace(PHONE, kind=ChangeKind.REQUIRES_VALUE, count=3, query="SELECT 1;"),
                replace(PHONE, kind=ChangeKind.REQUIRES_VALUE, count=4, written=True),
                rehearsal=Rehearsal.CONTRADICTED,
            ),
            [
                ("rehearsed", "2 revisions on PostgreSQL 18.6, without rows, 31 ms"),
                ("data at risk", "none"),
                ("would fail", "demands a value in users.phone, which lack 3 rows (c41f)"),
                ("beware", f"demands a value in users.phone, which lack 4 rows (c41f){WRITTEN}"),
                ("  to see them", "SELECT 1;"),
            ],
            id="contradicted",
        ),
    ],
)
def test_the_card_tells_what_came_of_it(evidence: Evidence, expected: list[tuple[str, str]]) -> None:
    assert list(risk_lines(evidence)) == expected


def test_where_everything_may_be_lost_nothing_is_at_risk() -> None:
    evidence = replace(evidence_of(INT), rehearsed=DONE, risks=(PHONE,))

    assert [name for name, _ in risk_lines(evidence)] == ["rehearsed"]


def test_data_has_every_statement_and_every_risk() -> None:
    evidence = replace(seen(replace(DONE, statements=(lock("users", "Share"),)), PHONE), tier=PROD)

    found = as_data(evidence)

    assert found is not None
    assert found["revisions"] == [
        {"revision": "a1f0", "milliseconds": 11, "statements": []},
        {
            "revision": "c41f",
            "milliseconds": 20.4,
            "statements": [
                {
                    "statement": "ALTER",
                    "transactional": True,
                    "locks": [{"relation": "public.users", "mode": "ShareLock"}],
                    "rewrites": [],
                    "milliseconds": 0.0,
                    "rows": None,
                }
            ],
        },
    ]
    at_risk: Any = found["at_risk"]
    assert [(risk["what"], risk["ceiling"]) for risk in at_risk] == [("users.phone", 18_500)]
    assert as_data(seen(None)) is None
