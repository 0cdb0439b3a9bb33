"""Places for backups, each held to the same promises, and the keys that seal what lies there."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore
from pyrage import x25519

from dbtasks.backups import remote, sealing
from dbtasks.backups.local import Local
from dbtasks.backups.manifest import File
from dbtasks.backups.remote import Remote
from dbtasks.backups.store import MANIFEST, Store
from dbtasks.backups.vault import Vault, check_keys
from dbtasks.errors import BackupError, DamagedBackupError, RefusedError, UsageError
from tests.unit.guard_cells import INT, PROD, STG

ID, OTHER = "20260301T120000Z-0a1b2c", "20260301T120001Z-0a1b2c"
CONTENT = os.urandom(100_000)


@pytest.fixture(params=["folder", "memory", "objects in a folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    match request.param:
        case "folder":
            return Local(tmp_path / "backups")
        case "memory":
            return Remote(MemoryStore(), "memory:")
        case _:
            return Remote(LocalStore(tmp_path), "objects:")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PIECE_BYTES", 30_000)


def write(store: Store, id_: str = ID, content: bytes = CONTENT) -> tuple[File, ...]:
    draft = store.begin(id_)
    draft.start("database.dump")
    for at in range(0, len(content), 7_000):
        draft.write(content[at : at + 7_000])
    files = draft.stop()
    draft.finish(b"{}")
    return files


def content_of(store: Store, files: tuple[File, ...], id_: str = ID) -> bytes:
    return b"".join(piece for file in files for piece in store.read(id_, file.name))


def test_what_was_written_is_read_and_is_what_its_files_say(store: Store) -> None:
    files = write(store)
    assert content_of(store, files) == CONTENT
    assert store.small(ID, MANIFEST) == b"{}"
    for file in files:
        stored = b"".join(store.read(ID, file.name))
        assert (file.sha256, file.bytes) == (hashlib.sha256(stored).hexdigest(), len(stored))


def test_an_empty_file_is_a_file(store: Store) -> None:
    files = write(store, content=b"")
    assert [file.bytes for file in files] == [0]
    assert content_of(store, files) == b""


def test_a_backup_is_there_when_it_is_finished_and_not_before(store: Store) -> None:
    assert store.ids() == ()
    draft = store.begin(ID)
    draft.start("database.dump")
    draft.write(CONTENT)
    assert store.ids() == ()
    draft.stop()
    assert store.ids() == ()
    draft.finish(b"{}")
    assert store.ids() == (ID,)


def test_nothing_is_overwritten(store: Store) -> None:
    files = write(store)
    with pytest.raises(BackupError, match="there already"):
        write(store, content=b"other")
    store.add(ID, "checked-1.json", b"first")
    with pytest.raises(BackupError, match="there already"):
        store.add(ID, "checked-1.json", b"second")
    assert content_of(store, files) == CONTENT
    assert store.verdicts(ID) == (b"first",)


def test_an_abandoned_one_leaves_nothing(store: Store) -> None:
    write(store, OTHER)
    draft = store.begin(ID)
    draft.start("database.dump")
    draft.write(CONTENT)
    draft.abandon()
    assert store.ids() == (OTHER,)
    assert store.sweep() == ()
    write(store)  # under the same id, which nothing of the first one takes


def test_one_goes_and_the_others_stay(store: Store) -> None:
    write(store)
    files = write(store, OTHER)
    store.add(ID, "checked-1.json", b"first")
    store.remove(ID)
    assert store.ids() == (OTHER,)
    assert content_of(store, files, OTHER) == CONTENT
    with pytest.raises(DamagedBackupError, match=r"manifest\.json is missing"):
        store.small(ID, MANIFEST)


def test_what_is_missing_is_told(store: Store) -> None:
    write(store)
    with pytest.raises(DamagedBackupError, match=r"gone\.dump is missing"):
        list(store.read(ID, "gone.dump"))


# A folder


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What a full disk is to a program: a write that fails in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_no_more_room_in_the_middle_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    store = Local(tmp_path / "backups")
    draft = store.begin(ID)
    draft.start("database.dump")
    with files_no_larger_than(50_000), pytest.raises(BackupError, match=r"could not be written to after 0\.0 MB"):
        draft.write(CONTENT)
    draft.abandon()
    assert [path.name for path in store.root.iterdir()] == [".gitignore"]


def test_a_folder_is_closed_to_everybody_else(tmp_path: Path) -> None:
    store = Local(tmp_path / "new" / "backups")
    write(store)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (store.root, *store.root.rglob("*"))}
    files = dict.fromkeys((".gitignore", "database.dump", MANIFEST), 0o600)
    assert modes == {"backups": 0o700, ID: 0o700, **files}
    assert (store.root / ".gitignore").read_text() == "*\n"


def test_a_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(BackupError, match="chmod go-w"):
        Local(tmp_path).begin(ID)
    tmp_path.chmod(0o750)
    Local(tmp_path).begin(ID).abandon()


def test_what_a_killed_run_left_is_swept_once_nobody_holds_it(tmp_path: Path) -> None:
    store = Local(tmp_path)
    draft = store.begin(ID)
    assert store.sweep() == ()  # it is being written
    os.close(draft.lock[0])  # as a kill does
    assert store.sweep() == (ID,)
    (tmp_path / f"{OTHER}.gone").mkdir()
    (tmp_path / f"{OTHER}.lock").touch()
    (tmp_path / "mine.partial").mkdir()
    assert store.sweep() == ()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.partial"]  # what is not ours stays


def test_what_lies_around_is_no_backup(tmp_path: Path) -> None:
    for name in (f"{ID}.partial", "mine", "20260301T120000Z-XYZ"):
        (tmp_path / name).mkdir()
    (tmp_path / OTHER).write_text("a file")
    assert Local(tmp_path).ids() == ()


# An object store


def test_what_another_machine_may_still_write_stays_until_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Remote(MemoryStore(), "memory:")
    draft = store.begin(ID)
    draft.start("database.dump")
    draft.write(CONTENT)
    write(store, OTHER)
    assert store.sweep() == ()
    monkeypatch.setattr(remote, "_LEFT_AFTER", timedelta(0))
    assert store.sweep() == (ID,)
    assert store.ids() == (OTHER,)


def test_what_an_object_store_says_is_one_sentence(tmp_path: Path) -> None:
    store = Remote(LocalStore(tmp_path), "objects:")
    (tmp_path / ID).write_text("a file in the way")
    with pytest.raises(BackupError, match=r"^objects:: ") as caught:
        store.begin(ID)
    assert "\n" not in str(caught.value)


# Keys

ANNA, BEN, EVE = (x25519.Identity.generate() for _ in range(3))
SSH = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLdiyuQlGjVJ7+SPShoPvQBsCo3Badw7Nu3JeycWmBk",
    "ssh-ed25519 SHA256:",
)


def having(path: Path, *keys: x25519.Identity) -> sealing.Identities:
    path.write_text("# a comment\n" + "".join(f"{key}\n" for key in keys), encoding="ascii")
    return sealing.identities(path, "OPENER")


def recipients(*keys: x25519.Identity) -> sealing.Recipients:
    return sealing.recipients([str(key.to_public()) for key in keys], Path())


def test_whoever_it_is_sealed_to_opens_it_and_nobody_else(tmp_path: Path) -> None:
    sealed, opened = io.BytesIO(), io.BytesIO()
    recipients(ANNA, BEN).seal(io.BytesIO(CONTENT), sealed.write)
    assert CONTENT[:100] not in sealed.getvalue()
    having(tmp_path / "key", EVE, BEN).open(io.BytesIO(sealed.getvalue()), opened.write)
    assert opened.getvalue() == CONTENT
    with pytest.raises(BackupError, match="cannot be opened with the keys at hand"):
        having(tmp_path / "key", EVE).open(io.BytesIO(sealed.getvalue()), opened.write)


def test_keys_come_from_the_settings_and_from_files_each_once(tmp_path: Path) -> None:
    (tmp_path / "keys.pub").write_text(f"# ours\n{ANNA.to_public()}\n\n{SSH[0]} anna@desk\n")
    found = sealing.recipients([str(ANNA.to_public()), "keys.pub", SSH[0]], tmp_path)
    assert len(found) == 2
    assert [key.startswith(("age1", SSH[1])) for key in found.shown] == [True, True]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("AGE-SECRET-KEY-1QQQQSECRET", "holds a private key"),
        ("age1secretsecret", "holds what is no public key"),
        ("ssh-rsa AAAAsecret", "holds what is no public key"),
        ("missing.pub", "cannot be read: No such file"),
        ("empty.pub", "holds no key"),
        ("private", "holds what is no public key"),
        ("bytes", "it is no text"),
    ],
)
def test_what_is_no_public_key_is_told_and_not_shown(word: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "empty.pub").write_text("# nobody\n")
    (tmp_path / "private").write_text("AGE-SECRET-KEY-1QQQQSECRET\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=says) as caught:
        sealing.recipients([word], tmp_path)
    assert "secret" not in str(caught.value).lower().replace(str(tmp_path).lower(), "")


@pytest.mark.parametrize("content", [b"", b"AGE-SECRET-KEY-1QQQ", b"\xff", b"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"])
def test_what_is_no_private_key_is_told_and_not_shown(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageError, match="holds no private key that opens backups") as caught:
        sealing.identities(tmp_path / "key", "OPENER")
    assert "1QQQ" not in str(caught.value)


@pytest.mark.parametrize(
    ("tier", "to", "by", "says"),
    [
        pytest.param(INT, (), (), "not sealed", id="nothing is sealed"),
        pytest.param(STG, (ANNA,), (), "was not tried", id="no key at hand"),
        pytest.param(STG, (ANNA,), (ANNA,), "", id="it opens"),
        pytest.param(PROD, (ANNA, BEN), (BEN,), "", id="two keys, one at hand"),
    ],
)
def test_what_is_to_be_known_of_the_keys_is_told(
    tier: object, to: tuple[x25519.Identity, ...], by: tuple[x25519.Identity, ...], says: str, tmp_path: Path
) -> None:
    found = check_keys(vault(tmp_path, to, by), tier)  # type: ignore[arg-type]  # pytest's parameters have no types
    assert says in found
    assert bool(says) is bool(found)


@pytest.mark.parametrize(
    ("tier", "to", "by", "says"),
    [
        pytest.param(STG, (ANNA,), (EVE,), "does not open", id="wrong key"),
        pytest.param(PROD, (), (ANNA,), "sealed to 0 keys", id="not sealed"),
        pytest.param(PROD, (ANNA, ANNA), (ANNA,), "sealed to 1 keys", id="one key twice"),
        pytest.param(PROD, (ANNA, BEN), (), "No private key is at hand", id="no key at hand"),
        pytest.param(PROD, (ANNA, BEN), (EVE,), "does not open", id="wrong key of a tier that may lose nothing"),
    ],
)
def test_a_backup_that_nobody_may_be_able_to_open_is_refused(
    tier: object, to: tuple[x25519.Identity, ...], by: tuple[x25519.Identity, ...], says: str, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match=says) as caught:
        check_keys(vault(tmp_path, to, by), tier)  # type: ignore[arg-type]  # as above
    assert caught.value.code == "E-BACKUP"


def vault(folder: Path, to: tuple[x25519.Identity, ...], by: tuple[x25519.Identity, ...]) -> Vault:
    return Vault(
        store=Local(folder / "backups"),
        recipients=recipients(*to) if to else None,
        identities=having(folder / "key", *by) if by else None,
    )
