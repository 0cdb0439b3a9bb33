"""PROD on Supabase, as far as that can be had here: a server of another version, and an API that answers by its schema.

Only the address of the API, and which project the connection leads to, are put in place of the real ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests import supabase_api
from tests.server import abroad
from tests.server.road import FILES, Project, Server, nothing_changes, project
from tests.supabase_api import PROJECT, TOKEN, Api, Reply, backups

pytestmark = [pytest.mark.timeout(240), pytest.mark.thorough]
TASKS = f"""
import os
from dbtasks.recovery.engines import supabase

supabase.API = os.environ["API_URL"]
supabase.project_of = lambda conninfo, tier: {PROJECT!r}
"""
SETTINGS = "    recovery: {engine: supabase, token: SUPABASE_ACCESS_TOKEN}\n    embedded: never\n"
DROPS = "op.execute('ALTER TABLE lessons DROP COLUMN title')"
# What a migration of the team's would see of the token.
ENV_PY = FILES["migrations/env.py"] + "\nopen('seen.txt', 'a').write(repr(dict(os.environ)))\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with supabase_api.running(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with abroad.started(options={"wal_level": "replica"}) as made:
        made.role("seller", "CREATEDB")
        made.database("wares_prod", "seller")
        yield made


@pytest.fixture(scope="module")
def shop(api: Api, server: Server) -> Iterator[Project]:
    with project("wares") as made:
        tiers = {"test_database_url": "wares_int", "stg_database_url": "wares_stg", "database_url": "wares_prod"}
        made.urls = {variable: server.url(name, "seller") for variable, name in tiers.items()}
        made.urls |= {"API_URL": api.url, "SSL_CERT_FILE": str(api.authority), "SUPABASE_ACCESS_TOKEN": TOKEN}
        made.with_keys().edit("config/tiers.yaml", "    embedded: never\n", SETTINGS)
        made.file("tasks.py", TASKS + FILES["tasks.py"])
        made.file("migrations/env.py", ENV_PY)
        for words in ("reset --tier=int", "reset --tier=stg"):
            done = made.invoke(words)
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        server.sql("INSERT INTO lessons SELECT n, 1, 'lesson ' || n FROM generate_series(1, 40) n", "wares_prod")
        made.revision("r4", DROPS)
        for tier in ("int", "stg"):
            done = made.invoke(f"migrate --tier={tier} --yes")
            assert done.code == 0, done.text
        yield made


def by_now() -> Reply:
    return supabase_api.said(backups(time.time() - 86_400, time.time()))


def test_prod_is_changed_only_once_the_provider_reaches_the_mark_and_recovered_by_a_person_there(
    shop: Project, server: Server, api: Api
) -> None:
    said, page = [], f"https://supabase.com/dashboard/project/{PROJECT}/database/backups/restore-to-new-project"
    for reply, word, environ in (
        (supabase_api.said(backups(1, time.time(), pitr=False)), "recovery is off", {}),
        (Reply(status=401), "(401)", {}),
        (by_now(), "is not set", {"SUPABASE_ACCESS_TOKEN": None}),
    ):
        api.replies = [reply]
        with nothing_changes(server, "wares_prod"):
            done = shop.prod("migrate --tier=prod", **environ)
        assert (done.code, "E-NO-MARK" in done.out, word in done.out) == (3, True, True), done.out
        said.append(done.out)

    api.replies = [by_now]
    done = shop.prod("migrate --tier=prod")
    assert (done.code, done.out.count("supabase, not verified live")) == (0, 2), done.out
    (entry,) = re.findall(r"--before=(\d+)", done.out)
    with nothing_changes(server, "wares_prod"):
        refused = shop.terminal(f"recover --tier=prod --before={entry}", USE_PROD_DATABASE="true")
        incident = shop.invoke("incident --tier=prod", USE_PROD_DATABASE="true")
    assert (refused.code, "E-PROVIDER" in refused.out, page in refused.out) == (3, True, True), refused.out
    assert (incident.code, page in incident.out) == (0, True), incident.text

    said += [done.out, refused.out, incident.text]
    written = [path for path in shop.root.rglob("*") if path.is_file()]
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
    assert not any(TOKEN in text for text in said)
    assert {method for method, *_ in api.asked} == {"GET"}


def test_the_token_reaches_no_migration_and_no_command(shop: Project, api: Api) -> None:
    api.replies = [by_now]
    shown = shop.invoke("run --tier=int -- env")
    seen = (shop.root / "seen.txt").read_text(encoding="utf-8")
    assert (shown.code, "API_URL" in shown.out, "API_URL" in seen) == (0, True, True), shown.text
    assert (TOKEN in shown.text, TOKEN in seen) == (False, False)
