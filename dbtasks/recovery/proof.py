"""The proof of a mark: its record, read back from the files that a recovery would get."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime
from pathlib import Path

from dbtasks import wal
from dbtasks.programs import child_environment
from dbtasks.recovery.marks import Mark, Record
from dbtasks.values import dataclass

_PATIENCE_S = 30.0
_FOUND = re.compile(
    r"lsn: ([0-9A-F]+/[0-9A-F]+), prev .*desc: (?:RESTORE_POINT|MESSAGE non-transactional, prefix) (.*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a recovery could reach a mark: the record was found in `segment`, as the engine hands it out.

    `base` is the base backup that it would begin from, `followed` how many segments from there on were seen to be
    there; `None` where they could not be looked for.
    """

    engine: str
    mark: str
    segment: str
    base: str
    followed: int | None
    seconds: float

    def as_data(self) -> dict[str, object]:
        return {
            "engine": self.engine,
            "mark": self.mark,
            "segment": self.segment,
            "base": self.base,
            "followed": self.followed,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a provider says where nobody else can look: that it can recover to any moment from `since` until `until`.

    `to` is the moment that lies right before the mark.
    """

    engine: str
    mark: str
    to: datetime
    since: datetime
    until: datetime
    seconds: float

    def as_data(self) -> dict[str, object]:
        return {
            "engine": self.engine,
            "mark": self.mark,
            "to": self.to.isoformat(),
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "seconds": round(self.seconds, 3),
            "verified_live": False,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """Why a recovery could perhaps not reach a mark, and what to do about that."""

    why: str
    instead: str


def missing_record(folder: Path, mark: Mark, program: Path) -> str | None:
    """Return why the mark's record is not in the segments that lie in a folder; `None` where it was found there.

    `program` is the `pg_waldump` of the server's version, which reads them record by record, each with its checksum.
    """
    for name in mark.segments:
        size = (folder / name).stat().st_size
        if size != mark.segment_bytes:
            return f"{name} has {size} bytes instead of {mark.segment_bytes}"
    manager = "XLOG" if mark.record is Record.RESTORE_POINT else "LogicalMessage"
    where = [f"--path={folder}", f"--timeline={mark.timeline}", f"--rmgr={manager}"]
    span = [f"--start={wal.shown(mark.begins)}", f"--end={wal.shown(mark.lsn)}"]
    done = subprocess.run(
        [str(program), *where, *span],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=child_environment(),
        timeout=_PATIENCE_S,
        check=False,
    )
    for line in done.stdout.decode(errors="replace").splitlines():
        found = _FOUND.search(line)
        if found and _names(found[2], mark) and mark.begins <= wal.position(found[1]) < mark.lsn:
            return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"{mark.segment} does not hold the mark {mark.name}" + (f" ({said[-1]})" if said else "")


def _names(text: str, mark: Mark) -> bool:
    return text == mark.name or text.startswith(f'"{mark.name}";')
