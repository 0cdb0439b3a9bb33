"""What the guard says when it refuses: the exact words, and that they help without showing a way around."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dbtasks.arming import Armed, Arming
from dbtasks.effects import Operation
from dbtasks.evidence import (
    Drift,
    NameState,
    Proof,
    Rehearsal,
    Replacing,
    Route,
    ServerRole,
    Situation,
    StampState,
    Torn,
    Use,
)
from dbtasks.guard import admit, judge
from dbtasks.proof import Fault
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent, Floor, Loss
from dbtasks.verdicts import Case, Refuse, Request
from tests.unit.guard_cells import (
    CAUTIOUS,
    FORGED,
    LIMITED,
    PROD,
    STG,
    TIERS,
    approval_grid,
    arming_grid,
    cells,
    obstacle_grid,
    paper_requests,
    plain_situations,
    rehearsal_grid,
    requests,
)
from tests.unit.guard_oracle import may_connect
from tests.unit.guard_samples import (
    ABSENT,
    ADOPT,
    BECAUSE,
    COPY_BACK,
    DOWNGRADE,
    EMPTY,
    LIFT,
    MIGRATE,
    OPEN,
    PRUNE,
    RESET,
    RESTORE,
    SEED,
    UNDO,
    report_of,
    request_for,
    verdict_on,
)

TERMINAL, SCRIPT, AGENT, CI = Kind.TERMINAL, Kind.SCRIPT, Kind.AGENT, Kind.CI
PERSON = Floor(may_lose=Loss.NOTHING, consent=Consent.PERSON)

UNSTAMPED = "The database shop_stg carries no stamp that says which tier it is."
NOWHERE = "There is no database shop_stg on that server."
NOBODY = f"and nobody is here to be asked ({BECAUSE[SCRIPT]})."
TAKE_BACK_STG = "invoke downgrade --tier=stg --to=<revision> --dry-run"
CHECK = "Look at what every tier resolves to: invoke check"
ADOPT_STG = "To stamp it on purpose: invoke adopt --tier=stg"
BUILD_STG = "To build it: invoke reset --tier=stg"
CREATE_STG = "Create it with your server's own tools, then stamp it on purpose: invoke adopt --tier=stg"

ADMISSIONS = {
    "E-TEST-PIN": (
        request_for(STG, SEED, Kind.PYTEST),
        "STG is out of reach of tests: PYTEST_VERSION is set.",
        "Tests run on the default tier only; no setting changes that.",
        "To see what the tests use: invoke status",
    ),
    "E-NOT-RUNTIME": (
        request_for(PROD, OPEN, SCRIPT, "managed"),
        "This is not the managed runtime of PROD: standard input is not a terminal.",
        "The runtime's URL serves the runtime only.",
        "To see what every tier resolves to: invoke check",
    ),
    "E-NOT-ARMED": (
        request_for(PROD, OPEN, TERMINAL),
        "USE_PROD_DATABASE is not set in this environment, so PROD is not touched.",
        "PROD is named by its flag and a person's consent, never by --tier alone.",
        "To see every tier and what leads where: invoke status",
    ),
    "E-NOT-ALLOWED": (
        request_for(LIMITED[0], RESET, TERMINAL),
        "On STG, reset is not for whoever config/tiers.yaml does not know.",
        "It is for ada.",
        "Show them the plan: invoke reset --tier=stg --dry-run",
    ),
    "E-AGENT": (
        request_for(PROD, MIGRATE, AGENT, "flag_on"),
        "This command was started by an AI agent (CLAUDECODE is set). Agents may plan; people apply.",
        "To the agent: stop here and show the plan to the person you work for.",
        "The plan: invoke migrate --tier=prod --dry-run",
    ),
    "E-NO-PERSON": (
        request_for(PROD, OPEN, SCRIPT, "flag_on"),
        "Production access requested in non-interactive mode: standard input is not a terminal.",
        "PROD needs a person who reads the plan and types the answer, or an approval of the plan.",
        "A person runs it at a terminal. To see where it leads: invoke status --tier=prod",
    ),
    "E-SIGNATURE": (
        replace(request_for(PROD, MIGRATE, CI, "flag_on"), brought=FORGED),
        "Approval 1 is none.",
        "Nothing was changed.",
        "Ask for it anew: invoke plan <operation> --tier=<tier> --out=plan.json",
    ),
    "E-RELOADER": (
        request_for(PROD, OPEN, TERMINAL, "flag_on", "reloaded"),
        "PROD was asked for inside a reloader or a worker process.",
        "The question would come again at every reload and once per worker.",
        "Ask once, before the server starts: invoke run --tier=prod -- <command>",
    ),
}


@pytest.mark.parametrize(
    ("kind", "flags"),
    [(TERMINAL, ()), (SCRIPT, ("flag_on",)), (AGENT, ("flag_on",))],
    ids=["no flag", "script", "agent"],
)
def test_a_seed_that_is_refused_on_prod_names_the_tier_that_is_for_it(kind: Kind, flags: tuple[str, ...]) -> None:
    stg = ". Rows to develop with go into STG: invoke seed --tier=stg"
    verdicts = [admit(request_for(PROD, operation, kind, *flags)) for operation in (SEED, MIGRATE)]

    assert [isinstance(each, Refuse) and each.instead.endswith(stg) for each in verdicts] == [True, False]


@pytest.mark.parametrize("code", ADMISSIONS)
def test_a_refusal_before_connecting_says_exactly(code: str) -> None:
    request, saw, why, instead = ADMISSIONS[code]

    assert admit(request) == Refuse(code=code, saw=saw, why=why, instead=instead)


@pytest.mark.parametrize(
    ("code", "operation", "seen", "saw", "instead"),
    [
        (
            "E-STAMP",
            SEED,
            {"stamp": StampState.OTHER_TIER, "stamped_as": "prod"},
            "The database shop_stg is stamped PROD. Whatever its URL says, the server decides.",
            CHECK,
        ),
        (
            "E-DRIFT",
            MIGRATE,
            {"drift": Drift.THERE, "drifted": ("index public.by_name is extra", "b", "c", "d", "e")},
            "shop_stg is not what its revisions produce: index public.by_name is extra; b; c and 2 more.",
            "To see both sides of each difference: invoke drift --tier=stg",
        ),
        (
            "E-DRIFT",
            MIGRATE,
            {"drift": Drift.UNKNOWN, "drifted": ("extension postgis is missing",)},
            "Whether shop_stg is what its revisions produce could not be found out: extension postgis is missing.",
            "To see both sides of each difference: invoke drift --tier=stg",
        ),
        (
            "E-PROJECT",
            SEED,
            {"stamp": StampState.OTHER_PROJECT},
            "The database shop_stg is stamped by another project that uses this server.",
            CHECK,
        ),
        (
            "E-UNREADABLE",
            SEED,
            {"stamp": StampState.UNREADABLE},
            "The database shop_stg holds a stamp that cannot be read. What is unknown is refused.",
            CHECK,
        ),
        (
            "E-COPIED",
            SEED,
            {"stamp": StampState.COPIED},
            "The database shop_stg carries the stamp of another database: it is a copy or a restored dump.",
            "To take it over on purpose: invoke adopt --tier=stg",
        ),
        (
            "E-NAME",
            SEED,
            {"name": NameState.OTHER},
            "The name shop_stg says that this database belongs to another tier than STG.",
            CHECK,
        ),
        (
            "E-RECOVERED",
            SEED,
            {"server_role": ServerRole.RECOVERED},
            "The server is a recovered copy beside the live one: shop_stg there is to be looked at and copied from.",
            CHECK,
        ),
        (
            "E-STANDBY",
            SEED,
            {"server_role": ServerRole.STANDBY},
            "The server is a standby: it follows another server and takes no writes.",
            CHECK,
        ),
        (
            "E-RIGHTS",
            MIGRATE,
            {"lacking": ("write dbtasks.ledger (GRANT INSERT ...)", "write the version table (GRANT UPDATE ...)")},
            "The role may not write dbtasks.ledger (GRANT INSERT ...); nor write the version table (GRANT UPDATE ...).",
            "Let the owner grant what stands in brackets, then: invoke migrate --tier=stg --dry-run",
        ),
        (
            "E-NOT-LIVE",
            SEED,
            {"use": Use.TEMPLATE},
            "The database shop_stg is a template database, not a live one.",
            CHECK,
        ),
        (
            "E-NOT-LIVE",
            SEED,
            {"use": Use.NOT_LIVE},
            "The database shop_stg is registered as something else than live, not a live one.",
            CHECK,
        ),
        (
            "E-NOT-LIVE",
            RESET,
            {"use": Use.CLONE},
            "The database shop_stg is made for tests, not a live one.",
            f"{CHECK}. A test that needs another database asks for the fixture fresh_database",
        ),
        ("E-ABSENT", SEED, ABSENT, NOWHERE, BUILD_STG),
        (
            "E-ABSENT",
            RESET,
            ABSENT | {"replacing": Replacing.NO_CREATEDB},
            "There is no database shop_stg on that server, and the role may not create databases.",
            CREATE_STG,
        ),
        ("E-ABSENT", RESET, ABSENT | {"name": NameState.FREE}, NOWHERE, CREATE_STG),
        ("E-NO-STAMP", SEED, {"stamp": StampState.MISSING}, UNSTAMPED, ADOPT_STG),
        ("E-NO-STAMP", SEED, EMPTY, UNSTAMPED, BUILD_STG),
        ("E-NO-STAMP", RESET, EMPTY | {"name": NameState.FREE}, UNSTAMPED, ADOPT_STG),
        (
            "E-POOLER",
            SEED,
            {"route": Route.POOLED},
            "The connection goes through a pooler, where settings and locks are shared between clients.",
            "Set the tier's URL to the server itself, then run: invoke check",
        ),
        (
            "E-NO-WAY-BACK",
            RESET,
            {"replacing": Replacing.FIXED_NAME},
            "shop_stg cannot be kept aside while another takes its place: its name is fixed.",
            "To bring its schema up to date and keep its rows: invoke migrate --tier=stg",
        ),
        (
            "E-OBSTACLE",
            RESET,
            {"replacing": Replacing.OBSTACLES, "obstacles": ("view v depends on table t", "a slot")},
            "shop_stg cannot be kept aside, nor its schemas: view v depends on table t; a slot.",
            "To bring its schema up to date and keep its rows: invoke migrate --tier=stg",
        ),
        (
            "E-NOT-PROVEN",
            MIGRATE,
            {"proof": Proof.UNPROVEN, "proof_report": report_of(Fault.MISSING)},
            "STG does not have c41f.",
            "To prove them first: invoke migrate --through=stg",
        ),
        (
            "E-NOT-PROVEN",
            MIGRATE,
            {"proof": Proof.UNKNOWN},
            "The tier before has not proven the pending revisions with the same bytes.",
            CHECK,
        ),
        (
            "E-HISTORY",
            MIGRATE,
            {"proof": Proof.CONTRADICTED},
            "What shop_stg has run and what this code has contradict each other.",
            CHECK,
        ),
        (
            "E-NOT-REHEARSED",
            DOWNGRADE,
            {"floor": replace(STG.floor, may_lose=Loss.NOTHING)},
            "What shop_stg would lose by a downgrade has not been shown by a rehearsal.",
            "To go on from what it holds: write a revision that undoes it, then: invoke migrate --through=stg",
        ),
        (
            "E-REHEARSAL",
            MIGRATE,
            {
                "rehearsal": Rehearsal.FAILED,
                "rehearsed_as": ("revision 9e01: UndefinedColumn: no", "raised in v/9.py:14"),
            },
            "The rehearsal failed: revision 9e01: UndefinedColumn: no; raised in v/9.py:14.",
            "Mend it, then: invoke migrate --tier=stg --dry-run",
        ),
        (
            "E-WOULD-FAIL",
            MIGRATE,
            {
                "rehearsal": Rehearsal.CONTRADICTED,
                "rehearsed_as": ("demands a value in users.phone, which lack 3 rows",),
            },
            "What shop_stg holds does not let the revisions run: demands a value in users.phone, which lack 3 rows.",
            "Mend the rows, or the revision, then: invoke migrate --tier=stg --dry-run",
        ),
        (
            "E-REVISION-TORN",
            MIGRATE,
            {"torn": (Torn(revision="9e01"),)},
            "revision 9e01 left its transaction and did not come back.",
            ("Take back what it did (rows, DROP INDEX CONCURRENTLY ...), then: invoke migrate --tier=stg --retry=9e01"),
        ),
        (
            "E-REVISION-TORN",
            MIGRATE,
            {"torn": (Torn(revision="9e01", back_to="c41f"),), "leftovers": ("public.ix",)},
            "revision 9e01 left public.ix behind, invalid.",
            (
                "Put back what its downgrade has taken away, and remove what is invalid, then: "
                "invoke downgrade --tier=stg --to=c41f --retry=9e01"
            ),
        ),
        (
            "E-UNCOUNTED",
            MIGRATE,
            {
                "rehearsal": Rehearsal.UNCOUNTED,
                "rehearsed_as": ("drops users.phone: values, how many could not be counted",),
            },
            (
                "How much of shop_stg would be lost can be neither counted nor estimated: "
                "drops users.phone: values, how many could not be counted."
            ),
            (
                "Let the server estimate it (ANALYZE of that table), or let the role read all its rows, then: "
                "invoke migrate --tier=stg --dry-run"
            ),
        ),
        (
            "E-NO-ANSWER",
            MIGRATE,
            {"rehearsal": Rehearsal.NOT_REHEARSED},
            f"migrate may take data from shop_stg, {NOBODY}",
            "To see what would go: invoke migrate --tier=stg --dry-run. A script that means it passes --yes.",
        ),
        (
            "E-APPROVALS",
            SEED,
            {"floor": replace(STG.floor, approvals=2)},
            "shop_stg demands that 2 people approve a plan, besides whoever asks.",
            "To have it approved: invoke plan seed --tier=stg --out=plan.json",
        ),
        (
            "E-TAKE-OVER",
            ADOPT,
            {"stamp": StampState.MISSING},
            "Only a person at a terminal can say that shop_stg is STG from now on.",
            "At a terminal: invoke adopt --tier=stg",
        ),
        (
            "E-NO-ANSWER",
            RESET,
            {},
            f"reset would replace what shop_stg holds, {NOBODY}",
            "To keep its rows: invoke migrate --tier=stg. A script that means it passes --yes.",
        ),
        (
            "E-NO-ANSWER",
            UNDO,
            {},
            f"undo would take shop_stg as it is now out of service, {NOBODY}",
            "To see what is kept: invoke undo --list --tier=stg. A script that means it passes --yes.",
        ),
        (
            "E-NO-ANSWER",
            RESTORE,
            {},
            f"restore would take shop_stg as it is now out of service, {NOBODY}",
            "To see what there is: invoke backups --tier=stg. A script that means it passes --yes.",
        ),
        (
            "E-NO-ANSWER",
            COPY_BACK,
            {},
            f"restore --table would give rows of shop_stg the values that a backup has, {NOBODY}",
            "To see what there is: invoke backups --tier=stg. A script that means it passes --yes.",
        ),
        (
            "E-NO-ANSWER",
            PRUNE,
            {},
            f"prune would drop for good what is kept of shop_stg and whose time is over, {NOBODY}",
            "To see what would go: invoke prune --tier=stg --dry-run. A script that means it passes --yes.",
        ),
        (
            "E-NO-ANSWER",
            DOWNGRADE,
            {},
            f"downgrade would take back revisions of shop_stg, with what they have made, {NOBODY}",
            f"To see what would be taken back: {TAKE_BACK_STG}. A script that means it passes --yes.",
        ),
        (
            "E-NO-ANSWER",
            LIFT,
            {},
            f"harden --undo would take the guards away that stand inside shop_stg, {NOBODY}",
            "To see which guards stand: invoke harden --check --tier=stg. A script that means it passes --yes.",
        ),
        (
            "E-OBSTACLE",
            UNDO,
            {"replacing": Replacing.OBSTACLES, "obstacles": ("a slot",)},
            "shop_stg cannot be kept aside, nor its schemas: a slot.",
            "To see what is kept: invoke undo --list --tier=stg",
        ),
    ],
)
def test_a_refusal_after_looking_says_exactly(
    code: str, operation: Operation, seen: dict[str, object], saw: str, instead: str
) -> None:
    verdict = verdict_on(request_for(STG, operation, SCRIPT), **seen)

    assert isinstance(verdict, Refuse)
    assert replace(verdict, shown=None) == Refuse(code=code, saw=saw, why="Nothing was changed.", instead=instead)
    assert verdict.shown == seen.get("proof_report")


def test_what_may_lose_nothing_is_refused_where_it_could_not_be_rehearsed() -> None:
    seen = {"rehearsal": Rehearsal.NOT_REHEARSED, "rehearsed_as": ("the scratch server lacks the extension pgcrypto",)}

    assert verdict_on(request_for(PROD, MIGRATE, TERMINAL, "flag_on"), **seen) == Refuse(
        code="E-NOT-REHEARSED",
        saw="The revisions could not be rehearsed: the scratch server lacks the extension pgcrypto.",
        why="Nothing was changed.",
        instead="Name a scratch server that can hold it in migrations.scratch in config/tiers.yaml, then: "
        "invoke migrate --tier=prod --dry-run",
    )


def test_a_stamp_that_demands_a_person_outweighs_looser_settings() -> None:
    verdict = verdict_on(request_for(STG, SEED, TERMINAL), floor=PERSON)

    assert verdict == Refuse(
        code="E-FLOOR",
        saw="The stamp in shop_stg demands the tier's flag and a person; the settings demand less.",
        why="Nothing was changed.",
        instead=CHECK,
    )


@pytest.mark.parametrize(
    ("kind", "flags", "code"),
    [(AGENT, (), "E-AGENT"), (CI, (), "E-NO-PERSON"), (TERMINAL, ("reloaded", "flag_on"), "E-RELOADER")],
)
def test_a_raised_floor_refuses_whom_the_settings_would_have_refused(
    kind: Kind, flags: tuple[str, ...], code: str
) -> None:
    request = request_for(STG, SEED, kind, *flags)

    verdict = verdict_on(request, floor=PERSON)

    assert isinstance(verdict, Refuse)
    assert verdict.code == code


@pytest.mark.parametrize(
    ("armed", "said"),
    [
        (Armed(state=Arming.NOT_ASKED), "was not looked at"),
        (Armed(state=Arming.OFF), "is not armed"),
        (
            Armed(state=Arming.ENDED, why="it was until 23 Nov 14:02 UTC by the server's clock"),
            "is not armed any more: it was until 23 Nov 14:02 UTC by the server's clock",
        ),
        (Armed(state=Arming.UNKNOWN, why="the server is gone"), "cannot be asked about: the server is gone"),
    ],
    ids=["not asked", "off", "ended", "unknown"],
)
def test_a_terminal_that_is_not_armed_is_told_how_to_be(armed: Armed, said: str) -> None:
    verdict = verdict_on(request_for(CAUTIOUS, SEED, TERMINAL, "flag_on"), armed=armed)

    assert verdict == Refuse(
        code="E-DISARMED",
        saw=f"PROD asks for an armed terminal, and this one {said}.",
        why="Nothing was changed.",
        instead='At this terminal, for a while: invoke arm --tier=prod --minutes=15 --reason="..."',
    )


def refusals(stride: int) -> Iterator[tuple[Request, Situation | None, Refuse]]:
    """Every refusal before connecting; after it all, or those of a part in which every request comes."""
    for request in itertools.chain.from_iterable(
        itertools.chain(requests(tier), paper_requests(tier)) for tier in (*TIERS, *LIMITED)
    ):
        verdict = admit(request)
        if isinstance(verdict, Refuse):
            yield request, None, verdict
    for tier in TIERS:
        asked = [request for request in requests(tier) if may_connect(request) and not request.looks_only]
        for cell in itertools.chain(
            cells(asked, list(plain_situations(tier)), stride=stride),
            obstacle_grid(tier, at_most=1, stride=stride),
            rehearsal_grid(tier, stride=11 * stride),
            approval_grid(tier, stride=5 * stride),
        ):
            request, situation, effect = cell
            case = Case(request=request, situation=situation, database="shop", effect=effect, plan_hash="7f3a")
            found = judge(case)
            if isinstance(found, Refuse):
                yield request, situation, found
    for request, situation, effect in arming_grid(CAUTIOUS, stride=5 * stride):
        case = Case(request=request, situation=situation, database="shop", effect=effect, plan_hash="7f3a")
        if isinstance(found := judge(case), Refuse):
            yield request, situation, found


COMMAND = re.compile(
    r"invoke (?:reset|restore|recover|backup|undo|seed|migrate|downgrade|prepare|prune|adopt)\b"
    r"|invoke (?:harden|roles\.apply|roles\.check|plan|approve|arm)\b"
    r"|invoke (?:status|check|backups|drift|lint|run|audit)\b"
)


@pytest.mark.parametrize(
    "stride",
    [
        pytest.param(1, id="all", marks=[pytest.mark.table, pytest.mark.timeout(600)]),
        pytest.param(5, id="a fifth", marks=pytest.mark.thorough),
        pytest.param(23, id="some"),
    ],
)
def test_no_refusal_names_a_way_around_itself_and_each_names_a_command_that_helps(stride: int) -> None:
    seen: set[tuple[object, ...]] = set()
    for request, situation, refusal in refusals(stride):
        text = f"{refusal.why} {refusal.instead}"
        key = (request.tier.name, request.operation.name, situation and situation.floor, refusal)
        if key in seen:
            continue
        seen.add(key)
        assert COMMAND.search(refusal.instead), refusal
        assert "USE_" not in text, refusal
        assert "=true" not in f"{refusal.saw} {text}", refusal
        assert "None" not in f"{refusal.saw} {text}", refusal
        if "--yes" in f"{refusal.saw} {text}":
            assert situation is not None, refusal
            assert situation.floor.scripts_may_answer, refusal
            assert request.surroundings.kind is not Kind.PYTEST, refusal
        task = "run" if request.operation.hands_out else request.operation.name
        if f"invoke {task} --tier={request.tier.name}" in refusal.instead:
            # The same command again helps only as a plan, where a person is, or when something else was done first.
            assert re.search(r"--dry-run|--retry=|At a terminal|before the server starts|Create it", refusal.instead), (
                refusal
            )
    assert {refusal.code for *_, refusal in seen if isinstance(refusal, Refuse)} == {
        *ADMISSIONS, "E-STAMP", "E-PROJECT", "E-UNREADABLE", "E-COPIED", "E-NAME", "E-STANDBY", "E-NOT-LIVE",
        "E-ABSENT", "E-NO-STAMP", "E-POOLER", "E-RIGHTS", "E-NO-WAY-BACK", "E-OBSTACLE", "E-FLOOR", "E-NOT-PROVEN",
        "E-REHEARSAL", "E-WOULD-FAIL", "E-UNCOUNTED", "E-REVISION-TORN", "E-NOT-REHEARSED", "E-HISTORY",
        "E-NO-BACKUP",
        "E-SIGNERS", "E-OTHER-TARGET", "E-REPLAYED", "E-ENDED", "E-CHANGED",
        "E-APPROVALS", "E-DRIFT", "E-TAKE-OVER", "E-NO-ANSWER", "E-RECOVERED",
        "E-DISARMED",
    }  # fmt: skip


def test_a_refusal_becomes_an_error_with_exit_code_3() -> None:
    error = Refuse(code="E-NAME", saw="Seen.", why="Why.", instead="Do: invoke check").error()

    assert (error.exit_code, str(error)) == (3, "refused (E-NAME)\n  Seen.\n  Why.\n  Do: invoke check")
