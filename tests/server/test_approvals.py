"""A deployment without a terminal, end to end: planned, approved with keys, run; and whatever is tampered with.

Each refusal leaves PROD, byte for byte as pg_dump writes it, as it was, and stands in the trail.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from dbtasks.approvals import ssh_keygen
from dbtasks.approvals.document import Agreement, Content, Paper, read
from tests.outside import REPOSITORY, Finished
from tests.server.abroad import abroad as abroad
from tests.server.approvals_ground import (
    ARMED,
    TO_APPROVE,
    agree,
    anew,
    ask,
    clean_folder,
    deployed,
    signed,
    signer,
)
from tests.server.road import INVOKE, Project, Server, nothing_changes

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A project, its people's keys, its server, and a plan of seeding PROD that nobody has signed."""

    made: Project
    keys: dict[str, Path]
    server: Server
    content: Content

    def apply(self, paper: Paper | str, **environ: str | None) -> Finished:
        self.made.file("tampered.json", paper if isinstance(paper, str) else paper.as_text())
        return self.made.invoke("apply tampered.json", **{**ARMED, "CI": "true", **environ})

    @contextmanager
    def refusal(self, code: str) -> Iterator[None]:
        """Hold the block to changing nothing, and to leaving this refusal in the trail."""
        count = len(self.made.trail())
        with nothing_changes(self.server, "papers_prod"):
            yield
        assert [(entry["kind"], entry["outcome"]) for entry in self.made.trail()[count:]] == [("refusal", code)]

    @contextmanager
    def edited(self, path: str, change: Callable[[str], str]) -> Iterator[None]:
        file = self.made.root / path
        before = file.read_text()
        assert change(before) != before
        file.write_text(change(before))
        yield
        file.write_text(before)


@pytest.fixture(scope="module")
def shop(abroad: Server) -> Iterator[Shop]:
    with deployed(abroad, "papers") as (made, keys):
        done = ask(made, None, "seed")
        assert done.code == 0, done.text
        content = read((made.root / "plan.json").read_text()).content
        yield Shop(made=made, keys=keys, server=abroad, content=content)


def good(shop: Shop) -> Paper:
    return signed(anew(shop.content), shop.keys["anna"], shop.keys["ben"])


# The drill


def test_a_plan_is_asked_for_by_one_approved_by_another_and_run_once_where_nobody_sits(shop: Shop) -> None:
    made, keys, server = shop.made, shop.keys, shop.server
    made.revision("r4", "op.execute('CREATE TABLE rooms (id int PRIMARY KEY)')")
    walked = made.invoke("migrate --through=stg")
    with nothing_changes(server, "papers_prod"):
        asked = ask(made, keys["anna"])
        own = made.terminal(f"approve plan.json --reason=mine --key={keys['anna']}")
        agreed = agree(made, keys["ben"])
    (made.root / "plan.json").rename(made.root.parent / "plan.json")
    wordless = replace(read((made.root.parent / "plan.json").read_text()).content, vouched=None)
    made.file("../wordless.json", signed(anew(wordless), keys["anna"], keys["ben"]).as_text())
    with clean_folder(made) as there:
        del there.urls["stg_database_url"]  # staging is on somebody's laptop
        with nothing_changes(server, "papers_prod"):
            unproven = there.invoke("apply ../wordless.json", **ARMED)
        done = there.invoke("apply ../plan.json", **ARMED)
        with nothing_changes(server, "papers_prod"):
            again = there.invoke("apply ../plan.json", **ARMED)
        entries = [(entry["kind"], entry.get("outcome"), entry["surroundings"]) for entry in there.trail()]
        approval = there.trail()[1]["detail"]["approval"]

    none = ask(made, keys["anna"], out="none.json")

    assert [each.code for each in (walked, asked, own, agreed, done, again, none)] == [0, 0, 3, 0, 0, 3, 0], done.text
    assert "nothing to do, and so nothing to approve" in none.text
    assert not (made.root / "none.json").exists()
    assert "anna@example.com has asked for this plan" in own.out
    for fact in (
        "CREATE TABLE rooms",
        "asked for by",
        "papers_prod",
        "data at risk    none",
        "by the word of stg (database",
    ):
        assert fact in agreed.out
    assert "E-REPLAYED" in again.text
    assert unproven.code == 3
    assert entries == [
        ("refusal", "E-NOT-PROVEN", "ci"),
        ("intent", None, "ci"),
        ("result", "done", "ci"),
        ("refusal", "E-REPLAYED", "ci"),
    ]
    assert (approval["requested_by"], approval["approved_by"]) == ("anna@example.com", ["ben@example.com"])
    assert server.sql("SELECT version_num FROM alembic_version", "papers_prod") == ["r4"]
    assert server.sql("SELECT requested_by, approved_by FROM dbtasks.spent ORDER BY spent_at DESC", "papers_prod")[
        0
    ] == (
        "anna@example.com",
        ["ben@example.com"],
    )
    told = [(entry["operation"], entry["kind"], entry.get("outcome")) for entry in made.trail()[-3:]]
    assert told == [("plan", "note", None), ("approve", "refusal", "E-SELF"), ("approve", "note", None)]


