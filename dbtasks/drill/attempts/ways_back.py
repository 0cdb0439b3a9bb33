"""What is to be destroyed without a way back: no key, a damaged or lost backup, an archive that keeps nothing."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from dbtasks import embedded
from dbtasks.drill import signing
from dbtasks.drill.attempt import Attempt, Layer, Ran, stg
from dbtasks.drill.ground import Ground
from dbtasks.drill.sample import PROD_ENDS
from dbtasks.drill.signing import last_line

_SETTINGS = "config/tiers.yaml"
_RESTORE = "restore --tier=stg --backup=latest --yes"


# A revision that drops a column, on a tier that may lose nothing


def _without_key(ground: Ground) -> Ran:
    ground.revise("ALTER TABLE notes DROP COLUMN text")
    ran = ground.invoke("migrate --through=stg --yes --no-backup-because=drill")
    return signing.deploy(ground, "migrate") if ran.code == 0 else ran


def _with_keys(ground: Ground) -> str:
    """Migrate PROD with two keys for its backup, one of them at hand."""
    _give_keys(ground)
    before = ground.state("drill_prod")
    ran = signing.deploy(ground, "migrate")
    return "" if ran.code == 0 and ground.state("drill_prod") != before else last_line(ran)


def _give_keys(ground: Ground) -> None:
    import pyrage  # an extra, see _no_keys

    if "backup_identity" in ground.urls:
        return
    keys = [pyrage.x25519.Identity.generate() for _ in range(2)]
    ground.write("config/backup_keys.pub", "".join(f"{key.to_public()}\n" for key in keys))
    ground.urls["backup_identity"] = str(ground.write("backup.key", f"{keys[0]}\n"))
    folder = "  folder: .dbtasks/backups\n"
    said = f"{folder}  recipients: [config/backup_keys.pub]\n  identity: backup_identity\n"
    ground.replace(_SETTINGS, folder, said)


def _more_lost(ground: Ground) -> Ran:
    """Migrate PROD by a plan that agreed to lose a few notes, once there are many."""
    _give_keys(ground)
    ground.revise("ALTER TABLE crm.calls DROP COLUMN note")
    ran = ground.invoke("migrate --through=stg --yes --no-backup-because=drill")
    if ran.code:
        return ran
    ground.plan = signing.content(ground, "migrate")
    ground.sql("INSERT INTO crm.calls SELECT n, 'call' FROM generate_series(1000, 1400) n", "drill_prod")
    before = ground.state("drill_prod")
    ran = signing.apply(ground, signing.signed(ground, ground.plan))
    return Ran(code=ran.code, text=ran.text, harm=ground.state("drill_prod") != before)


def _no_more_lost(ground: Ground) -> str:
    if ground.plan is None:
        return "there is no plan"
    ground.sql("DELETE FROM crm.calls WHERE id >= 1000", "drill_prod")
    before = ground.state("drill_prod")
    ran = signing.apply(ground, signing.signed(ground, ground.plan))
    return "" if ran.code == 0 and ground.state("drill_prod") != before else last_line(ran)


def _no_keys(_ground: Ground) -> str:
    if importlib.util.find_spec("pyrage") is None:
        return 'sealed backups need a package: pip install "dbtasks[encrypt]"'
    return ""


# A backup of STG that is restored


def _backed_up(ground: Ground) -> Path:
    """Take a backup of STG, and return the largest file of it."""
    before = _artefacts(ground)
    ran = ground.invoke("backup --tier=stg")
    made = _artefacts(ground) - before
    if ran.code or not made:
        raise ValueError(f"no backup was taken: {last_line(ran)}")
    return max(made, key=lambda file: file.stat().st_size)


def _artefacts(ground: Ground) -> set[Path]:
    return {file for file in (ground.root / ".dbtasks" / "backups").rglob("*") if file.is_file()}


def _damaged(ground: Ground) -> Ran:
    """Turn one bit in the middle of it."""
    file = _backed_up(ground)
    with _kept(file):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        return ground.invoke(_RESTORE)


def _lost(ground: Ground) -> Ran:
    file = _backed_up(ground)
    with _kept(file):
        file.unlink()
        return ground.invoke(_RESTORE)


@contextlib.contextmanager
def _kept(file: Path) -> Iterator[None]:
    content = file.read_bytes()
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(content)


def _restored(ground: Ground) -> str:
    before = ground.state("drill_stg")
    ran = ground.invoke(_RESTORE)
    return "" if ran.code == 0 and ground.state("drill_stg") != before else last_line(ran)


# PROD on the private durable server as its own, which archives its log


@contextlib.contextmanager
def _archiving(ground: Ground) -> Iterator[Path]:
    """Let PROD be the private server's own; yield the folder of its archive."""
    server = embedded.look(ground.root, embedded.Kind.DURABLE)
    if server is None:
        raise FileNotFoundError("the sandbox has no durable server")
    url = ground.urls.pop("database_url")
    try:
        with (
            ground.edited(_SETTINGS, PROD_ENDS, "    embedded: durable\n"),
            ground.edited(_SETTINGS, "default: int\n", "default: int\ndemo: true\n"),
        ):
            yield server.data.parent / "archive"
    finally:
        ground.urls["database_url"] = url


def _archive_gone(ground: Ground) -> Ran:
    with _archiving(ground) as archive:
        aside = archive.rename(archive.with_name("archive.aside"))
        archive.touch()  # a file, so that nothing can be put there
        try:
            return signing.deploy(ground, "reset")
        finally:
            archive.unlink()
            aside.rename(archive)


def _archive_there(ground: Ground) -> str:
    """Reset PROD with its archive, and bring back what was there: what the superuser has built is the superuser's."""
    with _archiving(ground):
        before = ground.state("drill_prod")
        ran = signing.deploy(ground, "reset")
        if ran.code or ground.state("drill_prod") == before:
            return last_line(ran)
        ran = signing.deploy(ground, "undo")
    return "" if ran.code == 0 and ground.state("drill_prod") == before else last_line(ran)


KEYS = (
    Attempt(
        id="automated_backups.lost_key",
        tried="an approved revision drops a column of PROD, and no key for its backup is at hand",
        layer=Layer.BACKUP,
        by="E-NO-BACKUP",
        forbidden=_without_key,
        allowed=_with_keys,
        missing=_no_keys,
    ),
)
CEILING = (
    Attempt(
        id="approvals.more_lost",
        tried="an approved revision that drops a column, once more rows would lose it than was agreed",
        layer=Layer.RECHECK,
        by="E-CEILING",
        forbidden=_more_lost,
        allowed=_no_more_lost,
        missing=_no_keys,
    ),
)
BACKUPS = (
    Attempt(
        id="automated_backups.damaged",
        tried="one bit of STG's backup turned, then `invoke restore`",
        layer=Layer.BACKUP,
        by="exit 1",
        forbidden=_damaged,
        allowed=_restored,
        looks=stg,
    ),
    Attempt(
        id="automated_backups.lost",
        tried="STG's backup gone, then `invoke restore`",
        layer=Layer.BACKUP,
        by="exit 1",
        forbidden=_lost,
        allowed=_restored,
        looks=stg,
    ),
)
ARCHIVE = (
    Attempt(
        id="point_in_time_recovery.broken_archive",
        tried="an approved reset of PROD whose log is archived nowhere",
        layer=Layer.MARK,
        by="E-NO-MARK",
        forbidden=_archive_gone,
        allowed=_archive_there,
    ),
)
