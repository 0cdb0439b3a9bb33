"""A data directory on a disk of this machine: encrypted where dm-crypt is below it, by the kernel's word."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from dbtasks.at_rest import AtRest, Grade

_CONTROL = Path("global", "pg_control")
_MEND = "Put the data directory on a volume of dm-crypt (LUKS)"


def is_of(data: Path, system_identifier: int) -> bool:
    """Return whether the data directory of this server lies at this path here: another machine has such a path, too.

    Its control file begins with the server's identifier. OSError where it cannot be read.
    """
    try:
        with (data / _CONTROL).open("rb") as file:
            begin = file.read(8)
    except FileNotFoundError:
        return False
    return len(begin) == 8 and system_identifier in struct.unpack("<Q", begin) + struct.unpack(">Q", begin)


def look(path: Path, *, sys: Path = Path("/sys"), mounts: Path = Path("/proc/self/mountinfo")) -> AtRest:
    """Return what the kernel says of the devices below a path."""
    device = os.stat(path).st_dev  # noqa: PTH116 - a number that pathlib's users rarely want
    major, minor = os.major(device), os.minor(device)
    if major == 0:  # no device of its own: a file system that has several, or none
        kind, source = _mounted(path.resolve(), mounts)
        if not source.startswith("/dev/"):
            return AtRest(grade=Grade.UNKNOWN, saw=f"{path} lies on {kind}, of which the kernel tells no device")
        behind = os.stat(source).st_rdev  # noqa: PTH116 - as above
        major, minor = os.major(behind), os.minor(behind)
    return below(sys / "dev" / "block" / f"{major}:{minor}", path)


def below(device: Path, path: Path) -> AtRest:
    """Return the same of a device by its folder in sysfs."""
    if not device.exists():
        return AtRest(grade=Grade.UNKNOWN, saw=f"the kernel tells nothing here of the device below {path}")
    plain = _plain(device.resolve())
    if plain:
        return AtRest(grade=Grade.ABSENT, saw=f"{path} lies on {plain}, and nothing above it encrypts", mend=_MEND)
    return AtRest(grade=Grade.VERIFIED, saw=f"{path} lies on dm-crypt ({device.resolve().name})")


def _plain(device: Path) -> str:
    """Return a disk that is reached without dm-crypt in between; empty: there is none."""
    uuid = device / "dm" / "uuid"
    if uuid.is_file() and uuid.read_text(encoding="ascii").startswith("CRYPT-"):
        return ""
    parents = sorted((device / "slaves").iterdir()) if (device / "slaves").is_dir() else []
    if not parents and (device / "partition").is_file():
        parents = [device.parent]
    if not parents:
        return device.name
    return next((found for each in parents if (found := _plain(each.resolve()))), "")


def _mounted(path: Path, mounts: Path) -> tuple[str, str]:
    """Return kind and source of the file system that holds a path: the last of the longest mount points."""
    best, found = -1, ("an unknown file system", "")
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        point = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), left.split()[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            kind, source, *_ = right.split()
            best, found = len(point.parts), (kind, source)
    return found