def test_of_two_applies_at_once_one_runs(shop: Shop) -> None:
    shop.server.sql("DELETE FROM people WHERE id = 2", "papers_prod")
    shop.made.file("twice.json", good(shop).as_text())
    both = [shop.made.start("apply twice.json", CI="true", **ARMED) for _ in range(2)]

    told = [process.communicate(timeout=120)[0] for process in both]

    assert sorted(process.returncode for process in both) == [0, 3], told
    assert sum("E-REPLAYED" in each for each in told) == 1
    assert shop.server.sql("SELECT count(*) FROM people WHERE id = 2", "papers_prod") == [1]


def test_two_who_approve_need_nobody_who_asked(shop: Shop) -> None:
    done = shop.apply(signed(anew(shop.content), None, shop.keys["ben"], shop.keys["cleo"]))

    assert done.code == 0, done.text


# Tampered with

Tampered = Callable[[Shop], Paper | str]


def _expired(shop: Shop) -> Paper:
    at = shop.content.requested_at
    content = replace(anew(shop.content), requested_at=at - timedelta(days=2), expires_at=at - timedelta(days=1))
    return signed(content, shop.keys["anna"], shop.keys["ben"])


def _of_tomorrow(shop: Shop) -> Paper:
    content = replace(anew(shop.content), requested_at=shop.content.requested_at + timedelta(hours=20))
    return signed(content, shop.keys["anna"], shop.keys["ben"])


def _longer(shop: Shop) -> Paper:
    paper = _expired(shop)
    return replace(paper, content=replace(paper.content, expires_at=shop.content.expires_at))


def _of_another_plan(shop: Shop) -> Paper:
    paper, other = good(shop), good(shop)
    return replace(paper, agreements=other.agreements)


def _request_as_approval(shop: Shop) -> Paper:
    paper = signed(anew(shop.content), shop.keys["anna"])
    return replace(paper, agreements=(Agreement(reason="read", signature=paper.request),))


def _for_git(shop: Shop) -> Paper:
    content = anew(shop.content)
    other = ssh_keygen.sign(content.agreed("read"), shop.keys["ben"], "git", may_ask=False)
    paper = signed(content, shop.keys["anna"])
    return replace(paper, agreements=(Agreement(reason="read", signature=other),))


def _other_reason(shop: Shop) -> Paper:
    paper = good(shop)
    return replace(paper, agreements=(replace(paper.agreements[0], reason="whatever"),))


def _stripped(shop: Shop) -> Paper:
    """Ben asks, takes his name off the request, and approves."""
    return replace(signed(anew(shop.content), shop.keys["ben"], shop.keys["ben"]), request="")


def _other_steps(shop: Shop) -> str:
    data = json.loads(good(shop).as_text())
    data["plan"]["steps"][0]["digest"] = "0" * 64
    return json.dumps(data)


def _of_another_database(shop: Shop) -> Paper:
    plan = shop.content.plan
    assert plan.target is not None
    content = replace(anew(shop.content), plan=replace(plan, target=replace(plan.target, oid=plan.target.oid + 1)))
    return signed(content, shop.keys["anna"], shop.keys["ben"])


def _of(**fields: str) -> Tampered:
    def tampered(shop: Shop) -> Paper:
        content = replace(anew(shop.content), plan=replace(shop.content.plan, **fields))  # type: ignore[arg-type]  # texts
        return signed(content, shop.keys["anna"], shop.keys["ben"])

    return tampered


def _by(*names: str) -> Tampered:
    def tampered(shop: Shop) -> Paper:
        requester, *approvers = (shop.keys[each] if each else None for each in names)
        return signed(anew(shop.content), requester, *(each for each in approvers if each))

    return tampered


