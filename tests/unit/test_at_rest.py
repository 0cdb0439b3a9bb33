"""Devices below a data directory, as the kernel tells of them in its own file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbtasks.at_rest import Grade, disk

DATA = Path("/var/lib/data")


class Kernel:
    """A tree as in `/sys/block`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def disk(self, name: str) -> Path:
        (self.root / name).mkdir(parents=True)
        return self.root / name

    def partition(self, of: Path, name: str) -> Path:
        (of / name).mkdir()
        (of / name / "partition").write_text("1\n")
        return of / name

    def mapped(self, name: str, uuid: str, *below: Path) -> Path:
        device = self.disk(name)
        (device / "dm").mkdir()
        (device / "dm" / "uuid").write_text(f"{uuid}\n")
        (device / "slaves").mkdir()
        for each in below:
            (device / "slaves" / each.name).symlink_to(each)
        return device


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


LUKS, LVM = "CRYPT-LUKS2-0f3a-data", "LVM-9Qx1"


def test_a_volume_of_dm_crypt_is_verified(kernel: Kernel) -> None:
    found = disk.below(kernel.mapped("dm-0", LUKS, kernel.partition(kernel.disk("sda"), "sda2")), DATA)
    assert (found.grade, found.saw) == (Grade.VERIFIED, "/var/lib/data lies on dm-crypt (dm-0)")


def test_a_logical_volume_on_dm_crypt_is_verified(kernel: Kernel) -> None:
    crypt = kernel.mapped("dm-0", LUKS, kernel.disk("nvme0n1"))
    assert disk.below(kernel.mapped("dm-1", LVM, crypt), DATA).grade is Grade.VERIFIED


def test_a_partition_of_a_volume_of_dm_crypt_is_verified(kernel: Kernel) -> None:
    crypt = kernel.mapped("dm-0", LUKS, kernel.disk("sda"))
    assert disk.below(kernel.partition(crypt, "dm-0p1"), DATA).grade is Grade.VERIFIED


@pytest.mark.parametrize("kind", ["disk", "partition", "logical volume"])
def test_a_plain_device_is_absent_and_named(kernel: Kernel, kind: str) -> None:
    plain = kernel.disk("sda")
    device = {
        "disk": lambda: plain,
        "partition": lambda: kernel.partition(plain, "sda1"),
        "logical volume": lambda: kernel.mapped("dm-0", LVM, plain),
    }[kind]()
    found = disk.below(device, DATA)
    assert (found.grade, found.saw) == (Grade.ABSENT, "/var/lib/data lies on sda, and nothing above it encrypts")
    assert found.mend


def test_one_plain_half_makes_the_whole_plain(kernel: Kernel) -> None:
    halves = (kernel.mapped("dm-0", LUKS, kernel.disk("sda")), kernel.disk("sdb"))
    assert disk.below(kernel.mapped("dm-2", LVM, *halves), DATA).grade is Grade.ABSENT


def test_what_the_kernel_does_not_tell_is_unknown(tmp_path: Path) -> None:
    assert disk.below(tmp_path / "8:1", DATA).grade is Grade.UNKNOWN


def test_a_file_system_without_a_device_is_unknown(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 0:5 / / rw - overlay overlay rw\n23 22 0:6 / /proc rw - proc proc rw\n")
    found = disk.look(Path("/proc/self"), mounts=mounts)
    assert (found.grade, "lies on proc" in found.saw) == (Grade.UNKNOWN, True), found.saw


@pytest.mark.parametrize(("stored", "known"), [(7, True), (8, False), (None, False)])
def test_a_data_directory_is_known_by_the_identifier_in_its_control_file(
    tmp_path: Path, stored: int | None, known: bool
) -> None:
    if stored is not None:
        (tmp_path / "global").mkdir()
        (tmp_path / "global" / "pg_control").write_bytes(stored.to_bytes(8, "little") + b"\0" * 100)
    assert disk.is_of(tmp_path, 7) is known
