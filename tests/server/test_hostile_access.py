"""Every way to PROD without two factors that consent, each a command of its own: refused, and nothing changed.

Beside each stands the way that differs from it in one factor, and that works, in the same run. The table is
`access_tricks.py`; here is what needs more than a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dbtasks.approvals.document import read
from tests.server.abroad import abroad as abroad
from tests.server.abroad import standby_of
from tests.server.access_ground import DEPLOYS, PROD, Street, Trick, approved, asked_for, confirmed
from tests.server.access_lines import LINES
from tests.server.access_tricks import TRICKS
from tests.server.approvals_ground import ARMED, agree, anew, ask, deployed, signed, signer, typed
from tests.server.road import INVOKE, Server, until

pytestmark = pytest.mark.timeout(300)
SIGNERS = "config/allowed_signers"
TRAIL = "logs/database_audit.jsonl"


@pytest.fixture(scope="module")
def street(abroad: Server) -> Iterator[Street]:
    with deployed(abroad, "vault") as (made, keys):
        done = ask(made, None, "seed")
        assert done.code == 0, done.text
        content = read((made.root / "plan.json").read_text()).content
        yield Street(made=made, keys=keys, server=abroad, content=content)


def test_every_line_of_the_bad_input_is_tried() -> None:
    tests = {path.name: path.read_text() for path in Path(__file__).parent.glob("test_*.py")}
    missing = [name for module, name in LINES.values() if f"def {name}(" not in tests[module]]

    assert missing == []
    assert {trick.line for trick in TRICKS} <= LINES.keys()
    assert len({trick.id for trick in TRICKS}) == len(TRICKS)


@pytest.mark.parametrize(
    "trick", [pytest.param(each, id=each.id, marks=[] if each.fast else pytest.mark.thorough) for each in TRICKS]
)
def test_a_trick_leads_nowhere(street: Street, trick: Trick) -> None:
    street.file("ran").unlink(missing_ok=True)
    with street.refusals(*([trick.code] if trick.code else [])):
        done = trick.way(street)
    right = street.once(trick.twin)

    assert (done.code, right.code) == (trick.exit, 0), done.text + right.text
    assert not street.file("ran").exists()
    assert "Traceback" not in done.text
    assert "bug in dbtasks" not in done.text


def test_nobody_here_is_a_superuser(street: Street) -> None:
    told = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"

    assert street.server.sql(told, PROD, "vault_owner") == [False]


# Plans


def _leaves(data: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value of a document that is no container."""
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in parts:
        yield from _leaves(value, *path, key)
    if not parts:
        yield path


def _other(value: Any) -> Any:
    if isinstance(value, bool | type(None)):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}0" if isinstance(value, str) else ["x"]


@pytest.mark.thorough
def test_no_part_of_a_plan_can_be_edited(street: Street) -> None:
    whole = json.loads(street.good().as_text())
    codes, tried = set(), 0
    for path in _leaves(whole):
        data = json.loads(json.dumps(whole))
        *way, last = path
        part = data
        for each in way:
            part = part[each]
        part[last] = _other(part[last])
        count = len(street.made.trail())
        done = street.apply(json.dumps(data))
        entries = street.made.trail()[count:]
        assert done.code == 3, (path, done.text)
        assert [entry["kind"] for entry in entries] == ["refusal"], path
        codes.add(entries[0]["outcome"])
        tried += 1

    assert tried > 30
    assert codes <= {"E-PLAN-FILE", "E-SIGNATURE", "E-OTHER-TARGET"}
    assert approved(street).code == 0