FEW = [
    pytest.param(_by("anna"), "E-APPROVALS", id="nobody approved"),
    pytest.param(_by("anna", "anna"), "E-APPROVALS", id="approved by who asks"),
    pytest.param(_by("anna", "mallory"), "E-SIGNATURE", id="approved by a stranger"),
    pytest.param(_of_another_plan, "E-SIGNATURE", id="the approval of another plan"),
    pytest.param(_other_steps, "E-PLAN-FILE", id="other steps"),
    pytest.param(_expired, "E-ENDED", id="expired"),
    pytest.param(_of_another_database, "E-OTHER-TARGET", id="another database of that name"),
]
MORE = [
    pytest.param(_by("", "ben"), "E-APPROVALS", id="one approved, nobody asked"),
    pytest.param(_by("anna", "ben", "mallory"), "E-SIGNATURE", id="a stranger among those who approved"),
    pytest.param(_by("mallory", "ben"), "E-SIGNATURE", id="a stranger asks"),
    pytest.param(_stripped, "E-APPROVALS", id="who asks takes the request's signature away"),
    pytest.param(_of_tomorrow, "E-ENDED", id="a time that has not come"),
    pytest.param(_longer, "E-SIGNATURE", id="the time made longer"),
    pytest.param(_request_as_approval, "E-SIGNATURE", id="the request as an approval"),
    pytest.param(_for_git, "E-SIGNATURE", id="a signature for git"),
    pytest.param(_other_reason, "E-SIGNATURE", id="another reason"),
    pytest.param(_of(tier="stg"), "E-SIGNERS", id="another tier"),
    pytest.param(_of(tier="moon"), "E-OTHER-TARGET", id="a tier that is not there"),
    pytest.param(_of(project="club"), "E-OTHER-TARGET", id="another project"),
    pytest.param(_of(database="papers_stg"), "E-CHANGED", id="another name"),
    pytest.param(lambda _: "{}", "E-PLAN-FILE", id="no plan"),
]


@pytest.mark.parametrize(
    ("tampered", "code"),
    [*FEW, *(pytest.param(*each.values, id=each.id, marks=pytest.mark.thorough) for each in MORE)],
)
def test_what_is_tampered_with_is_refused(shop: Shop, tampered: Tampered, code: str) -> None:
    paper = tampered(shop)
    # A plan that is said to be of another tier leads there by that tier's own flag.
    environ = {"USE_PROD_DATABASE": None} if code == "E-SIGNERS" else {}
    with shop.refusal(code):
        done = shop.apply(paper, **environ)

    assert (done.code, code in done.text) == (3, True), done.text


def test_who_may_sign_is_changed_by_those_who_may_until_then(shop: Shop) -> None:
    made, before, mallory = shop.made, "config/allowed_signers.before", shop.keys["mallory"]
    old = (made.root / "config/allowed_signers").read_text()

    def adopted(approver: str, *, typing: bool = True) -> tuple[int, ...]:
        asked = ask(made, shop.keys["anna"], "adopt", out="signers.json")
        agreed = agree(made, shop.keys[approver], "signers.json", typing=typing)
        return asked.code, agreed.code, made.invoke("apply signers.json", **ARMED).code

    made.file("config/allowed_signers", old + signer(mallory))
    with shop.refusal("E-SIGNERS"):
        without = ask(made, shop.keys["anna"], "adopt", out="signers.json")
    made.file(before, old + signer(mallory))  # whoever asks would like to be one who may
    with shop.refusal("E-SIGNERS"):
        own = ask(made, shop.keys["anna"], "adopt", out="signers.json")
    made.file(before, old)
    new_one = adopted("mallory", typing=False)
    by_the_old = adopted("ben")
    made.file(before, old + signer(mallory))
    made.file("config/allowed_signers", old)
    by_the_new = adopted("mallory")
    (made.root / before).unlink()

    assert (without.code, own.code, new_one) == (3, 3, (0, 3, 3)), without.text + own.text
    assert (by_the_old, by_the_new) == ((0, 0, 0), (0, 0, 0))


