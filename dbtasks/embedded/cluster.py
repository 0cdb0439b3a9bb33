"""A data directory together with the programs for it and the account that runs them."""

from __future__ import annotations

import shutil
from pathlib import Path

from dbtasks.embedded.account import Account
from dbtasks.embedded.state import Postmaster, State
from dbtasks.programs import Programs
from dbtasks.values import dataclass

PATIENCE_S = 180.0  # for another process that installs or starts it, and for a server that recovers
_LITTLE_SPACE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A data directory, the programs for it, and the account that owns it and runs them."""

    state: State
    place: Path
    programs: Programs
    account: Account

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def name(self) -> str:
        return f"private PostgreSQL ({self.state.kind})"

    def postmaster(self) -> Postmaster | None:
        return self.state.postmaster(self.data)

    def serves(self) -> bool:
        """Whether the server that belongs to what is remembered takes connections."""
        postmaster = self.postmaster()
        return self.state.password is not None and postmaster is not None and postmaster.serves(self.data)

    def run(self, program: str, *options: str, timeout_s: float, inherit: tuple[int, ...] = ()) -> tuple[int, str]:
        command = [str(self.programs.path(program)), *options]
        return self.account.run(command, timeout_s=timeout_s, inherit=inherit)


def advice(place: Path) -> str:
    """The one thing to do about it that can be told from outside."""
    free = shutil.disk_usage(place).free
    if free >= _LITTLE_SPACE_BYTES:
        return ""
    return f" The disk that holds {place} is full ({free >> 20} MB left): free at least 200 MB, then run this again."


def last_lines(text: str, count: int = 8) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-count:])