def test_what_is_signed_is_what_was_shown(street: Street) -> None:
    asked_for(street)
    shown = street.file("asked.json").read_text()
    other = signed(anew(street.content), street.keys["anna"]).as_text()
    command = f"approve asked.json --reason=read --key={street.keys['ben']}"
    with street.made.screen([*INVOKE, *command.split()]) as screen:
        screen.wait_for("to approve exactly this plan: ")
        street.file("asked.json").write_text(other)  # meanwhile, by somebody else
        screen.child.send(typed(screen.shown))
        done = screen.end()
    agreed = json.loads(street.file("asked.json").read_text())

    assert done.code == 0, done.out
    assert agreed["plan"] == json.loads(shown)["plan"]
    assert street.apply(json.dumps({**agreed, "plan": json.loads(other)["plan"]})).code == 3
    assert street.apply(json.dumps(agreed)).code == 0


@pytest.mark.thorough
def test_what_runs_is_what_was_read_whatever_the_file_says_by_then(street: Street) -> None:
    paper, server = street.good(), street.server
    street.file("early.json").write_text(paper.as_text())
    with server.connect(PROD) as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE dbtasks.spent IN ACCESS EXCLUSIVE MODE")
        running = street.made.start("apply early.json", **DEPLOYS)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: server.sql(waiting) == [1], seconds=60, what="one who waits")
        street.file("early.json").write_text(signed(anew(street.content), None).as_text())
        holder.execute("COMMIT")
    told = running.communicate(timeout=60)[0]

    assert running.returncode == 0, told
    assert paper.content.id in server.sql("SELECT id FROM dbtasks.spent", PROD)


@pytest.mark.thorough
def test_an_approval_that_the_trail_cannot_keep_is_none(street: Street) -> None:
    asked_for(street)
    before, trail, aside = street.file("asked.json").read_text(), street.file(TRAIL), street.file("aside.jsonl")
    trail.rename(aside)
    trail.symlink_to(aside)
    try:
        done = agree(street.made, street.keys["ben"], "asked.json")
    finally:
        aside.replace(trail)

    assert (done.code, "cannot be written" in done.out) == (1, True), done.out
    assert street.file("asked.json").read_text() == before
    assert agree(street.made, street.keys["ben"], "asked.json").code == 0


# Signers


@contextmanager
def _adopted(street: Street, text: str) -> Iterator[None]:
    """Let these be the signers that the stamp knows."""
    before = street.file(SIGNERS).read_text()
    for signers in (text, before):
        street.file(SIGNERS).write_text(signers)
        done = street.made.prod("adopt --tier=prod")
        assert done.code == 0, done.text
        if signers is text:
            yield


@pytest.mark.thorough
def test_signers_that_do_not_count_agree_to_nothing(street: Street) -> None:
    keys = street.keys
    lines = [
        signer(keys["anna"]),
        signer(keys["ben"], options='valid-before="20250101Z"'),
        signer(keys["cleo"]).replace("cleo@", "*@"),
        signer(keys["dora"], options='namespaces="git"'),
        signer(keys["mallory"], "eve", options="cert-authority"),
    ]
    text = "".join(lines)
    with _adopted(street, text):
        for name, code in (
            ("ben", "E-APPROVALS"), ("cleo", "E-SIGNATURE"), ("dora", "E-SIGNATURE"), ("mallory", "E-SIGNATURE"),
        ):  # fmt: skip
            with street.refusals(code):
                assert street.apply(signed(anew(street.content), keys["anna"], keys[name])).code == 3
        for broken in (
            f"{text}eve ssh-dss AAAA\n", f"{text}eve\n", text.replace("@example.com ", " ", 1) + "\x00\n",
            text.replace(" ssh-ed25519 AAAA", " ssh-ed25519 AAA", 1), f"{text}eve unknown ssh-ed25519 AAAA\n",
        ):  # fmt: skip
            street.file(SIGNERS).write_text(broken)
            with street.refusals("E-SIGNERS"):
                assert street.apply(street.good()).code == 3, broken
        street.file(SIGNERS).write_text(text)
    assert street.apply(street.good()).code == 0