def test_the_flag_is_needed_beside_the_approval_and_is_not_enough_without(shop: Shop) -> None:
    paper = good(shop)
    with shop.refusal("E-NOT-ARMED"):
        unarmed = shop.apply(paper, USE_PROD_DATABASE=None)
    with shop.refusal("E-NO-PERSON"):
        alone = shop.made.invoke("seed --tier=prod", CI="true", **ARMED)
    right = shop.apply(paper)

    assert [unarmed.code, alone.code, right.code] == [3, 3, 0], right.text
    assert "invoke plan seed --tier=prod --out=plan.json" in alone.text


def test_whoever_signs_is_whom_the_stamp_knows(shop: Shop) -> None:
    paper, mallory = good(shop), shop.keys["mallory"]
    own = signed(anew(shop.content), shop.keys["anna"], mallory)
    signers = "config/allowed_signers"
    with shop.edited(signers, lambda text: text.replace(signer(shop.keys["ben"]), "")), shop.refusal("E-SIGNATURE"):
        removed = shop.apply(paper)
    with shop.edited(signers, lambda text: text + signer(mallory)), shop.refusal("E-SIGNERS"):
        added = shop.apply(own)
    with shop.edited(signers, lambda text: text + signer(mallory)), shop.refusal("E-SIGNERS"):
        asked = ask(shop.made, None, "seed", out="none.json")
    with shop.edited(signers, lambda text: text.replace(" ssh-", " ssh:")), shop.refusal("E-SIGNERS"):
        mistaken = shop.apply(paper)

    assert [removed.code, added.code, asked.code, mistaken.code] == [3, 3, 3, 3]
    assert not (shop.made.root / "none.json").exists()
    assert "config/allowed_signers:2: " in mistaken.text
    assert shop.apply(paper).code == 0


@pytest.mark.thorough
def test_a_floor_that_is_lowered_in_the_settings_stays_where_the_stamp_has_it(shop: Shop) -> None:
    tiers, unsigned = "config/tiers.yaml", signed(anew(shop.content), shop.keys["anna"])
    lower = shop.edited(tiers, lambda text: text.replace("consent: person", "consent: question"))
    with lower, shop.refusal("E-NO-PERSON"):
        assert shop.made.invoke("seed --tier=prod", CI="true", **ARMED).code == 3
    lower = shop.edited(tiers, lambda text: text.replace("consent: person", "consent: question"))
    with lower, shop.refusal("E-APPROVALS"):
        assert shop.apply(unsigned).code == 3


@pytest.mark.thorough
def test_more_approvals_that_the_settings_demand_count_at_once_and_for_a_terminal_too(shop: Shop) -> None:
    two = "    approvals: 2 people\n    embedded: never"
    with shop.edited("config/tiers.yaml", lambda text: text.replace("    embedded: never", two)):
        with shop.refusal("E-APPROVALS"):
            one = shop.apply(good(shop))
        with shop.refusal("E-APPROVALS"):
            person = shop.made.terminal("seed --tier=prod", **ARMED)
        both = shop.apply(signed(anew(shop.content), *(shop.keys[each] for each in ("anna", "ben", "cleo"))))

    assert [one.code, person.code, both.code] == [3, 3, 0], both.text


@pytest.mark.thorough
def test_what_changed_since_is_not_what_was_approved(shop: Shop) -> None:
    paper = good(shop)
    with shop.edited("seeds/reference/people.csv", lambda text: f"{text}3,cleo\n"), shop.refusal("E-CHANGED"):
        assert shop.apply(paper).code == 3
    assert shop.apply(paper).code == 0


@pytest.mark.thorough
def test_more_is_not_lost_than_was_approved(shop: Shop) -> None:
    made, keys, server = shop.made, shop.keys, shop.server
    server.sql("INSERT INTO lessons SELECT n, 1, 'lesson ' || n FROM generate_series(100, 141) n", "papers_prod")
    number = len(list((made.root / "migrations" / "versions").glob("r*.py"))) + 1
    made.revision(f"r{number}", "op.execute('ALTER TABLE lessons DROP COLUMN title')")
    walked = [made.invoke(f"migrate --tier={tier} --yes") for tier in ("int", "stg")]
    asked = ask(made, keys["anna"])
    agreed = agree(made, keys["ben"])
    server.sql("INSERT INTO lessons SELECT n, 1, 'lesson ' || n FROM generate_series(200, 215) n", "papers_prod")
    with shop.refusal("E-CEILING"):
        over = made.invoke("apply plan.json", CI="true", **ARMED)
    server.sql("DELETE FROM lessons WHERE id BETWEEN 205 AND 215", "papers_prod")
    done = made.invoke("apply plan.json", CI="true", **ARMED)

    assert [each.code for each in (*walked, asked, agreed, over, done)] == [0, 0, 0, 0, 3, 0], (over.text, done.text)
    assert "data at risk    drops column lessons.title: at most 50" in agreed.out
    assert server.sql("SELECT count(*) FROM lessons", "papers_prod") == [47]


