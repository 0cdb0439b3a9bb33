"""A plan on paper: read strictly, signed by known people, and what an approval comes to."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from dbtasks import paper_card
from dbtasks.approval_rules import refuse_approver
from dbtasks.approvals import decoding, signature
from dbtasks.approvals.document import Agreement, Asked, Content, NotAPlanError, Paper, read
from dbtasks.approvals.signers import Signers, fingerprint
from dbtasks.approvals.signers import read as read_signers
from dbtasks.brought import Approval, Brought, Person, Scales, agreeing, weigh
from dbtasks.canonical import canonical
from dbtasks.console import Console
from dbtasks.effects import Effect
from dbtasks.plan import Plan, plan_of
from dbtasks.proof import Vouched
from dbtasks.rehearsed import fingerprint as statements_fingerprint
from dbtasks.statements import Statement
from dbtasks.surroundings import Kind, Surroundings
from tests.unit.guard_cells import BROUGHT, PROD
from tests.unit.guard_samples import MIGRATE, OPEN, evidence_of
from tests.unit.test_plan import APPLY, CEILING, STEPS

NOW = datetime(2026, 1, 31, 15, 0, tzinfo=UTC)
ANNA = Person(names=("anna@example.com",), key="SHA256:anna")
BEN = Person(names=("ben@example.com", "ben"), key="SHA256:ben")
CLEO = Person(names=("cleo@example.com",), key="SHA256:cleo")
GOOD = replace(BROUGHT, requester=ANNA, approvers=(BEN,))
HOUR = timedelta(hours=1)
SCALES = Scales(plan=GOOD.plan, server=GOOD.server, oid=GOOD.oid, demanded=0, signers="ab", clock=NOW, within=24 * HOUR)


# What an approval comes to


@pytest.mark.parametrize(
    ("brought", "scales", "approval"),
    [
        pytest.param(GOOD, SCALES, Approval.GIVEN, id="asked for by one, approved by another"),
        pytest.param(replace(GOOD, forged="no"), SCALES, Approval.FORGED, id="forged"),
        pytest.param(GOOD, replace(SCALES, signers=None), Approval.NO_SIGNERS, id="a stamp without signers"),
        pytest.param(GOOD, replace(SCALES, signers=""), Approval.NO_SIGNERS, id="a stamp with no signer's digest"),
        pytest.param(GOOD, replace(SCALES, signers="ac"), Approval.OTHER_SIGNERS, id="signers edited"),
        pytest.param(GOOD, replace(SCALES, server=7302), Approval.OTHER_TARGET, id="another server"),
        pytest.param(GOOD, replace(SCALES, oid=16385), Approval.OTHER_TARGET, id="another database of that name"),
        pytest.param(replace(GOOD, oid=None), SCALES, Approval.OTHER_TARGET, id="where none was"),
        pytest.param(GOOD, replace(SCALES, spent="by ben"), Approval.SPENT, id="spent"),
        pytest.param(GOOD, replace(SCALES, clock=GOOD.expires_at), Approval.ENDED, id="ended that moment"),
        pytest.param(GOOD, replace(SCALES, clock=GOOD.expires_at - HOUR), Approval.GIVEN, id="an hour before"),
        pytest.param(GOOD, replace(SCALES, clock=GOOD.requested_at - HOUR), Approval.NOT_YET, id="not yet"),
        pytest.param(
            replace(GOOD, requested_at=NOW - 24 * HOUR, expires_at=NOW + 999 * HOUR),
            SCALES,
            Approval.ENDED,
            id="asked for to last longer than the tier lets any plan",
        ),
        pytest.param(GOOD, replace(SCALES, plan="0" * 64), Approval.OTHER_PLAN, id="another plan"),
        pytest.param(replace(GOOD, approvers=()), SCALES, Approval.TOO_FEW, id="asked for, approved by nobody"),
        pytest.param(replace(GOOD, approvers=(ANNA,)), SCALES, Approval.TOO_FEW, id="approved by who asks"),
        pytest.param(replace(GOOD, requester=None), SCALES, Approval.TOO_FEW, id="nobody asked, one approved"),
        pytest.param(
            replace(GOOD, requester=None, approvers=(BEN, CLEO)),
            SCALES,
            Approval.GIVEN,
            id="nobody asked, two approved",
        ),
        pytest.param(replace(GOOD, approvers=(BEN, BEN)), replace(SCALES, demanded=2), Approval.TOO_FEW, id="twice"),
        pytest.param(GOOD, replace(SCALES, demanded=1), Approval.GIVEN, id="one demanded"),
        pytest.param(GOOD, replace(SCALES, demanded=2), Approval.TOO_FEW, id="two demanded, one given"),
        pytest.param(
            replace(GOOD, approvers=(BEN, CLEO)),
            replace(SCALES, demanded=2),
            Approval.GIVEN,
            id="two demanded and given",
        ),
    ],
)
def test_an_approval_comes_to(brought: Brought, scales: Scales, approval: Approval) -> None:
    found = weigh(brought, scales)

    assert found.approval is approval
    assert (found.why == "") is (approval is Approval.GIVEN)


def test_the_clock_of_another_zone_is_the_same_clock() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=14)))

    assert weigh(GOOD, replace(SCALES, clock=east)).approval is Approval.GIVEN


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(replace(ANNA, key="SHA256:other"), id="another key under her name"),
        pytest.param(replace(ANNA, names=("anna",)), id="her key under another name"),
        pytest.param(replace(CLEO, names=("cleo", "anna@example.com")), id="one of several names"),
    ],
)
def test_nobody_is_two_people(second: Person) -> None:
    assert agreeing(replace(GOOD, approvers=(second,)), NOW) == (ANNA,)


@pytest.mark.parametrize(
    ("after", "before", "counts"),
    [(None, None, True), (NOW, None, True), (NOW + HOUR, None, False), (None, NOW, False), (None, NOW + HOUR, True)],
)
def test_a_key_counts_in_its_time_by_the_servers_clock(
    after: datetime | None, before: datetime | None, counts: bool
) -> None:
    ben = replace(BEN, valid_after=after, valid_before=before)

    assert (ben in agreeing(replace(GOOD, approvers=(ben,)), NOW)) is counts


@pytest.mark.parametrize(
    ("brought", "expected"),
    [
        (replace(GOOD, approvers=()), "Anna@example.com asked for it, nobody else agreed: 1 more person must agree."),
        (
            replace(GOOD, requester=None),
            "Nobody with a key asked for it, ben@example.com agreed: 1 more person must agree.",
        ),
        (
            replace(GOOD, requester=None, approvers=()),
            "Nobody with a key asked for it, nobody else agreed: 2 more people must agree.",
        ),
    ],
)
def test_what_is_missing_is_said(brought: Brought, expected: str) -> None:
    assert weigh(brought, SCALES).why == expected


def test_the_trail_keeps_who_asked_and_who_agreed() -> None:
    assert GOOD.as_data() == {
        "id": GOOD.id,
        "requested_by": "anna@example.com",
        "approved_by": ["ben@example.com"],
    }
    assert replace(GOOD, requester=None).as_data()["requested_by"] is None


@pytest.mark.parametrize(
    ("kind", "reloaded", "code"),
    [
        (Kind.TERMINAL, False, None),
        (Kind.TERMINAL, True, "E-NO-PERSON"),
        (Kind.AGENT, False, "E-AGENT"),
        (Kind.CI, False, "E-NO-PERSON"),
        (Kind.SCRIPT, False, "E-NO-PERSON"),
        (Kind.RUNTIME, False, "E-NO-PERSON"),
        (Kind.PYTEST, False, "E-NO-PERSON"),
    ],
)
def test_only_a_person_at_a_terminal_approves(kind: Kind, reloaded: bool, code: str | None) -> None:
    found = refuse_approver(Surroundings(kind=kind, because="a sign", reloaded=reloaded))

    assert (found.code if found else None) == code


# The paper

SQL = ("ALTER TABLE users DROP COLUMN phone",)
DOES = replace(
    APPLY,
    revisions=APPLY.revisions[1:],
    statements=(statements_fingerprint(tuple(Statement(text=text) for text in SQL)),),
    ceilings=(CEILING,),
)
PLAN = plan_of(MIGRATE, evidence_of(PROD), Effect.DESTROY, (DOES,))
CONTENT = Content(
    id="5e" * 16,
    plan=PLAN,
    asked=Asked(retry=("c41f",), seed_sets=("reference",)),
    place="postgresql://migrator:***@db-7/shop_prod",
    asked_by="anna at desk",
    requested_at=NOW,
    expires_at=NOW + 24 * HOUR,
    statements=(SQL,),
    at_risk=("drops users.phone: 18,442 values",),
    vouched=Vouched(tier="stg", server=7301, oid=16403, ledger=(("c41f", "5d" * 32),)),
)
PAPER = Paper(content=CONTENT, request="signed", agreements=(Agreement(reason="read", signature="signed, too"),))


def whole(steps: tuple[Any, ...]) -> Plan:
    return plan_of(MIGRATE, evidence_of(PROD), Effect.DESTROY, steps)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_every_step_comes_back_from_paper_as_it_was(step: Any) -> None:
    assert decoding.step(json.loads(json.dumps(canonical(step)))) == step


def test_a_paper_comes_back_as_it_was() -> None:
    assert read(PAPER.as_text()) == PAPER
    assert read(PAPER.as_text()).content.plan.hash == PLAN.hash


def test_no_database_and_no_revisions_come_back_too() -> None:
    content = replace(CONTENT, plan=replace(whole(()), target=None), statements=(), asked=Asked())

    assert read(Paper(content=content).as_text()).content == content
    assert content.ceilings is None
    assert CONTENT.ceilings == (CEILING,)


def test_layout_is_not_what_is_signed() -> None:
    other = json.dumps(json.loads(PAPER.as_text()), indent=8, sort_keys=True)

    assert read(other).content.text == CONTENT.text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("hash",), "0" * 64),
        (("operation",), "seed"),
        (("tier",), "stg"),
        (("project",), "club"),
        (("database",), "shop_stg"),
        (("server",), 7302),
        (("target", "oid"), 1),
        (("target",), None),
        (("effect",), "ADD"),
        (("steps", 0, "revisions", 0, "checksum"), "0"),
        (("steps", 0, "ceilings", 0, "most"), 99_999),
        (("steps", 0, "lint"), ["drop-table c41f"]),
        (("statements", 0, 0), "CREATE TABLE harmless ()"),
        (("statements",), [[]]),
    ],
)
def test_an_edited_plan_is_none(path: tuple[Any, ...], value: object) -> None:
    with pytest.raises(NotAPlanError, match="edited"):
        read(_edited(path, value))


@pytest.mark.parametrize(
    "name", ["id", "asked_by", "place", "requested_at", "expires_at", "at_risk", "asked", "vouched"]
)
def test_what_is_beside_the_steps_is_signed_with_them(name: str) -> None:
    others = {
        "id": "6f" * 16,
        "asked_by": "ben at desk",
        "place": "elsewhere",
        "requested_at": NOW - HOUR,
        "expires_at": NOW + 999 * HOUR,
        "at_risk": (),
        "asked": Asked(),
        "vouched": None,
    }
    other = replace(CONTENT, **{name: others[name]})  # type: ignore[arg-type]  # fields by name

    assert (other.text == CONTENT.text, other.agreed("read") == CONTENT.agreed("read")) == (False, False)
    assert CONTENT.agreed("read") != CONTENT.agreed("not read")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param("[" * 100_000, "not JSON", id="deep"),
        pytest.param("[]", "parts", id="a list"),
        pytest.param("null", "parts", id="nothing"),
        pytest.param('{"plan": NaN, "request": "", "approvals": []}', "no number", id="no number"),
        pytest.param('{"plan": {}, "plan": {}, "request": "", "approvals": []}', "twice", id="twice"),
        pytest.param('{"plan": {}, "request": "", "approvals": []}', "parts", id="no content"),
        pytest.param('{"plan": [], "request": "", "approvals": []}', "wrong kind", id="wrong kind"),
        pytest.param('{"plan": {}, "request": "", "approvals": [{}]}', "an approval", id="no approval"),
        pytest.param(json.dumps({"plan": {}, "request": "", "approvals": [0] * 51}), "too many", id="many"),
        pytest.param(" " * 20_000_001, "too long", id="long"),
    ],
)
def test_what_is_no_paper_is_told(text: str, why: str) -> None:
    with pytest.raises(NotAPlanError, match=why):
        read(text)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("format",), "dbtasks plan 2", "another version"),
        (("server",), True, "wrong kind"),
        (("id",), "../../etc", "its id"),
        (("operation",), OPEN.name, "not done by a plan on paper"),
        (("operation",), "nonsense", "not done by a plan on paper"),
        (("effect",), "EVERYTHING", "expected one of"),
        (("effect",), "__members__", "expected one of"),
        (("requested_at",), "yesterday", "cannot be read"),
        (("requested_at",), "2026-01-31T15:00:00", "zone"),
        (("steps", 0, "is"), "System", "does not know"),
        (("steps", 0), "DropAll", "does not know"),
        (("steps", 0, "heads"), "c41f", "expected a list"),
        (("steps", 0, "heads"), [1], "expected str"),
        (("steps", 0, "revisions", 0, "is"), "Ceiling", "expected RevisionBytes"),
        (("steps", 0, "revisions", 0, "id"), 1, "expected str"),
        (("steps", 0, "revisions", 0, "more"), 1, "expected RevisionBytes"),
        (("steps", 0, "ceilings", 0, "most"), True, "expected int"),
        (("steps",), [{"is": "SwapIn", "keep": "long", "replaces": True, "schemas": None}], "expected a time"),
        (("steps",), [{"is": "SwapIn", "keep": 1e300, "replaces": True, "schemas": None}], "cannot be read"),
    ],
)
def test_a_paper_is_read_strictly(path: tuple[Any, ...], value: object, why: str) -> None:
    with pytest.raises(NotAPlanError, match=why):
        read(_edited(path, value))


def _edited(path: tuple[Any, ...], value: object) -> str:
    data = json.loads(PAPER.as_text())
    inner = data["plan"]
    for each in path[:-1]:
        inner = inner[each]
    inner[path[-1]] = value
    return json.dumps(data)


def test_nothing_that_a_paper_says_is_a_line_of_its_own_or_turns_one_around() -> None:
    message = "harmless\n  data at risk    none\u202e\x1b[2K"
    step = replace(DOES, revisions=tuple(replace(each, message=message) for each in DOES.revisions))
    content = replace(CONTENT, plan=whole((step,)), place=f"elsewhere{message}", asked_by=message, at_risk=(message,))
    shown = list(paper_card.lines(Console({}), PROD, Paper(content=content), replace(BROUGHT, approvers=(BEN,))))

    assert [line for line in shown if not line.isprintable()] == []
    assert [line for line in shown if "at risk" in line and "harmless" not in line] == [
        "  data at risk    drops column users.phone: at most 18,500"
    ]
    assert "  asked for by    nobody with a key: one more person must approve" in "".join(shown)
    assert shown[-1] == "  approved by     ben@example.com"


# Who may sign


def blob_of(kind: str, seed: int = 1) -> bytes:
    return struct.pack(">I", len(kind)) + kind.encode() + struct.pack(">I", 32) + bytes([seed] * 32)


def key_of(seed: int = 1, kind: str = "ssh-ed25519") -> str:
    return f"{kind} {base64.b64encode(blob_of(kind, seed)).decode()}"


KEY = key_of()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        pytest.param(f"anna@example.com {KEY}", ("anna@example.com",), id="plain"),
        pytest.param(f"anna@example.com {KEY} anna at desk", ("anna@example.com",), id="a comment"),
        pytest.param(f'"anna,a@b" {KEY}', ("anna", "a@b"), id="quoted names"),
        pytest.param(f"anna\t{KEY}", ("anna",), id="a tab"),
        pytest.param(f'anna namespaces="approval@dbtasks,git" {KEY}', ("anna",), id="namespaces"),
        pytest.param(f'anna NAMESPACES="*",valid-before="20300101" {KEY}', ("anna",), id="capitals"),
        pytest.param(f"*@example.com {KEY}", (), id="a pattern names nobody"),
        pytest.param(f"anna,!ben {KEY}", (), id="a negation names nobody"),
        pytest.param(f"anna cert-authority {KEY}", (), id="an authority names nobody"),
    ],
)
def test_a_line_names_whose_key_it_is(line: str, names: tuple[str, ...]) -> None:
    found = read_signers(f"# us\n\n{line.replace(chr(9), ' ')}\n")

    assert found.mistakes == ()
    assert [(each.line, each.names, each.key) for each in found.signers] == [(3, names, KEY)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(KEY, "stands where a name must be", id="no name"),
        pytest.param("anna", "no key after the names", id="no key"),
        pytest.param(f'"anna {KEY}', "a quote that does not end", id="quote"),
        pytest.param(f"anna, {KEY}", "an empty name", id="empty name"),
        pytest.param('anna "', "no key after the names", id="a quote alone"),
        pytest.param("anna ssh-ed25519", "the key is not whole", id="no bytes"),
        pytest.param("anna ssh-ed25519 AAAA", "the key is not whole", id="short"),
        pytest.param("anna ssh-ed25519 !!!!", "the key is not whole", id="no base64"),
        pytest.param(f"anna {KEY.replace('ssh-ed25519', 'ssh-rsa')}", "of another kind", id="another kind"),
        pytest.param(f"anna ssh-dss {KEY}", "unknown option ssh-dss", id="a kind that does not count"),
        pytest.param(f'anna zone="x" {KEY}', "unknown option zone", id="unknown option"),
        pytest.param(f'anna cert-authority="x" {KEY}', "expected no value", id="value of an authority"),
        pytest.param(f"anna namespaces {KEY}", "expected a value in quotes", id="no value"),
        pytest.param(f"anna namespaces=git {KEY}", "expected a kind of key or options", id="no quotes"),
        pytest.param(f'anna valid-after="x" {KEY}', "expected a time", id="no time"),
        pytest.param(f'anna valid-after="20261301" {KEY}', "expected a time", id="month 13"),
        pytest.param(f'anna valid-after="20260101",valid-after="20260101" {KEY}', "twice", id="twice"),
        pytest.param(f'anna valid-after="20270101",valid-before="20260101" {KEY}', "never counts", id="never"),
        pytest.param(f"anna cert-authority valid-after {KEY}", "kind of key such as", id="options apart"),
        pytest.param(f"anna\x00 {KEY}", "not a line of text", id="a zero byte"),
        pytest.param("anna " + "x" * 20_000, "not a line of text", id="long"),
    ],
)
def test_a_mistake_in_the_file_is_named_and_nobody_counts(line: str, said: str) -> None:
    found = read_signers(f"ben {key_of(2)}\n{line}\n")

    assert found.signers == ()
    assert [(each.file, each.line) for each in found.mistakes] == [("config/allowed_signers", 2)]
    assert said in found.mistakes[0].text


def test_one_key_is_one_persons() -> None:
    assert read_signers(f"anna,a {KEY}\na@b,a {KEY}\n").mistakes == ()
    assert "A key is one person's" in read_signers(f"anna {KEY}\nben {KEY}\n").mistakes[0].text


@pytest.mark.parametrize(
    ("spaces", "signs"),
    [(None, True), ("approval@dbtasks", True), ("git", False), ("*@dbtasks", True), ("*,!approval@*", False)],
)
def test_a_key_counts_in_its_namespaces(spaces: str | None, signs: bool) -> None:
    options = f'namespaces="{spaces}" ' if spaces else ""
    found = read_signers(f"anna {options}{KEY}")

    assert (found.of(blob_of("ssh-ed25519"), "approval@dbtasks") is not None) is signs
    assert found.of(blob_of("ssh-ed25519", 9), "approval@dbtasks") is None
    assert Signers(signers=()).of(b"", "x") is None


def test_times_without_a_zone_are_utc() -> None:
    options = 'valid-after="202601311430",valid-before="20260201143059Z"'
    person = read_signers(f"anna {options} {KEY}").signers[0].person

    assert person.valid_after == datetime(2026, 1, 31, 14, 30, tzinfo=UTC)
    assert person.valid_before == datetime(2026, 2, 1, 14, 30, 59, tzinfo=UTC)
    assert (str(person), person.key) == ("anna", fingerprint(blob_of("ssh-ed25519")))


# Signatures


def armored(data: bytes) -> str:
    return f"{signature.BEGIN}\n{base64.b64encode(data).decode()}\n{signature.END}\n"


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


SIGNED = b"SSHSIG" + struct.pack(">I", 1) + string(b"a key") + string(b"approval@dbtasks") + string(b"")


def test_a_signature_says_whose_and_what_for() -> None:
    found = signature.parse(armored(SIGNED))

    assert found is not None
    assert (found.blob, found.namespace) == (b"a key", "approval@dbtasks")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "signed",
        armored(b""),
        armored(SIGNED[:12]),
        armored(SIGNED[:17]),
        armored(SIGNED[:20]),
        armored(SIGNED.replace(b"SSHSIG", b"SSHSIX")),
        armored(SIGNED.replace(struct.pack(">I", 1), struct.pack(">I", 2), 1)),
        armored(SIGNED.replace(b"approval", b"approva\xff")),
        armored(SIGNED).replace("BEGIN", "END"),
        f"{signature.BEGIN}\n!\n{signature.END}",
        armored(SIGNED + b"x" * 20_000),
    ],
)
def test_what_is_no_signature_is_none(text: str) -> None:
    assert signature.parse(text) is None


def test_a_decoder_takes_no_value_for_another() -> None:
    tries: tuple[Callable[[], object], ...] = (
        lambda: decoding.value("x", timedelta),
        lambda: decoding.value(True, timedelta),
        lambda: decoding.value({}, Effect),
    )
    for each in tries:
        with pytest.raises(ValueError, match="expected"):
            each()
