"""What a role is granted for its marks stays when another database takes the tier's place."""

from __future__ import annotations

import pytest

from tests.server import abroad
from tests.server.road import own, project, said

pytestmark = [pytest.mark.timeout(240), pytest.mark.thorough]
GRANTS = "EXECUTE ON FUNCTION pg_create_restore_point(text), pg_switch_wal()"
STG_ENDS = "    embedded: durable\n"


def test_grants_in_the_coordination_database_outlive_a_reset() -> None:
    with abroad.started(options={"wal_level": "replica", "archive_mode": "on"}) as server, project("wares") as made:
        archive = server.folder / "archive"
        archive.mkdir()
        own(archive)
        server.sql(f"ALTER SYSTEM SET archive_command = 'cp %p {archive}/%f'")
        server.sql("SELECT pg_reload_conf()")
        server.role("clerk", "REPLICATION CREATEDB")
        server.database("postbox", "clerk")
        made.urls = {"stg_database_url": server.url("wares_stg", "clerk")}
        made.edit("config/tiers.yaml", STG_ENDS, f"    recovery: {{engine: archive, archive: {archive}}}\n{STG_ENDS}")

        def mark() -> dict[str, object]:
            done = made.invoke("reset --tier=stg --yes --format=json")
            assert done.code == 0, done.text
            return dict(said(done)["result"].get("mark", {}))

        assert made.invoke("reset --tier=int").code == 0
        mark()  # of a database that is not there yet
        ungranted = mark()
        server.sql(f"GRANT {GRANTS} TO clerk", "dbtasks")
        first, second = mark(), mark()

        assert "As a superuser, in dbtasks" in str(ungranted["instead"]), ungranted
        assert ("proof" in first, "proof" in second) == (True, True), (first, second)
        assert first["record"] == second["record"] == "restore point"