CLOCK = """
import datetime
import time

now, WRONG = time.time, {days} * 86400
time.time = lambda: now() + WRONG


class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=WRONG)


datetime.datetime = Wrong
"""


@pytest.mark.thorough
@pytest.mark.parametrize("days", [-400, 400])
def test_a_wrong_clock_where_it_runs_changes_nothing(shop: Shop, days: int) -> None:
    shop.made.file("wrong/sitecustomize.py", CLOCK.format(days=days))
    environ = {"PYTHONPATH": f"{shop.made.root / 'wrong'}:{REPOSITORY}", "TZ": "Pacific/Kiritimati"}
    shown = shop.made.run([sys.executable, "-c", "import datetime as d; print(d.datetime.now().year)"], **environ)
    with shop.refusal("E-ENDED"):
        expired = shop.apply(_expired(shop), **environ)
    done = shop.apply(good(shop), **environ)

    assert abs(int(shown.out) - shop.content.requested_at.year) == 1
    assert [expired.code, done.code] == [3, 0], done.text


@pytest.mark.thorough
def test_an_agent_may_plan(shop: Shop) -> None:
    done = shop.made.invoke("plan seed --tier=prod --out=agents.json", CLAUDECODE="1", **ARMED)

    assert done.code == 0, done.text
    assert "asked for by nobody with a key: one more person must approve" in done.text
    assert "which 2 people must approve" in done.text


# Who approves


APPROVE = f"{' '.join(INVOKE)} approve tampered.json --reason=read"


@pytest.mark.parametrize(
    ("environ", "code"),
    [({"CLAUDECODE": ""}, "E-AGENT"), ({"CI": "true"}, "E-NO-PERSON"), ({"PYTEST_VERSION": "9"}, "E-NO-PERSON")],
    ids=["an agent", "CI", "a test"],
)
def test_only_a_person_at_a_terminal_approves(shop: Shop, environ: dict[str, str], code: str) -> None:
    shop.made.file("tampered.json", signed(anew(shop.content), shop.keys["anna"]).as_text())
    before = (shop.made.root / "tampered.json").read_text()
    with shop.refusal(code):
        done = agree(shop.made, shop.keys["ben"], "tampered.json", typing=False, **environ)

    assert (done.code, (shop.made.root / "tampered.json").read_text() == before) == (3, True), done.out


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("line", "code", "exit_code"),
    [
        ("yes | {}", "E-NO-PERSON", 3),
        ("{} < /dev/null", "E-NO-PERSON", 3),
        ("(while echo yes; do sleep 0.01; done 2>&-) | script -qec '{}' /dev/null", "E-NOT-CONFIRMED", 4),
    ],
    ids=["yes", "nothing", "answers piped into a terminal"],
)
def test_nothing_blind_approves(shop: Shop, line: str, code: str, exit_code: int) -> None:
    shop.made.file("tampered.json", signed(anew(shop.content), shop.keys["anna"]).as_text())
    with shop.refusal(code):
        done = shop.made.shell(line.format(f"{APPROVE} --key={shop.keys['ben']}"))

    assert done.code == exit_code, done.text


@pytest.mark.thorough
def test_a_wrong_phrase_and_a_wrong_key_sign_nothing(shop: Shop) -> None:
    shop.made.file("tampered.json", signed(anew(shop.content), shop.keys["anna"]).as_text())
    command = "approve tampered.json --reason=read"
    with shop.refusal("E-NOT-CONFIRMED"):
        wrong = shop.made.terminal(f"{command} --key={shop.keys['ben']}", "papers_prod\n")
    with shop.refusal("E-SIGNERS"):
        stranger = shop.made.terminal(f"{command} --key={shop.keys['mallory']}")
    with shop.refusal("E-AGENT"):
        agent = shop.apply(good(shop), AI_AGENT="1")

    assert [wrong.code, stranger.code, agent.code] == [4, 3, 3]
    assert (TO_APPROVE in wrong.out, TO_APPROVE in stranger.out) == (True, False)
