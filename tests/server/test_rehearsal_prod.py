"""PROD's migrations run on a scratch server first, which must be able to hold what PROD holds and be nobody's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.abroad import foreign_bindir, started
from tests.server.road import Project, Server, nothing_changes, project, said

pytestmark = [pytest.mark.timeout(240), pytest.mark.thorough]  # the fast suite rehearses PROD in test_proof.py
ARMED = {"USE_PROD_DATABASE": "true"}
TABLE = "  version_table: alembic_version\n"
SCRATCH = "  scratch: scratch_database_url\n"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """The server on which the tiers are, and one of the same version that holds nothing."""
    if not (foreign_bindir().parent / "share").exists() and not foreign_bindir().as_posix().startswith("/usr/lib"):
        pytest.skip("no PostgreSQL with pgcrypto is installed on this machine")
    with started() as home, started() as scratch:
        yield home, scratch


@pytest.fixture(scope="module")
def shop(servers: tuple[Server, Server]) -> Iterator[Project]:
    """A project whose PROD uses an extension that the private server does not have, with one revision pending."""
    home, scratch = servers
    home.role("seller", "CREATEDB")
    home.database("goods_prod", "seller")
    home.sql("CREATE EXTENSION pgcrypto", "goods_prod")
    with project("goods") as made:
        made.urls = {
            variable: home.url(name, "seller")
            for variable, name in (
                ("test_database_url", "goods_int"), ("stg_database_url", "goods_stg"), ("database_url", "goods_prod"),
            )
        }  # fmt: skip
        made.with_keys()
        made.edit("config/tiers.yaml", TABLE, f"{TABLE}{SCRATCH}")
        made.urls["scratch_database_url"] = scratch.url("postgres")
        for words in ("reset --tier=int", "reset --tier=stg"):
            done = made.invoke(words)
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        made.revision("r4", "op.execute('ALTER TABLE lessons DROP COLUMN title')")
        done = made.invoke("migrate --through=stg --yes")
        assert done.code == 0, done.text
        yield made


@pytest.fixture
def unnamed(shop: Project) -> Iterator[Project]:
    """The same project, whose settings name no scratch server."""
    shop.edit("config/tiers.yaml", SCRATCH, "")
    yield shop
    shop.edit("config/tiers.yaml", TABLE, f"{TABLE}{SCRATCH}")


def test_what_the_private_server_cannot_hold_is_not_rehearsed_and_so_refused(
    unnamed: Project, servers: tuple[Server, Server]
) -> None:
    with nothing_changes(servers[0], "goods_prod"):
        planned = unnamed.invoke("migrate --tier=prod --dry-run", **ARMED)
        done = unnamed.terminal("migrate --tier=prod", **ARMED)

    assert (planned.code, done.code) == (0, 3), done.text
    assert "not rehearsed   the scratch server lacks the extension pgcrypto" in planned.err
    assert "refused (E-NOT-REHEARSED)" in done.out
    assert "Name a scratch server that can hold it in migrations.scratch in config/tiers.yaml" in done.out


def test_a_server_on_which_a_tier_lives_is_no_scratch_server(shop: Project, servers: tuple[Server, Server]) -> None:
    home, _ = servers
    databases = home.databases()

    planned = shop.invoke("migrate --tier=prod --dry-run", scratch_database_url=home.url("postgres"), **ARMED)

    assert "not rehearsed   scratch_database_url leads to a server on which a tier lives" in planned.err
    assert home.databases() == databases


def test_with_a_scratch_server_that_has_it_the_card_tells_what_would_be_lost_and_prod_is_migrated(
    shop: Project, servers: tuple[Server, Server]
) -> None:
    home, scratch = servers
    with nothing_changes(home, "goods_prod"):
        planned = shop.invoke("migrate --tier=prod --dry-run --format=json", **ARMED)
    assert planned.code == 0, planned.text
    assert said(planned)["plan"]["steps"][0]["ceilings"] == [
        {"is": "Ceiling", "deed": "drops_column", "what": "lessons.title", "most": 0}
    ]
    assert said(planned)["plan"]["effect"] == "CHANGE"  # reference seeds alone: there is no lesson
    home.sql("INSERT INTO lessons SELECT n, 1, 'Harp' FROM generate_series(1, 61) n", "goods_prod")

    done = shop.prod("migrate --tier=prod")

    card = done.out.partition("Type 'yes'")[0]
    assert done.code == 0, done.out
    assert "r4            revision r4" in card
    assert "locks lessons: ACCESS EXCLUSIVE, all wait" in card
    assert "data at risk    drops lessons.title: 61 values (r4); consent covers up to 70" in card
    assert not {name for name in scratch.databases() if name.startswith("dbtasks_")}
    shop.revision("r5", "op.execute('CREATE TABLE five ()')")  # something is pending again, for whichever test is next
    assert shop.invoke("migrate --through=stg").code == 0
