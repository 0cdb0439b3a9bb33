"""A trail where it should not lie: behind a link, for everybody to write, on a file system that takes nothing."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbtasks.errors import TrailError
from dbtasks.rotation import NEVER, Rotation, opened, trail_files
from dbtasks.trail import Act, Trail, whoami
from dbtasks.trail_proof import chain_of, verify, writable_by_others

SEED = Act(operation="seed", tier="int")
WHO = whoami("terminal", Path("/"))


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 kB."""
    place = tmp_path / "logs"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def note(path: Path, rotation: Rotation = NEVER) -> int:
    return Trail(path, WHO, rotation).note(SEED)


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


def test_a_file_system_that_became_read_only_stops_everything_and_the_trail_can_be_read_and_goes_on(
    mounted: Path,
) -> None:
    path = mounted / "audit.jsonl"
    note(path)
    remount(mounted, "ro")
    with pytest.raises(TrailError, match=r"Read-only file system\. Nothing was done\. Make its file system writable"):
        note(path)
    assert (verify(path).ok, verify(path).count) == (True, 1)
    remount(mounted, "rw")
    assert note(path) == 2


def test_a_read_only_file_system_without_a_trail_stops_everything(mounted: Path) -> None:
    remount(mounted, "ro")
    with pytest.raises(TrailError, match=r"Read-only file system\. Nothing was done"):
        note(mounted / "new" / "audit.jsonl")
    assert verify(mounted / "audit.jsonl").count == 0


@pytest.mark.parametrize("rotation", [NEVER, Rotation(size_bytes=4_000)], ids=["one file", "many files"])
def test_a_file_system_that_fills_up_leaves_no_torn_line_and_goes_on_once_there_is_room(
    mounted: Path, rotation: Rotation
) -> None:
    path, written = mounted / "audit.jsonl", 0
    ballast = mounted / "ballast"
    ballast.write_bytes(b"x" * 16_384)
    with pytest.raises(TrailError, match=r"No space left on device\. Nothing was done\. Free space"):  # noqa: PT012
        for _ in range(1_000):  # until there is no room
            written = note(path, rotation)
    found = verify(path)
    assert (found.ok, found.torn, found.count) == (True, (), written)
    ballast.unlink()
    assert note(path, rotation) == written + 1
    assert (verify(path).ok, verify(path).torn) == (True, ())


def test_a_link_in_the_trails_place_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    path = tmp_path / "audit.jsonl"
    path.symlink_to(elsewhere)
    with pytest.raises(TrailError, match="Put a plain file in the place of the symbolic link"):
        note(path)
    assert not elsewhere.exists()


def test_a_link_by_the_name_of_a_file_that_was_put_aside_is_not_followed_by_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    note(path)
    note(path, Rotation(size_bytes=1))
    aside = trail_files(path)[0]
    other = tmp_path / "other"
    aside.rename(other)
    aside.symlink_to(other)
    path.unlink()
    with pytest.raises(TrailError, match="Put a plain file in the place of the symbolic link"):
        note(path)


@pytest.mark.skipif(os.name == "nt", reason="that system has no such bits")
def test_the_trail_is_its_owners_from_the_first_entry_on_whatever_the_umask(tmp_path: Path) -> None:
    path, before = tmp_path / "logs" / "audit.jsonl", os.umask(0)
    try:
        note(path)
        note(path, Rotation(size_bytes=1))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in trail_files(path)} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert writable_by_others(path) == ()
    trail_files(path)[0].chmod(0o620)
    assert writable_by_others(path) == trail_files(path)[:1]


def test_a_folder_that_cannot_be_read_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    note(path)

    def refused(_path: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(TrailError, match="cannot be read: Permission denied"):
        verify(path)
    with pytest.raises(TrailError, match="cannot be read: Permission denied"):
        chain_of(path)
    monkeypatch.undo()
    assert len([*opened(path)]) == 1
