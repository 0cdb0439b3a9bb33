"""Proof in order: what reaches PROD only after STG, what the refusal shows, and the walk through all tiers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside import Finished
from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, nothing_changes, project, said

pytestmark = pytest.mark.timeout(180)
ARMED = {"USE_PROD_DATABASE": "true"}


@pytest.fixture(scope="module")
def shop(abroad: Server) -> Iterator[Project]:
    """A project whose three tiers are at head."""
    abroad.role("prover", "CREATEDB")
    abroad.database("wares_prod", "prover")
    with project("wares") as made:
        made.urls = {
            variable: abroad.url(name, "prover")
            for variable, name in (
                ("test_database_url", "wares_int"), ("stg_database_url", "wares_stg"), ("database_url", "wares_prod"),
            )
        }  # fmt: skip
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        yield made


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refusal(done: Finished, code: str) -> dict[str, object]:
    """Return the proof of a refusal in JSON."""
    assert done.code == 3, done.text
    error = said(done)["error"]
    assert error["code"] == code, done.text
    return dict(error["proof"])


def row(shown: str, revision: str) -> list[str]:
    """Return a table's cells for a revision."""
    return next(line.split() for line in shown.splitlines() if line.strip().startswith(f"{revision} "))


def test_a_revision_edited_after_stg_has_it_is_refused_on_prod_with_both_checksums(
    shop: Project, abroad: Server
) -> None:
    path = shop.revision("r4", "op.execute('CREATE TABLE rooms (id int PRIMARY KEY)')")
    assert shop.invoke("migrate --through=stg").code == 0
    old, text = checksum(path), path.read_text()
    path.write_text(text.replace("id int PRIMARY KEY", "id bigint PRIMARY KEY"))

    with nothing_changes(abroad, "wares_prod"):
        done = shop.terminal("migrate --tier=prod", **ARMED)

    new = checksum(path)
    assert done.code == 3, done.out
    assert "refused (E-NOT-PROVEN)" in done.out
    assert f"r4.py was edited since STG ran it: {old[:12]} then, {new[:12]} now." in done.out
    assert row(done.out, "revision") == ["revision", "file", "INT", "STG", "PROD"]
    assert row(done.out, "r4") == ["r4", new[:12], old[:12], old[:12], "pending"]
    path.write_text(text)
    done = shop.prod("migrate --tier=prod")
    assert done.code == 0, done.out
    assert abroad.sql("SELECT version_num FROM alembic_version", "wares_prod") == ["r4"]


def with_downgrade(shop: Project, id_: str, up: str, down: str) -> Path:
    path = shop.revision(id_, up)
    path.write_text(f"{path.read_text()}\n\ndef downgrade():\n    {down}\n")
    return path


def test_a_tier_that_took_a_revision_back_has_not_proven_it_any_more(shop: Project, abroad: Server) -> None:
    with_downgrade(shop, "r5", "op.execute('CREATE TABLE halls (id int)')", "op.execute('DROP TABLE halls')")
    assert shop.invoke("migrate --through=stg").code == 0

    unnamed = shop.invoke("downgrade --tier=stg")
    blind = shop.invoke("downgrade --tier=stg --to=r4")
    back = shop.terminal("downgrade --tier=stg --to=r4", "wares_stg\n")
    prod = shop.terminal("migrate --tier=prod", **ARMED)

    assert [each.code for each in (unnamed, blind, back, prod)] == [2, 3, 0, 3], prod.text
    assert "E-NO-ANSWER" in blind.text
    assert "would take back 1 revision, down to r4" in back.out
    assert "downgrade 1 revision taken back, down to r4" in back.out
    assert abroad.sql("SELECT version_num FROM alembic_version", "wares_stg") == ["r4"]
    assert abroad.sql("SELECT to_regclass('halls') IS NULL", "wares_stg") == [True]
    assert abroad.sql("SELECT direction FROM dbtasks.ledger WHERE revision = 'r5' ORDER BY id", "wares_stg") == [
        "upgrade", "downgrade",
    ]  # fmt: skip
    assert row(prod.out, "r5")[2:] == ["same", "taken", "back", "pending"]
    assert "To prove them first: invoke migrate --through=stg" in prod.out
    assert shop.last_entry()["outcome"] == "E-NOT-PROVEN"
    again = shop.invoke("migrate --through=stg")
    assert again.code == 0, again.text
    done = shop.prod("migrate --tier=prod")
    assert done.code == 0, done.out


def test_prod_takes_nothing_back_that_no_rehearsal_has_shown(shop: Project, abroad: Server) -> None:
    with nothing_changes(abroad, "wares_prod"):
        done = shop.terminal("downgrade --tier=prod --to=r4", **ARMED)

    assert (done.code, "E-NOT-REHEARSED" in done.out) == (3, True), done.out


def test_a_downgrade_on_int_asks_nobody_and_goes_down_to_base(shop: Project, abroad: Server) -> None:
    for id_ in ("r1", "r2", "r3", "r4"):
        path = shop.root / f"migrations/versions/{id_}.py"
        path.write_text(f"{path.read_text()}\n\ndef downgrade():\n    op.execute('SELECT 1')\n")
    assert shop.invoke("reset --tier=int").code == 0

    one = shop.invoke("downgrade --to=r4 --format=json")
    unknown = shop.invoke("downgrade --to=r5")
    rest = shop.invoke("downgrade --to=base")

    assert said(one)["result"] == {"taken_back": ["r5"], "heads": ["r4"]}
    assert (unknown.code, "'r5' is not applied here" in unknown.err) == (2, True), unknown.text
    assert rest.code == 0, rest.text
    assert abroad.sql("SELECT version_num FROM alembic_version", "wares_int") == []


def test_a_downgrade_that_fails_says_what_is_still_there(shop: Project, abroad: Server) -> None:
    with_downgrade(shop, "r6", "op.execute('CREATE TABLE stairs (id int)')", "op.execute('DROP TABLE stairs')")
    assert shop.invoke("reset --tier=int").code == 0
    abroad.sql("DROP TABLE halls", "wares_int")

    done = shop.invoke("downgrade --to=r4")

    assert done.code == 1, done.text
    assert "Downgrade stopped at revision r5: UndefinedTable" in done.err
    assert "  taken back   r6\n  still there  r5\n" in done.err
    assert "mend it, then: invoke downgrade --tier=int --to=r4" in done.err
    assert abroad.sql("SELECT version_num FROM alembic_version", "wares_int") == ["r5"]
    entry = shop.last_entry()
    assert (entry["outcome"], entry["detail"]["taken_back"]) == ("partial", ["r6"])
    (shop.root / "migrations/versions/r6.py").unlink()


def test_a_walk_that_stops_says_what_was_done_until_then(shop: Project) -> None:
    assert shop.invoke("reset --tier=int").code == 0
    for id_ in ("r1", "r2", "r3", "r4"):  # their bytes are other ones than STG has
        assert (shop.root / f"migrations/versions/{id_}.py").exists()
    shop.revision("r6", "op.execute('CREATE TABLE stairs (id int)')")

    done = shop.invoke("migrate --through=stg --format=json")

    assert done.code == 3, done.text
    document = said(done)
    assert document["error"]["code"] == "E-HISTORY"
    assert [(each["tier"], each["verdict"]) for each in document["tiers"]] == [("int", "done"), ("stg", "stopped")]
    assert document["tiers"][0]["result"]["applied"] == ["r6"]
    assert "  so far       INT done (r6) · STG stopped" in done.err
    edited = [each["revisions"] for each in document["error"]["proof"]["findings"]]
    assert edited == [["r1", "r2", "r3", "r4"]]
