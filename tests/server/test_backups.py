"""Backups of a real server: what comes back is what was there, and what is not what was written is never restored."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
from obstore.store import LocalStore
from pyrage import x25519

from dbtasks import embedded
from dbtasks.backups import listing, pruning, remote, restoring, sealing, taking
from dbtasks.backups.manifest import Form, Grade, Manifest, encode
from dbtasks.backups.remote import Remote
from dbtasks.backups.store import MANIFEST
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import parse
from dbtasks.database import open_to_write
from dbtasks.errors import BackupError, DamagedBackupError, RefusedError
from dbtasks.tiers import BackupEngine
from tests.server.abroad import abroad as abroad
from tests.server.backups_ground import ERRAND, Ground
from tests.server.road import PASSWORD, Server
from tests.unit.guard_cells import PROD
from tests.unit.test_backups_stores import files_no_larger_than

pytestmark = [pytest.mark.timeout(180), pytest.mark.outside]
COPY = BackupEngine.COPY
DUMP = "database.dump"


@pytest.fixture(scope="module")
def boss(abroad: Server) -> Server:
    return abroad


@pytest.fixture
def ground(boss: Server, tmp_path: Path) -> Iterator[Ground]:
    made = Ground(boss=parse(boss.url("postgres"), variable="a test's"), folder=tmp_path / "backups")
    made.make()
    yield made
    copies = [manifest for manifest in made.listing().backups if manifest.form is Form.DATABASE]
    pruning.prune(made.clearance, made.vault(), copies, made.boss)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[sealing.Recipients, sealing.Identities]:
    anna, ben = x25519.Identity.generate(), x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{anna}\n")
    words = [str(anna.to_public()), str(ben.to_public())]
    return sealing.recipients(words, tmp_path), sealing.identities(tmp_path / "key", "OPENER")


@pytest.fixture(params=["pg_dump", "sealed", "jobs", "bucket", "copy"])
def way(
    request: pytest.FixtureRequest,
    ground: Ground,
    keys: tuple[sealing.Recipients, sealing.Identities],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Vault, BackupEngine]:
    vaults = {"sealed": ground.vault(*keys), "jobs": ground.vault(jobs=2)}
    if request.param == "bucket":
        monkeypatch.setattr(remote, "PIECE_BYTES", 5_000)
        vaults["bucket"] = Vault(store=Remote(LocalStore(tmp_path), "objects:"), recipients=keys[0], identities=keys[1])
    return vaults.get(request.param, ground.vault()), COPY if request.param == "copy" else BackupEngine.PG_DUMP


# What comes back


def test_what_comes_back_is_what_was_there(ground: Ground, way: tuple[Vault, BackupEngine]) -> None:
    vault, engine = way
    was = ground.dump()
    manifest = ground.take(vault, engine=engine)
    ground.sql("DELETE FROM sales.orders; DROP TABLE empty_one; ALTER TABLE sales.people ADD later int", ground.name)
    listed = ground.listing(vault)
    assert (listed.unreadable, [each.id for each in listed.backups]) == ((), [manifest.id])
    assert ground.restored(listed.backups[0], vault) == was


def test_a_backup_is_shown_to_be_restorable_and_that_stands_beside_it(
    ground: Ground, way: tuple[Vault, BackupEngine]
) -> None:
    vault, engine = way
    manifest = ground.take(vault, engine=engine)
    assert manifest.grade is Grade.WRITTEN
    if engine is not COPY:
        assert ground.readable(manifest, vault).grade is Grade.READABLE
        assert ground.listing(vault).backups[0].grade is Grade.READABLE
    before = ground.databases()
    assert ground.verify(manifest, vault).grade is Grade.RESTORABLE
    assert ground.databases() == before
    found = ground.listing(vault).backups[0]
    assert found.grade is Grade.RESTORABLE
    assert dict(found.rows)["sales.orders"] == 3000
    assert dict(found.rows)["pg_catalog.pg_largeobject_metadata"] == 1


def test_the_manifest_says_what_it_is_of(ground: Ground) -> None:
    with closing(open_to_write(ground.clearance, ground.shop)) as connection:
        row = connection.execute(
            "SELECT (SELECT system_identifier FROM pg_control_system()), oid::bigint FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
    manifest = ground.take()
    assert (manifest.identity.system_identifier, manifest.identity.oid) == row
    assert (manifest.project, manifest.tier, manifest.database) == ("shop", "stg", "shop_stg")
    assert (manifest.heads, manifest.entry, manifest.reason) == (("r3",), 7, "before the reset")
    assert (manifest.person, manifest.host) == ("anna", "desk")
    assert manifest.roles == ("boss", "reader")
    assert manifest.files[0].bytes == (ground.folder / manifest.id / DUMP).stat().st_size


def test_rows_are_counted_in_the_snapshot_that_is_dumped(ground: Ground) -> None:
    stop = threading.Event()

    def write() -> None:
        with closing(open_to_write(ground.clearance, ground.shop)) as connection:
            while not stop.is_set():
                connection.execute("INSERT INTO sales.orders (person, price) SELECT 1, 1 FROM generate_series(1, 50)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        manifest = ground.take()
    finally:
        stop.set()
        writer.join()
    assert dict(manifest.rows)["sales.orders"] < ground.sql("SELECT count(*) FROM sales.orders", ground.name)[0][0]
    assert ground.verify(manifest).grade is Grade.RESTORABLE


def test_a_backup_becomes_a_database_on_a_server_that_knows_none_of_its_roles(
    ground: Ground, server: embedded.Server
) -> None:
    elsewhere = server.conninfo("postgres")
    manifest = ground.take()
    with ground.beside(server=elsewhere) as beside, pytest.raises(BackupError, match=r"lacks roles .*: boss"):
        restoring.restore_into(ground.clearance, ground.vault(), manifest, beside)
    assert ground.verify(manifest, server=elsewhere, roles=True).grade is Grade.RESTORABLE


def test_what_the_server_beside_cannot_do_is_no_damage(ground: Ground, server: embedded.Server, tmp_path: Path) -> None:
    newer = Ground(boss=server.conninfo("postgres"), folder=tmp_path / "newer")
    newer.make()
    manifest = newer.take()
    if manifest.major <= ground.take().major:
        pytest.skip("no older PostgreSQL is installed on this machine")
    before = ground.databases()
    with pytest.raises(BackupError, match="pg_restore failed"):
        newer.verify(manifest, server=ground.boss, roles=True)
    assert ground.databases() == before
    assert newer.listing().backups[0].grade is Grade.WRITTEN


def test_a_role_that_owns_its_database_and_no_more_takes_and_restores(ground: Ground, boss: Server) -> None:
    if "owner" not in boss.sql("SELECT rolname FROM pg_roles"):
        boss.role("owner", "CREATEDB")
    ground.take(engine=COPY)  # makes the registry, which the superuser lets the role write
    ground.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON dbtasks.registry TO owner", "dbtasks")
    own = Ground(boss=replace(ground.boss, user="owner"), folder=ground.folder, name="own_stg")
    own.make()
    was = own.dump()
    # What a mark needs is a grant in the database itself, and only a superuser can give it again.
    boss.sql("GRANT EXECUTE ON FUNCTION pg_create_restore_point(text), pg_switch_wal() TO owner", "own_stg")
    manifest = own.take()
    assert (manifest.owner, manifest.role) == ("owner", "owner")
    assert own.restored(manifest) == was
    assert own.verify(manifest).grade is Grade.RESTORABLE
    own.drop()


def test_a_database_that_exists_is_never_restored_into(ground: Ground) -> None:
    manifest = ground.take()
    was = ground.dump()
    with ground.beside() as beside:
        target = replace(beside, row=replace(beside.row, name=ground.name))
        with pytest.raises(BackupError, match="shop_stg is there already"):
            restoring.restore_into(ground.clearance, ground.vault(), manifest, target)
    assert ground.dump() == was


# What is not what was written


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


DAMAGES = {
    "flipped": (flip, "its sha256 is another one"),
    "cut": (lambda data: data[:-1], "shorter than"),
    "longer": (lambda data: data + b"x", "longer than"),
    "empty": (lambda _data: b"", "shorter than"),
}


@pytest.mark.parametrize(
    ("damage", "sealed"), [*((damage, False) for damage in DAMAGES), ("flipped", True), ("cut", True)]
)
def test_a_damaged_file_is_found_noted_and_never_restored(
    ground: Ground, keys: tuple[sealing.Recipients, sealing.Identities], damage: str, sealed: bool
) -> None:
    vault = ground.vault(*keys) if sealed else ground.vault()
    manifest = ground.take(vault)
    change, says = DAMAGES[damage]
    ground.change(manifest, manifest.files[0].name, change)
    with pytest.raises(DamagedBackupError, match=says):
        ground.readable(manifest, vault)
    assert ground.listing(vault).backups[0].grade is Grade.DAMAGED
    with pytest.raises(BackupError, match="There is no backup latest"):
        listing.choose(ground.listing(vault), "latest")
    _is_not_restored(ground, manifest, vault, says)


def _is_not_restored(ground: Ground, manifest: Manifest, vault: Vault, says: str) -> None:
    done: list[str] = []
    with ground.beside() as beside:
        before = ground.databases()
        with pytest.raises(BackupError, match=says):
            restoring.restore_into(ground.clearance, vault, manifest, beside, lambda each: done.append(each.doing))
        assert ground.databases() == before
    assert "restoring" not in done  # a dump is a program: nothing of it has run


def test_swapped_and_missing_files_are_found(ground: Ground) -> None:
    first = ground.take()
    ground.sql("DELETE FROM sales.events", ground.name)
    second = ground.take()
    ours, theirs = (ground.folder / each.id for each in (first, second))
    (ours / DUMP).rename(ours / "aside")
    (theirs / DUMP).rename(ours / DUMP)
    with pytest.raises(DamagedBackupError, match=r"sha256 is another one|than the"):
        ground.readable(first)
    with pytest.raises(DamagedBackupError, match=f"{DUMP} is missing"):
        ground.readable(second)
    (theirs / MANIFEST).write_bytes((ours / MANIFEST).read_bytes())
    listed = ground.listing()
    assert listed.unreadable == ((second.id, f"its manifest is of {first.id}"),)
    with pytest.raises(DamagedBackupError, match="its manifest is of"):
        listing.choose(listed, second.id)


def test_a_file_of_a_dump_that_is_a_folder_is_missed(ground: Ground) -> None:
    vault = ground.vault(jobs=2)
    manifest = ground.take(vault)
    (ground.folder / manifest.id / "dump" / "toc.dat").unlink()
    with pytest.raises(DamagedBackupError, match=r"dump/toc\.dat is missing"):
        ground.readable(manifest, vault)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DELETE FROM sales.people WHERE id = 200", "sales.people has 199 rows and had 200 rows"),
        ("DROP TABLE empty_one", "public.empty_one has no table and had 0 rows"),
        ("DROP INDEX sales.by_price", "its schema is another one than was dumped"),
        ("REVOKE SELECT ON sales.people FROM reader", "its schema is another one than was dumped"),
    ],
)
def test_a_dump_of_something_else_is_found_by_restoring_it(ground: Ground, change: str, says: str) -> None:
    ground.sql(
        "CREATE INDEX by_price ON sales.orders (price); DELETE FROM sales.orders WHERE person = 200", ground.name
    )
    manifest = ground.take()
    ground.sql(change, ground.name)
    other = ground.take()
    # As somebody would who rewrites the manifest's sums, too.
    forged = msgspec.structs.replace(manifest, files=other.files, sha256=other.sha256, bytes=other.bytes)
    (ground.folder / manifest.id / DUMP).write_bytes((ground.folder / other.id / DUMP).read_bytes())
    (ground.folder / manifest.id / MANIFEST).write_bytes(encode(forged))
    assert forged.digest != manifest.digest  # which a plan that pins it would see
    with pytest.raises(DamagedBackupError, match=re.escape(says)):
        ground.verify(listing.read(ground.vault(), manifest.id))
    assert listing.read(ground.vault(), manifest.id).grade is Grade.DAMAGED


def test_something_else_that_was_sealed_to_the_same_keys_is_found(
    ground: Ground, keys: tuple[sealing.Recipients, sealing.Identities]
) -> None:
    """Public keys are public: whoever can write to the folder can seal, too."""
    vault = ground.vault(*keys)
    manifest = ground.take(vault)
    ground.sql("DELETE FROM sales.orders", ground.name)
    other = ground.take(vault)
    forged = msgspec.structs.replace(manifest, files=other.files)
    sealed = f"{DUMP}.age"
    (ground.folder / manifest.id / sealed).write_bytes((ground.folder / other.id / sealed).read_bytes())
    with pytest.raises(DamagedBackupError, match="what was sealed in it is not what was dumped"):
        ground.readable(forged, vault)
    _is_not_restored(ground, forged, vault, "what was sealed in it is not what was dumped")


def test_without_the_key_it_cannot_be_told_what_a_sealed_backup_is_worth(
    ground: Ground, keys: tuple[sealing.Recipients, sealing.Identities], tmp_path: Path
) -> None:
    manifest = ground.take(ground.vault(*keys))
    (tmp_path / "other").write_text(f"{x25519.Identity.generate()}\n")
    wrong = ground.vault(keys[0], sealing.identities(tmp_path / "other", "OPENER"))
    with pytest.raises(BackupError, match=r"was sealed to age1.* cannot be opened with the keys at hand"):
        ground.readable(manifest, wrong)
    with pytest.raises(BackupError, match="no private key is at hand"):
        ground.readable(manifest, ground.vault(keys[0]))
    assert ground.listing().backups[0].grade is Grade.WRITTEN
    _is_not_restored(ground, manifest, wrong, "cannot be opened with the keys at hand")
    with pytest.raises(RefusedError, match="does not open"):
        ground.take(wrong)


def test_a_backup_of_another_engine_than_this_version_has_is_told(ground: Ground) -> None:
    manifest = msgspec.structs.replace(ground.take(), engine="barman")
    with pytest.raises(DamagedBackupError, match="taken by 'barman', which this version does not know"):
        ground.readable(manifest)


# What cannot be taken


def failing(ground: Ground, says: str, **take: object) -> None:
    """Expect that no backup comes of it, and nothing of one is left."""
    with pytest.raises(BackupError, match=says) as caught:
        ground.take(**take)  # type: ignore[arg-type]  # whatever a test needs
    assert PASSWORD not in str(caught.value)
    assert not ground.folder.exists() or ground.left() == []


def test_a_role_that_may_not_read_everything_takes_no_backup(ground: Ground, boss: Server) -> None:
    for name in ("clerk", "hidden"):
        if name not in boss.sql("SELECT rolname FROM pg_roles"):
            boss.role(name)
    clerk = Ground(boss=replace(ground.boss, user="clerk"), folder=ground.folder)
    failing(clerk, "permission denied for")
    ground.sql("GRANT pg_read_all_data TO hidden", ground.name)
    hidden = Ground(boss=replace(ground.boss, user="hidden"), folder=ground.folder)
    failing(hidden, "row-level security|row security")  # some rows are hidden from it


def test_a_database_that_is_not_there_takes_no_backup(ground: Ground) -> None:
    ground.drop()
    failing(ground, "could not be backed up: .*does not exist")


def test_a_program_that_is_ended_leaves_nothing(ground: Ground) -> None:
    with once_pg_dump_runs(ground, lambda process: os.kill(int(process.name), signal.SIGKILL)):
        failing(ground, r"pg_dump failed \(exit -9\)")


def test_a_session_that_is_ended_leaves_nothing(ground: Ground) -> None:
    def end(_process: Path) -> None:
        ground.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop_stg'")

    with once_pg_dump_runs(ground, end):
        failing(ground, r"terminating connection|connection .*closed|not running anymore")


@contextmanager
def once_pg_dump_runs(ground: Ground, act: Callable[[Path], None]) -> Iterator[None]:
    """Do something to the pg_dump that the block starts, by its folder in /proc."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.002):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    words = (process / "cmdline").read_bytes().split(b"\0")
                    if words[0].endswith(b"/pg_dump") and any(ground.name.encode() in word for word in words):
                        act(process)
                        done.set()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield
    finally:
        done.set()
        looker.join()


