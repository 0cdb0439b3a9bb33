"""A team's own server whose log is received: marks before what destroys, and back to before it, by the tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import outside
from tests.outside import Finished
from tests.server import abroad
from tests.server.road import Project, Server, project, said, until, without_sequences

pytestmark = [pytest.mark.timeout(240), pytest.mark.thorough]
STG_ENDS = "    embedded: durable\n"
RECEIVES = "    recovery: {engine: receivewal}\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that archives nothing and bounds what a slot may keep; its role may replicate and is no superuser."""
    with abroad.started(options={"wal_level": "replica"}) as made:
        limit(made, "1GB")
        made.role("seller", "REPLICATION CREATEDB")
        made.database("postbox", "seller")
        for call in ("pg_create_restore_point(text)", "pg_switch_wal()"):
            made.sql(f"GRANT EXECUTE ON FUNCTION {call} TO seller")
        yield made


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Project]:
    with project("wares") as made:
        made.urls = {"stg_database_url": server.url("wares_stg", "seller")}
        made.edit("config/tiers.yaml", STG_ENDS, f"{RECEIVES}{STG_ENDS}")
        try:
            for tier in ("int", "stg"):
                done = made.invoke(f"reset --tier={tier}")
                assert done.code == 0, done.text
            yield made
        finally:
            assert made.invoke("server stop").code == 0


def limit(server: Server, value: str) -> None:
    """Set how much of the log a slot may keep, and wait until it counts."""
    server.sql(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{value}'")
    server.sql("SELECT pg_reload_conf()")
    until(lambda: server.sql("SHOW max_slot_wal_keep_size") == [value], what=f"max_slot_wal_keep_size = {value}")


def result(done: Finished) -> dict[str, Any]:
    assert done.code == 0, done.text
    return dict(said(done)["result"])


def bases(shop: Project) -> set[str]:
    return {path.parent.name for path in (shop.root / ".dbtasks/base/stg").glob("*/base.json")}


def names(url: str) -> set[str]:
    with outside.connect(url) as session:
        return {str(row[0]) for row in session.execute("SELECT name FROM people").rows or []}


def write(server: Server, name: str) -> None:
    server.sql(f"INSERT INTO people VALUES (3, '{name}')", "wares_stg")  # noqa: S608 - words of these tests


def test_what_was_there_before_a_reset_is_recovered_beside_from_what_was_received(
    shop: Project, server: Server
) -> None:
    write(server, "written before")
    before = server.dump("wares_stg", "--exclude-table-data=dbtasks.identity")
    done = shop.invoke("reset --tier=stg --yes --format=json")
    proof = result(done)["mark"]["proof"]
    assert proof["engine"] == "receivewal"
    assert proof["base"] in bases(shop)
    assert "receiver    running" in shop.invoke("server status").out
    write(server, "written after")
    live = server.dump("wares_stg")

    found = result(shop.invoke(f"recover --tier=stg --before={said(done)['entry']} --format=json"))

    assert server.dump("wares_stg") == live
    recovered = found["recovered"]
    there = f"postgresql://{recovered['superuser']}@/wares_stg?host={recovered['socket']}&port={recovered['port']}"
    try:
        assert names(there) == {"anna", "ben", "written before"}
        assert [(each["table"], each["changed"]) for each in found["differences"]] == [("people", 1)]
    finally:
        assert shop.invoke(f"recover --end={recovered['id']}").code == 0
    restored = shop.invoke(f"restore --tier=stg --backup={found['backup']['id']} --yes")
    assert restored.code == 0, restored.text
    after = server.dump("wares_stg", "--exclude-table-data=dbtasks.identity")
    assert without_sequences(after) == without_sequences(before)


def test_a_receiver_that_was_stopped_is_started_again_by_the_next_mark(shop: Project) -> None:
    result(shop.invoke("reset --tier=stg --yes --format=json"))
    assert "receiver    stopped" in shop.invoke("server stop").out

    again = result(shop.invoke("reset --tier=stg --yes --format=json"))

    assert again["mark"]["proof"]["engine"] == "receivewal"


def test_a_base_backup_is_renewed_by_its_age_though_the_mark_is_proven_without(shop: Project) -> None:
    result(shop.invoke("reset --tier=stg --yes --format=json"))
    first = bases(shop)
    result(shop.invoke("reset --tier=stg --yes --format=json"))
    assert bases(shop) == first
    shop.edit("config/tiers.yaml", "engine: receivewal}", "engine: receivewal, renew: 0 minutes}")
    try:
        renewed = shop.invoke("reset --tier=stg --yes")
        assert (renewed.code, "a base backup is due: the newest one is 0 days old" in renewed.text) == (0, True)
    finally:
        shop.edit("config/tiers.yaml", "engine: receivewal, renew: 0 minutes}", "engine: receivewal}")
    assert bases(shop) > first


def test_a_slot_that_could_fill_the_disk_proves_nothing(shop: Project, server: Server) -> None:
    limit(server, "-1")
    try:
        unproven = result(shop.invoke("reset --tier=stg --yes --format=json"))["mark"]["unproven"]
    finally:
        limit(server, "1GB")
    assert "max_slot_wal_keep_size is -1" in unproven


def test_what_another_role_has_read_is_not_compared_by_one_that_may_see_less(shop: Project, server: Server) -> None:
    taken = result(
        shop.invoke("backup --tier=stg --format=json", stg_database_url=server.url("wares_stg", server.boss))
    )["backup"]["id"]
    before = server.dump("wares_stg")

    done = shop.invoke(f"restore --tier=stg --backup={taken} --yes")

    assert (done.code, "cannot be compared by seller, which may not act as it" in done.text) == (1, True), done.text
    assert server.dump("wares_stg") == before
