"""Public projects go from empty to head on INT, STG and PROD, in order, as they are, and end where they end alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.public.projects import ALL, Public
from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, phrase, project

pytestmark = [pytest.mark.public, pytest.mark.timeout(2400)]

TIERS = {"int": "test_database_url", "stg": "stg_database_url", "prod": "database_url"}
_OURS = "--exclude-schema=dbtasks"


@pytest.fixture(params=ALL, ids=[each.name for each in ALL])
def public(request: pytest.FixtureRequest) -> Public:
    chosen: Public = request.param
    chosen.venv.install()
    return chosen


@pytest.fixture
def adopting(public: Public, abroad: Server) -> Iterator[Project]:
    """A folder that adopts the project, and nothing of the project in it."""
    with project(public.name, **public.files) as made:
        made.seconds = 600
        declared = f"  python: {public.venv.python}\n{public.settings}\n"
        made.edit("config/tiers.yaml", "  url_variables: [DATABASE_URL]\n", declared)
        made.edit("config/tiers.yaml", "    seeds: [reference, demo]\n", "")
        made.urls = {
            **public.environ(made.root),
            # It names the driver that the project wants, and leads nowhere.
            public.url_variable: f"postgresql+{public.driver}://nobody@nowhere/nothing",
            **{variable: abroad.url(f"{public.name}_{tier}") for tier, variable in TIERS.items()},
        }
        yield made


def test_a_public_project_reaches_head_on_every_tier_untouched(
    public: Public, adopting: Project, abroad: Server
) -> None:
    for database in (*TIERS, "alone"):
        abroad.database(f"{public.name}_{database}")
    before = public.bytes()
    public.migrate_alone(adopting.root, abroad.url(f"{public.name}_alone"))

    done = adopting.invoke("migrate --through=stg", PYTHONPATH=None)
    assert done.code == 0, done.text + log(adopting.root)
    adopted = adopting.prod("adopt --tier=prod", PYTHONPATH=None)
    assert adopted.code == 0, adopted.text
    on_prod = adopting.terminal("migrate --through=prod", "yes\n", phrase, USE_PROD_DATABASE="true", PYTHONPATH=None)
    assert on_prod.code == 0, on_prod.text + log(adopting.root)

    assert before, "no file was looked at"
    assert public.bytes() == before
    wanted = abroad.dump(f"{public.name}_alone", "--schema-only", _OURS).replace(f"{public.name}_alone", "it")
    for tier in TIERS:
        name = f"{public.name}_{tier}"
        assert abroad.dump(name, "--schema-only", _OURS).replace(name, "it") == wanted, tier
        rows = abroad.sql("SELECT revision, checksum, direction FROM dbtasks.ledger", name)
        assert sorted(rows) == sorted(
            abroad.sql("SELECT revision, checksum, direction FROM dbtasks.ledger", f"{public.name}_int")
        )
        assert len(rows) > 10

    rebuilt = adopting.invoke("reset --tier=int", PYTHONPATH=None)
    assert rebuilt.code == 0, rebuilt.text + log(adopting.root)
    name = f"{public.name}_int"
    assert abroad.dump(name, "--schema-only", _OURS).replace(name, "it") == wanted


def log(root: Path) -> str:
    file = root / "logs" / "migrations.log"
    return file.read_text(encoding="utf-8")[-4000:] if file.exists() else ""
