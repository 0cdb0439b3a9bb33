"""A private PostgreSQL server for laptops and tests: found, started when needed, stopped cleanly.

Two of them for a project: one for data that may go at any time (INT, clones, scratch; no fsync, on a memory file
system where there is one), one that is durable and archives (STG, the demo). Tests never share a server with data that
somebody keeps. `look` and the usual `ensure` read five small files and start no process.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dbtasks.conninfo import Conninfo, Secret
from dbtasks.embedded.state import HOST, USER, Kind, State
from dbtasks.errors import EmbeddedServerError
from dbtasks.values import dataclass

__all__ = ["Kind", "Server", "ensure", "look", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An installed private server, running or not. `data` is its data directory, `pid` that of its postmaster."""

    kind: Kind
    root: Path
    data: Path
    host: str
    port: int
    user: str
    password: Secret
    version: str
    running: bool
    pid: int | None

    def conninfo(self, database: str) -> Conninfo:
        """How to connect to one of its databases as the superuser that owns it."""
        return Conninfo(
            host=self.host,
            port=self.port,
            database=database,
            user=self.user,
            password=self.password,
            options=(),
        )


def _unheard(_line: str) -> None:
    """Nobody wants to know."""


def ensure(root: Path, kind: Kind, report: Callable[[str], None] = _unheard) -> Server:
    """The running server of the project at `root`; installed and started first where that is needed.

    Safe to call from several processes at once: one of them starts it, the others wait. `report` gets a line for
    each thing that a person may want to know. A port fixed by DBTASKS_EMBEDDED_PORT_THROWAWAY or _DURABLE counts
    from the next start on. Raises EmbeddedServerError with what to do.
    """
    server = look(root, kind)
    if server is not None and server.running:
        return server
    from dbtasks.embedded import startup  # late: only a start needs subprocess and all that comes with it

    startup.bring_up(State(root=root.resolve(), kind=kind), report)
    server = look(root, kind)
    if server is None or not server.running:
        raise EmbeddedServerError(
            f"The {kind} private PostgreSQL started and went away at once. "
            f"Read {State(root=root.resolve(), kind=kind).log}, then run: invoke server start"
        )
    return server


def look(root: Path, kind: Kind) -> Server | None:
    """The project's server as it stands; None where none is installed. Starts and changes nothing."""
    state = State(root=root.resolve(), kind=kind)
    try:
        data, port, password, version = state.data, state.port, state.password, state.version
        if data is None or port is None or password is None or version is None:
            return None
        postmaster = state.postmaster(data)
    except PermissionError as error:
        raise EmbeddedServerError(
            f"{error.filename} cannot be read: the private PostgreSQL of this project was set up by another user. "
            f"Run this as that user, or remove {state.folder}."
        ) from error
    running = postmaster is not None and postmaster.serves(data)
    return Server(
        kind=kind,
        root=state.root,
        data=data,
        host=HOST,
        port=postmaster.port if running and postmaster is not None else port,
        user=USER,
        password=Secret(password),
        version=version,
        running=running,
        pid=postmaster.pid if running and postmaster is not None else None,
    )


def stop(root: Path, kind: Kind) -> bool:
    """Whether a server was running that is now cleanly stopped: sessions are ended, nothing committed is lost."""
    server = look(root, kind)
    if server is None or not server.running:
        return False
    from dbtasks.embedded import startup  # late, as above

    return startup.shut_down(State(root=root.resolve(), kind=kind))
