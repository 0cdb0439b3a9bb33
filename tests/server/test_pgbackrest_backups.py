"""Backups by pgBackRest: a point in a repository, which becomes a database again beside the live one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest

from dbtasks.backups import vault as vaults
from dbtasks.backups.local import Local
from dbtasks.backups.manifest import Grade, Kept, Manifest, encode
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import parse
from dbtasks.errors import BackupError, DamagedBackupError, RefusedError
from dbtasks.recovery.repository import Repository
from dbtasks.tiers import BackupEngine, BackupPolicy, Loss
from tests.server.backups_ground import Ground
from tests.server.pgbackrest_ground import ENCRYPTED, Site, flipped, foreign, misread, site
from tests.server.recovery_ground import project
from tests.unit.guard_cells import STG

pytestmark = [pytest.mark.timeout(120), pytest.mark.outside, pytest.mark.pgbackrest]
ENGINE = BackupEngine.PGBACKREST


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Site, Ground, Vault]]:
    """A shop on a server whose repository is encrypted and has no backup yet."""
    with site(ENCRYPTED) as made, project() as root:
        boss = parse(made.server.url("postgres"), variable="a test's")
        ground = Ground(boss=boss, folder=root / "vault")
        ground.make()
        yield made, ground, of(ground, made.repository)


@pytest.fixture(scope="module")
def backup(shop: tuple[Site, Ground, Vault]) -> Manifest:
    """The first one, after which somebody came to buy."""
    _, ground, vault = shop
    taken = ground.take(vault, engine=ENGINE)
    ground.sql("INSERT INTO sales.people (name) VALUES ('came after')", ground.name)
    return taken


def of(ground: Ground, repository: Repository) -> Vault:
    return Vault(store=Local(ground.folder), repositories=(("stg", repository),), root=ground.folder.parent)


def kept(manifest: Manifest) -> Kept:
    assert isinstance(manifest.kept, Kept)
    return manifest.kept


@contextmanager
def nothing_left(ground: Ground) -> Iterator[None]:
    before, live = (ground.left(), ground.databases()), ground.dump()
    yield
    assert ((ground.left(), ground.databases()), ground.dump()) == (before, live)


def test_the_first_backup_is_full_the_next_holds_what_has_changed_and_both_come_back(
    shop: tuple[Site, Ground, Vault], backup: Manifest
) -> None:
    _, ground, vault = shop
    next_one = ground.take(vault, engine=ENGINE)

    assert (kept(backup).kind, kept(next_one).kind) == ("full", "incr")
    rows = dict(next_one.rows)
    assert (rows["sales.people"], rows["sales.orders"], dict(backup.rows)["sales.people"]) == (201, 3000, 200)
    with nothing_left(ground):
        assert ground.restored(next_one, vault) == ground.dump()
        assert "came after" not in ground.restored(backup, vault)


def test_its_grades_say_what_was_shown(shop: tuple[Site, Ground, Vault], backup: Manifest) -> None:
    _, ground, vault = shop
    assert backup.grade is Grade.WRITTEN
    assert ground.readable(backup, vault).grade is Grade.READABLE
    assert ground.verify(backup, vault).grade is Grade.RESTORABLE
    fewer = tuple((name, count - (name == "sales.orders")) for name, count in backup.rows)
    with pytest.raises(DamagedBackupError, match=r"sales\.orders has 3,000 rows and had 2,999 rows"):
        ground.verify(rewritten(ground, backup, rows=fewer), vault)


def test_what_is_damaged_in_the_repository_is_no_backup(shop: tuple[Site, Ground, Vault], backup: Manifest) -> None:
    made, ground, vault = shop
    backup = rewritten(ground, backup)
    label = kept(backup).label
    largest = max(made.files(f"backup/shop/{label}/pg_data/base/*/*.gz"), key=lambda path: path.stat().st_size)
    with flipped(largest):
        with pytest.raises(DamagedBackupError, match=f"pgBackRest finds {label} invalid"):
            ground.readable(backup, vault)
        with nothing_left(ground), pytest.raises(DamagedBackupError, match="cannot be used"):
            ground.restored(backup, vault)
    other = rewritten(ground, backup, sha256="0" * 64)
    for look in (ground.readable, ground.restored):
        with pytest.raises(DamagedBackupError, match=r"the list of files of .* is not the one that was written"):
            look(other, vault)
    gone = rewritten(ground, backup, kept=msgspec.structs.replace(kept(backup), label="20200101-000000F"))
    with pytest.raises(DamagedBackupError, match="has no backup 20200101-000000F any more"):
        ground.readable(gone, vault)


def test_a_segment_of_the_log_that_is_damaged_leaves_it_open_whether_the_backup_is(
    shop: tuple[Site, Ground, Vault], backup: Manifest
) -> None:
    made, ground, vault = shop
    segment, *_ = made.files("archive/*/*/*/*01-*.gz")
    with (
        flipped(segment),
        pytest.raises(BackupError, match=r"can only be shown by restoring it: of .* segments") as told,
    ):
        ground.readable(rewritten(ground, backup), vault)
    assert not isinstance(told.value, DamagedBackupError)


@pytest.mark.usefixtures("backup")
def test_who_writes_while_the_mark_is_put_leaves_nothing_counted(shop: tuple[Site, Ground, Vault]) -> None:
    made, ground, vault = shop
    with made.server.connect(ground.name) as session:
        session.execute("BEGIN")
        session.execute("INSERT INTO sales.people (name) VALUES ('not yet')")
        taken = ground.take(vault, engine=ENGINE)
        session.execute("ROLLBACK")

    assert taken.rows == ()


def test_without_its_repository_there_is_no_backup_and_nothing_is_left(shop: tuple[Site, Ground, Vault]) -> None:
    made, ground, vault = shop
    with nothing_left(ground):
        with made.gone(), pytest.raises(BackupError, match="missing stanza path"):
            ground.take(vault, engine=ENGINE)
        with pytest.raises(BackupError, match="cannot be used"):
            ground.take(of(ground, misread(made)), engine=ENGINE)
        with foreign(made) as other, pytest.raises(BackupError, match="is of another server than shop_stg lies on"):
            ground.take(of(ground, other), engine=ENGINE)
        with made.archiving("/bin/true"), pytest.raises(BackupError, match="has no new backup"):
            ground.take(vault, engine=ENGINE)
        with pytest.raises(BackupError, match=r"tiers\.stg\.recovery names no stanza"):
            ground.take(ground.vault(), engine=ENGINE)


def test_a_tier_that_may_lose_nothing_wants_an_encrypted_repository(shop: tuple[Site, Ground, Vault]) -> None:
    made, ground, vault = shop
    strict = replace(STG, may_lose=Loss.NOTHING, backup=BackupPolicy(engine=ENGINE))
    assert vaults.check_keys(vault, strict) == ""
    with foreign(made) as other, pytest.raises(RefusedError, match="is not encrypted") as told:
        vaults.check_keys(of(ground, other), strict)
    assert told.value.code == "E-BACKUP"


def rewritten(ground: Ground, manifest: Manifest, **changes: object) -> Manifest:
    """Return a manifest as if it had been written so, under an id of its own: what is shown of it stays apart."""
    number = len(list(ground.folder.iterdir()))
    made = msgspec.structs.replace(manifest, id=f"20260101T000000Z-{number:06x}", **changes)
    draft = Local(ground.folder).begin(made.id)
    draft.finish(encode(made))
    return made
