"""The drill with pgBackRest: what a frightened person does after a mistake, on a team's own server, by the tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.server import road
from tests.server.pgbackrest_ground import ENCRYPTED, STANZA, Site, foreign, site
from tests.server.road import Project, nothing_changes, project, said

pytestmark = [pytest.mark.timeout(300), pytest.mark.pgbackrest]
ENDINGS = ("    embedded: durable\n", "    embedded: never\n")  # those of STG and PROD
ARMED = {"USE_PROD_DATABASE": "true"}
DROPS = "op.execute('ALTER TABLE lessons DROP COLUMN title')"


@pytest.fixture(scope="module")
def live() -> Iterator[Site]:
    with site(ENCRYPTED) as made:
        yield made


@pytest.fixture(scope="module")
def wares(live: Site) -> Iterator[Project]:
    """A project whose STG and PROD lie on one server, with rows that people wrote into STG."""
    server = live.server
    server.role("seller", "SUPERUSER")  # restore points, and databases beside
    server.database("wares_prod", "seller")
    with project("wares") as made:
        for variable, name in (("stg_database_url", "wares_stg"), ("database_url", "wares_prod")):
            made.urls[variable] = server.url(name, "seller")
        made.with_keys()
        for ending in ENDINGS:
            made.edit("config/tiers.yaml", ending, f"{settings(str(live.config))}{ending}")
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        write_before(live, "wares_stg")
        yield made


@pytest.fixture(scope="module")
def prod(live: Site, wares: Project) -> str:
    """PROD in service, and the way there."""
    for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod"):
        done = wares.prod(words)
        assert done.code == 0, done.text
    write_before(live, "wares_prod")
    return wares.urls["database_url"]


def write_before(live: Site, database: str) -> None:
    live.server.sql("INSERT INTO people VALUES (7, 'written before')", database)
    live.server.sql("INSERT INTO lessons SELECT n, 7, 'lesson ' || n FROM generate_series(10, 40) n", database)


def settings(config: str) -> str:
    recovery = f"    recovery: {{engine: pgbackrest, stanza: {STANZA}, config: {config}}}\n"
    return f"{recovery}    backup: {{engine: pgbackrest}}\n"


@pytest.fixture
def pending(wares: Project) -> Iterator[None]:
    """A revision that destroys a column has reached INT."""
    revision = wares.revision("r4", DROPS)
    done = wares.invoke("migrate --tier=int")
    assert done.code == 0, done.text
    yield
    revision.unlink()
    wares.invoke("reset --tier=int")


def dump(url: str) -> str:
    """What a database holds, but for the row that says which one it is: a restored one is another."""
    return road.without_sequences(road.dump(url, "--exclude-table-data=dbtasks.identity"))


def result(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.text
    return dict(said(done)["result"])


def test_a_reset_by_mistake_is_recovered_beside_the_live_server_and_undone(live: Site, wares: Project) -> None:
    url = wares.urls["stg_database_url"]
    before = dump(url)
    done = wares.invoke("reset --tier=stg --yes --format=json")
    proof = result(done)["mark"]["proof"]
    assert (proof["engine"], proof["followed"] > 0) == ("pgbackrest", True)
    live.server.sql("INSERT INTO people VALUES (8, 'written after')", "wares_stg")
    after = dump(url)

    found = result(wares.invoke(f"recover --tier=stg --before={said(done)['entry']} --format=json"))
    recovered = found["recovered"]
    try:
        there = f"postgresql://{recovered['superuser']}@/wares_stg?host={recovered['socket']}&port={recovered['port']}"
        assert dump(there) == before
        assert recovered["cluster_name"].startswith("dbtasks-recovered-")
        counts = {each["table"]: (each["only_there"], each["only_here"]) for each in found["differences"]}
        assert counts == {"lessons": (31, 0), "people": (1, 1)}
        assert dump(url) == after  # the live one was looked at, and no more
    finally:
        ended = wares.invoke(f"recover --end={recovered['id']}")
    assert ended.code == 0, ended.text
    undone = wares.invoke("undo --tier=stg --yes")
    assert undone.code == 0, undone.text
    assert dump(url) == before


@pytest.mark.usefixtures("pending")
def test_a_migration_that_destroys_is_undone_by_the_backup_that_was_taken_before(live: Site, wares: Project) -> None:
    url = wares.urls["stg_database_url"]
    before = dump(url)
    with live.gone():
        refused = wares.invoke("migrate --tier=stg --yes")
    assert (refused.code, "E-NO-BACKUP" in refused.text, "missing stanza path" in refused.text) == (3, True, True)
    facts = result(wares.invoke("migrate --tier=stg --yes --format=json"))
    assert (facts["backup"]["grade"], facts["mark"]["proof"]["engine"]) == ("readable", "pgbackrest")
    newest, *_ = said(wares.invoke("backups --tier=stg --format=json"))
    assert (newest["engine"], newest["id"]) == ("pgbackrest", facts["backup"]["id"])

    undone = wares.invoke("undo --tier=stg --yes")
    assert undone.code == 0, undone.text
    assert dump(url) == before


@pytest.mark.thorough
@pytest.mark.usefixtures("prod", "pending")
def test_prod_changes_with_a_way_back_and_not_without(live: Site, wares: Project, prod: str) -> None:
    done = wares.invoke("migrate --tier=stg --yes")
    assert done.code == 0, done.text
    with nothing_changes(live.server, "wares_prod"):
        with live.gone():
            gone = wares.terminal("migrate --tier=prod", **ARMED)
        with live.broken():
            torn = wares.terminal("migrate --tier=prod", **ARMED)
        with foreign(live) as other, elsewhere(wares, live, str(other.config)):
            open_to_all = wares.terminal("migrate --tier=prod", **ARMED)
        with foreign(live, ENCRYPTED) as other, elsewhere(wares, live, str(other.config)):
            strange = wares.prod("migrate --tier=prod")
        with live.archiving("/bin/true"):
            unarchived = wares.prod("migrate --tier=prod")
    for each, word in ((gone, "missing stanza path"), (torn, "cannot be used"), (open_to_all, "is not encrypted")):
        assert (each.code, "E-NO-BACKUP" in each.out, word in each.out) == (3, True, True), each.out
    for each, word in ((strange, "is of another server"), (unarchived, "has no new backup")):
        assert (each.code, word in each.out) == (1, True), each.out

    before = dump(prod)
    done = wares.prod("migrate --tier=prod")
    assert (done.code, "found in pgbackrest" in done.out) == (0, True), done.out
    assert dump(prod) != before
    undone = wares.prod("undo --tier=prod")
    assert undone.code == 0, undone.out
    assert dump(prod) == before
    undone = wares.invoke("undo --tier=stg --yes")
    assert undone.code == 0, undone.text


@contextmanager
def elsewhere(wares: Project, live: Site, config: str) -> Iterator[None]:
    """The tiers' settings name another repository."""
    wares.edit("config/tiers.yaml", str(live.config), config)
    try:
        yield
    finally:
        wares.edit("config/tiers.yaml", config, str(live.config))
