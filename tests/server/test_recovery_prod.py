"""PROD loses nothing that could not come back: keys, backup and mark are shown to do before the first write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from tests.outside import Finished
from tests.server import abroad
from tests.server.road import Project, Server, nothing_changes, own, project, said

pytestmark = [pytest.mark.timeout(300), pytest.mark.thorough]
ARMED = {"USE_PROD_DATABASE": "true"}
DROPS = "op.execute('ALTER TABLE lessons DROP COLUMN title')"
RECIPIENTS = "  recipients: [config/backup_keys.pub]\n"
PROD_ENDS = "    embedded: never\n"


@pytest.fixture(scope="module")
def archiving() -> Iterator[tuple[Server, Path]]:
    """A server of another version that archives into a folder, unless a file there says that it is broken."""
    with abroad.started(options={"wal_level": "replica", "archive_mode": "on"}) as server:
        folder = server.folder / "archive"
        folder.mkdir()
        own(folder)
        server.sql(f"ALTER SYSTEM SET archive_command = 'test ! -e {folder}/broken && cp %p {folder}/%f'")
        server.sql("SELECT pg_reload_conf()")
        yield server, folder


@pytest.fixture(scope="module")
def shop(archiving: tuple[Server, Path]) -> Iterator[Project]:
    """A project whose PROD has rows, an archive, and two people who can open its backups."""
    server, archive = archiving
    server.role("seller", "SUPERUSER")  # base backups and restore points
    server.database("wares_prod", "seller")
    with project("wares") as made:
        made.urls = {
            variable: server.url(name, "seller")
            for variable, name in (
                ("test_database_url", "wares_int"), ("stg_database_url", "wares_stg"), ("database_url", "wares_prod"),
            )
        }  # fmt: skip
        made.with_keys().file("strange.key", f"{pyrage.x25519.Identity.generate()}\n")
        recovery = f"    recovery: {{engine: archive, archive: {archive}}}\n"
        made.edit("config/tiers.yaml", PROD_ENDS, f"{recovery}{PROD_ENDS}")
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
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


def refused(shop: Project, server: Server, code: str, **environ: str) -> str:
    """Migrate PROD as the person who means it, and see that nothing came of it but this refusal."""
    with nothing_changes(server, "wares_prod"):
        done = shop.prod("migrate --tier=prod", **environ)
    assert (done.code, code in done.out) == (3, True), done.out
    return done.out


def test_without_a_key_that_opens_the_backup_nobody_is_even_asked(
    shop: Project, archiving: tuple[Server, Path]
) -> None:
    server, _ = archiving
    with nothing_changes(server, "wares_prod"):
        strange = shop.terminal("migrate --tier=prod", **ARMED, backup_identity=str(shop.root / "strange.key"))
        none = shop.terminal("migrate --tier=prod", **ARMED, backup_identity=None)
    shop.edit("config/tiers.yaml", RECIPIENTS, "")
    try:
        with nothing_changes(server, "wares_prod"):
            open_to_all = shop.terminal("migrate --tier=prod", **ARMED)
    finally:
        shop.edit("config/tiers.yaml", "\nbackups:\n", f"\nbackups:\n{RECIPIENTS}")

    for done, word in ((strange, "does not open"), (none, "No private key"), (open_to_all, "sealed to 0 keys")):
        assert (done.code, "E-NO-BACKUP" in done.out, word in done.out) == (3, True, True), done.out


def test_no_reason_stands_for_a_backup_where_nothing_may_be_lost(shop: Project, archiving: tuple[Server, Path]) -> None:
    server, _ = archiving
    with nothing_changes(server, "wares_prod"):
        done = shop.terminal("migrate --tier=prod --no-backup-because=haste", **ARMED)

    assert (done.code, "E-NO-BACKUP" in done.out) == (3, True), done.out


def test_a_backup_of_another_tier_is_no_backup_of_prod(shop: Project, archiving: tuple[Server, Path]) -> None:
    server, _ = archiving
    taken = said(shop.invoke("backup --tier=stg --format=json"))["result"]["backup"]["id"]

    with nothing_changes(server, "wares_prod"):
        done = shop.terminal(f"restore --tier=prod --backup={taken}", **ARMED)

    assert (done.code, "E-FOREIGN-BACKUP" in done.out) == (3, True), done.out


def test_whole_and_proven_the_migration_runs_and_undo_brings_prod_back(
    shop: Project, archiving: tuple[Server, Path]
) -> None:
    server, _ = archiving
    before = server.dump("wares_prod", "--exclude-table-data=dbtasks.identity")

    done = shop.prod("migrate --tier=prod")
    assert done.code == 0, done.out
    for fact in ("backs up", "encrypted to 2", "readable", "found in archive"):
        assert fact in done.out
    undone: Finished = shop.prod("undo --tier=prod")

    assert undone.code == 0, undone.out
    assert server.dump("wares_prod", "--exclude-table-data=dbtasks.identity") == before


def test_with_a_broken_archive_nothing_is_destroyed(shop: Project, archiving: tuple[Server, Path]) -> None:
    server, archive = archiving
    (archive / "broken").touch()
    try:
        said_so = refused(shop, server, "E-NO-MARK")
    finally:
        (archive / "broken").unlink()

    assert "archive" in said_so


def test_a_prod_that_was_dropped_comes_back_from_its_backup(shop: Project, archiving: tuple[Server, Path]) -> None:
    server, _ = archiving
    assert shop.prod("backup --tier=prod").code == 0
    before = server.dump("wares_prod", "--exclude-table-data=dbtasks.identity")
    server.sql("DROP DATABASE wares_prod WITH (FORCE)")

    refused = shop.terminal("restore --tier=prod --backup=latest", **ARMED)
    server.sql("CREATE DATABASE wares_prod OWNER seller")
    steps = [shop.prod(words) for words in ("adopt --tier=prod", "restore --tier=prod --backup=latest")]

    assert (refused.code, "E-ABSENT" in refused.out, "invoke adopt --tier=prod" in refused.out) == (3, True, True)
    assert [step.code for step in steps] == [0, 0], [step.out for step in steps]
    assert server.dump("wares_prod", "--exclude-table-data=dbtasks.identity") == before
