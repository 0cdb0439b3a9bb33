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
