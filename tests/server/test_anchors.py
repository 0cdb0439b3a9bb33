"""Anchors on a real server: only added, by a function with bounds; what contradicts them is refused or named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.outside import Finished
from tests.server.abroad import abroad as abroad
from tests.server.abroad import started
from tests.server.approvals_ground import make_key, signer
from tests.server.road import Project, Server, project, said

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("wares")]
HASH, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture(scope="module")
def wares(abroad: Server) -> Iterator[Project]:
    """A project with all of its tiers on one server, which `keeper` keeps; `clerk` may only connect."""
    abroad.role("keeper", "CREATEDB")
    abroad.role("clerk")
    abroad.database("wares_prod", "keeper")
    with project("wares") as made:
        tiers = {"test_database_url": "int", "stg_database_url": "stg", "database_url": "prod"}
        made.urls = {variable: abroad.url(f"wares_{tier}", "keeper") for variable, tier in tiers.items()}
        made.with_keys()
        for words in ("reset", "reset --tier=stg"):
            done = made.invoke(words)
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        yield made


@pytest.fixture
def shop(wares: Project, request: pytest.FixtureRequest) -> Iterator[Project]:
    """The same with a trail of its own for each test, begun by a seed of STG."""
    words = f"logs/{request.node.name[5:30]}.jsonl"
    usual = "logs/database_audit.jsonl"
    wares.edit("config/tiers.yaml", usual, words)
    done = wares.invoke("seed --tier=stg")
    assert done.code == 0, done.text
    yield wares
    wares.edit("config/tiers.yaml", words, usual)


def trail(shop: Project) -> Path:
    """Return the trail of this test."""
    return max((shop.root / "logs").glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)


def entries(shop: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trail(shop).read_text().splitlines()]


def verified(made: Project, **environ: str) -> tuple[Finished, dict[str, object]]:
    done = made.invoke("audit --verify --format=json", **environ)
    return done, said(done)


def forge_next(shop: Project, abroad: Server) -> None:
    """Anchor an entry that is yet to come with another hash, as a copy of the trail would that goes on elsewhere."""
    chain, number = entries(shop)[0]["hash"], len(entries(shop)) + 1
    answer = abroad.sql(f"SELECT dbtasks.anchor('wares', '{chain}', {number}, '{OTHER}', 'elsewhere')", "dbtasks")
    assert answer == ["anchored"]


def test_every_intent_and_result_is_anchored_with_its_hash(shop: Project, abroad: Server) -> None:
    for done in (shop.invoke("reset"), shop.invoke("seed"), shop.prod("seed --tier=prod")):
        assert done.code == 0, done.text
    chain = entries(shop)[0]["hash"]
    everything = abroad.sql("SELECT chain, entry, hash FROM dbtasks.anchors", "dbtasks")
    rows = {entry: hash_ for of, entry, hash_ in everything if of == chain}
    expected = {each["entry"]: each["hash"] for each in entries(shop) if each["kind"] in ("intent", "result")}
    assert rows == expected
    assert len(rows) == 8
    _, told = verified(shop, USE_PROD_DATABASE="true")
    assert (told["ok"], told["proved"], told["after"]) == (True, max(expected), 0)


def test_whoever_may_connect_can_add_an_anchor_and_neither_change_nor_remove_one(abroad: Server) -> None:
    add = f"SELECT dbtasks.anchor('clerks', '{HASH}', {{}}, '{HASH}', 'here')"
    assert abroad.sql(add.format(1), "dbtasks", "clerk") == ["anchored"]
    assert abroad.sql("SELECT by_role FROM dbtasks.anchors WHERE project = 'clerks'", "dbtasks") == ["clerk"]
    for role in ("clerk", "keeper"):
        for words in ("UPDATE {} SET hash = ''", "DELETE FROM {}", "TRUNCATE {}"):
            with pytest.raises(Exception, match=r"permission denied|is only added to"):
                abroad.sql(words.format("dbtasks.anchors"), "dbtasks", role)
    with pytest.raises(Exception, match="permission denied"):
        abroad.sql("INSERT INTO dbtasks.anchors SELECT * FROM dbtasks.anchors", "dbtasks", "clerk")


def test_what_contradicts_jumps_or_comes_from_long_before_is_not_taken(abroad: Server) -> None:
    def answer(entry: int, hash_: str = HASH, chain: str = OTHER) -> str:
        statement = f"SELECT dbtasks.anchor('bounds', '{chain}', {entry}, '{hash_}', 'here')"
        return str(abroad.sql(statement, "dbtasks", "clerk")[0])

    assert answer(500) == "anchored"  # a trail that was there before its server knew of anchors
    assert answer(500) == "anchored"
    assert answer(500, OTHER) == "differs"
    assert answer(499) == "anchored"  # two processes at once
    assert answer(10_400) == "anchored"
    assert answer(10**9) == "ahead"
    assert (answer(0), answer(501, "short"), answer(501, chain="")) == ("malformed",) * 3
    abroad.sql(
        "ALTER TABLE dbtasks.anchors DISABLE TRIGGER anchors_stay;"
        " UPDATE dbtasks.anchors SET at = at - interval '1 hour' WHERE project = 'bounds';"
        " ALTER TABLE dbtasks.anchors ENABLE ALWAYS TRIGGER anchors_stay",
        "dbtasks",
    )
    assert answer(600) == "behind"
    assert answer(300_000) == "anchored"  # an hour's worth
    assert answer(299_999) == "anchored"


def test_a_tier_that_may_lose_nothing_refuses_what_cannot_be_anchored_and_others_warn(
    shop: Project, abroad: Server
) -> None:
    forge_next(shop, abroad)
    warned = shop.invoke("seed --tier=stg")
    assert warned.code == 0
    assert "! entry" in warned.err
    assert "is not anchored: another entry of that number is anchored" in warned.err
    forge_next(shop, abroad)
    refused = shop.prod("seed --tier=prod")
    assert (refused.code, "E-ANCHOR" in refused.text) == (3, True), refused.text
    assert entries(shop)[-1]["detail"]["code"] == "E-ANCHOR"
    assert entries(shop)[-2]["tier"] == "prod"
    works = shop.prod("seed --tier=prod")
    assert works.code == 0, works.text
    done, told = verified(shop)
    assert (done.code, told["ok"]) == (1, False)  # two anchors that are not this trail's
    assert "is another one than was there" in str(told["why"])


def test_a_cut_end_and_a_trail_begun_anew_are_named_until_somebody_signs(shop: Project) -> None:
    path = trail(shop)
    path.unlink()
    shop.invoke("seed --tier=stg")
    done, told = verified(shop)
    assert (done.code, told["ok"], told["bad_line"]) == (1, False, None)
    assert "Another trail stood here, up to entry" in shop.invoke("audit --verify").text
    key = make_key(shop.root, "anna")
    allowed = shop.file("config/allowed_signers", signer(key))
    assert "E-NO-PERSON" in shop.invoke(f"audit --sign --key={key}").text
    signed = shop.terminal(f"audit --sign --key={key}")
    assert signed.code == 0, signed.text
    assert "anna@example.com has signed entry" in signed.text
    done, told = verified(shop)
    assert (done.code, told["ok"]) == (0, True), told
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    done, told = verified(shop, stg_database_url="postgresql://127.0.0.1:1/none", test_database_url="x")
    assert (done.code, told["ok"]) == (1, False)  # by the signature alone
    assert "the end was cut off" in str(told["why"])
    path.write_bytes(whole)
    allowed.write_text(signer(make_key(shop.root, "ben")))
    done, told = verified(shop)
    assert (done.code, told["ok"]) == (1, False)
    assert "does not name" in str(told["signatures"])
    allowed.unlink()


def test_where_no_coordination_database_can_be_made_the_anchor_lies_with_the_target() -> None:
    with started() as server, project("alone") as made:
        server.role("tenant")
        server.database("alone_int", "tenant")
        made.urls = {"test_database_url": server.url("alone_int", "tenant")}
        for words in ("migrate", "seed"):
            done = made.invoke(words)
            assert (done.code, "is not anchored" in done.text) == (0, False), done.text
        rows = dict(server.sql("SELECT entry, hash FROM dbtasks.anchors", "alone_int"))
        written = {each["entry"]: each["hash"] for each in made.trail()}
        assert rows == {number: hash_ for number, hash_ in written.items() if number > 1}  # 1 came before the stamp
        assert "with the target: who can change one can change the other" in made.invoke("audit --verify").text