def test_the_password_is_on_no_command_line_and_in_no_other_environment(ground: Ground) -> None:
    seen: dict[str, bytes] = {}

    def look(process: Path) -> None:
        seen["command"], seen["environment"] = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()

    with once_pg_dump_runs(ground, look):
        ground.take()
    assert PASSWORD.encode() not in seen["command"]
    assert b"--snapshot=" in seen["command"]
    assert f"PGPASSWORD={PASSWORD}".encode() in seen["environment"]
    assert "PGPASSWORD" not in os.environ


def test_no_room_is_told_before_anything_is_read(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = ground.vault()
    monkeypatch.setattr(vault.store, "free_bytes", lambda: 10_000)
    with pytest.raises(BackupError, match=r"has 0 MB free, of which the dump would take"):
        ground.take(vault)
    assert not ground.folder.exists()


@pytest.mark.parametrize("how", ["plain", "sealed", "jobs"])
def test_a_disk_that_is_full_in_the_middle_ends_in_one_sentence(
    ground: Ground, keys: tuple[sealing.Recipients, sealing.Identities], how: str
) -> None:
    vault = {"plain": ground.vault(), "sealed": ground.vault(*keys), "jobs": ground.vault(jobs=2)}[how]
    # With jobs it is pg_dump that has no more room, and the system ends it.
    says = r"pg_dump failed \(exit" if how == "jobs" else r"could not be written to after 0\.0 MB: File too large"
    with files_no_larger_than(6_000):
        failing(ground, says, vault=vault)
    assert ground.readable(ground.take(vault), vault).grade is Grade.READABLE


def test_a_tier_without_an_engine_has_no_backups(ground: Ground) -> None:
    with pytest.raises(RefusedError, match="engine: never"):
        ground.take(engine=BackupEngine.NEVER)


# Copies


def test_a_copy_is_taken_of_a_database_that_nobody_uses(ground: Ground) -> None:
    before = ground.databases()
    with (
        closing(open_to_write(ground.clearance, ground.shop)),
        pytest.raises(BackupError, match=r"while boss \(dbtasks\) is connected"),
    ):
        ground.take(engine=COPY)
    assert ground.databases() == before
    assert ground.sql("SELECT count(*) FROM dbtasks.registry WHERE kind IN ('building', 'backup')", "dbtasks") == [(0,)]


def test_no_copy_is_taken_of_a_tier_that_may_lose_nothing(ground: Ground) -> None:
    with pytest.raises(RefusedError, match="dies with its server"):
        ground.take(tier=PROD, engine=COPY)


def test_nobody_changes_a_copy(ground: Ground) -> None:
    manifest = ground.take(engine=COPY)
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        psycopg.connect(ground.boss.with_database(manifest.copy).url(ground.clearance))
    pruning.prune(ground.clearance, ground.vault(), [manifest], ground.boss)
    assert manifest.copy not in ground.databases()
    with ground.beside() as beside, pytest.raises(DamagedBackupError, match="there is no database"):
        restoring.restore_into(ground.clearance, ground.vault(), manifest, beside)


def test_a_copy_is_dropped_only_where_it_is_this_backup(ground: Ground) -> None:
    manifest = ground.take(engine=COPY)
    other = msgspec.structs.replace(manifest, copy_oid=manifest.copy_oid + 1)
    pruning.prune(ground.clearance, ground.vault(), [other], ground.boss)
    assert manifest.copy in ground.databases()
    pruning.prune(ground.clearance, ground.vault(), [manifest], ground.boss)
    assert manifest.copy not in ground.databases()


def test_what_is_pruned_is_gone_and_the_rest_is_whole(ground: Ground) -> None:
    gone, kept = ground.take(), ground.take()
    assert pruning.prune(ground.clearance, ground.vault(), [gone], ground.boss) == (gone.id,)
    assert [each.id for each in ground.listing().backups] == [kept.id]
    assert ground.readable(kept).grade is Grade.READABLE


def test_an_id_says_when_and_is_never_taken_twice(ground: Ground) -> None:
    made = {taking.take(ground.clearance, ground.source(), ground.vault(), ERRAND) for _ in range(2)}
    assert len({each.id for each in made}) == 2
    for each in made:
        assert abs(each.started_at.replace(microsecond=0) - _time_of(each.id)) < timedelta(minutes=1)


def _time_of(id_: str) -> datetime:
    return datetime.strptime(id_[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