@pytest.mark.thorough
def test_a_signer_who_was_added_counts_once_it_is_adopted(street: Street) -> None:
    """In the same change as the plan, say: the digest in the stamp is what a commit cannot bring along."""
    keys, text = street.keys, street.file(SIGNERS).read_text()
    more = text + signer(keys["mallory"])

    def own() -> Any:
        return signed(anew(street.content), keys["anna"], keys["mallory"])

    street.file(SIGNERS).write_text(more)
    with street.refusals("E-SIGNERS", "E-NO-PERSON", "E-AGENT"):
        assert street.apply(own()).code == 3
        assert street.made.invoke("adopt --tier=prod", **DEPLOYS).code == 3
        assert street.made.terminal("adopt --tier=prod", **ARMED, AI_AGENT="").code == 3
    street.file(SIGNERS).write_text(text)
    with _adopted(street, more):
        assert street.apply(own()).code == 0


# Databases


@contextmanager
def _in_its_place(street: Street, *statements: str) -> Iterator[int]:
    """Put a clone in PROD's place, change it, and yield its oid."""
    sql = street.server.sql
    sql(f"ALTER DATABASE {PROD} RENAME TO vault_aside")
    try:
        sql(f"CREATE DATABASE {PROD} TEMPLATE vault_aside OWNER vault_owner")
        (oid,) = sql("SELECT oid::bigint FROM pg_database WHERE datname = current_database()", PROD)
        for each in statements:
            sql(each.format(oid=oid), PROD)
        yield oid
    finally:
        sql(f"DROP DATABASE {PROD}")
        sql(f"ALTER DATABASE vault_aside RENAME TO {PROD}")


@pytest.mark.thorough
def test_what_took_the_databases_place_is_not_what_was_approved(street: Street) -> None:
    clone = _in_its_place(street)
    empty = _in_its_place(street, "DROP SCHEMA public CASCADE", "DROP SCHEMA dbtasks CASCADE", "CREATE SCHEMA public")
    forgery = _in_its_place(street, "UPDATE dbtasks.identity SET database_oid = {oid}")
    for place, code in ((clone, "E-COPIED"), (empty, "E-NO-STAMP"), (forgery, "E-OTHER-TARGET")):
        with place, street.refusals(code):
            assert street.apply(street.good()).code == 3
        assert street.apply(street.good()).code == 0
    with standby_of(street.server) as standby:
        url = standby.url(PROD, "vault_owner")
        with street.refusals("E-STANDBY"):
            assert street.apply(street.good(), database_url=url).code == 3
        standby.sql("SELECT pg_promote()")
        with street.refusals("E-CHANGED"):  # another timeline is another target
            assert street.apply(street.good(), database_url=url).code == 3
    assert street.apply(street.good()).code == 0


LIMITED = "    embedded: never\n", "    limits: {runs: [seed 9 times in 1 day]}\n    embedded: never\n"


@pytest.mark.thorough
def test_where_the_books_cannot_be_kept_nothing_runs(street: Street) -> None:
    sql = street.server.sql
    states = {
        "down": ("ALTER DATABASE dbtasks ALLOW_CONNECTIONS false", "ALTER DATABASE dbtasks ALLOW_CONNECTIONS true"),
        "read-only": (
            "ALTER DATABASE dbtasks SET default_transaction_read_only = on",
            "ALTER DATABASE dbtasks RESET default_transaction_read_only",
        ),
    }
    with street.edited("config/tiers.yaml", lambda text: text.replace(*LIMITED)):
        assert approved(street).code == 0  # and the books are there
        for name, (before, after) in states.items():
            count = len(street.made.trail())
            dump = street.server.dump(PROD)
            sql(before)
            try:
                done = street.apply(street.good())
            finally:
                sql(after)
            assert street.server.dump(PROD) == dump, name
            assert (done.code, "E-LIMIT-UNKNOWN" in done.text) == (3, True), (name, done.text)
            assert street.made.trail()[count:], name
        assert approved(street).code == 0
        assert confirmed(street).code == 0
