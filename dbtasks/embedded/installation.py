"""A private server's data directory: whether the one that is there can be used, and how a new one is made."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from dbtasks.embedded import first_backup, locks, places
from dbtasks.embedded.cluster import PATIENCE_S, Cluster, advice, last_lines
from dbtasks.embedded.settings import initdb_options
from dbtasks.embedded.state import Kind, boot_id
from dbtasks.errors import EmbeddedServerError


def has_usable_data(cluster: Cluster, report: Callable[[str], None]) -> bool:
    """Whether there is a data directory to start. Throw-away data that is of no use counts as none."""
    state, data = cluster.state, cluster.data
    throwaway = state.kind is Kind.THROWAWAY
    if not (data / "PG_VERSION").exists():
        if throwaway or state.place is None:
            return False
        raise EmbeddedServerError(
            f"The durable data directory {state.place / 'data'} is gone. "
            f"Bring it back, or remove {state.folder / 'place'} to begin with an empty server."
        )
    made_by = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    trouble = way = None
    if state.password is None:
        trouble, way = f"{state.folder / 'password'} is gone", "Bring that file back"
    elif made_by != str(cluster.programs.major):
        trouble = f"PostgreSQL {made_by} made it, and the programs in {cluster.programs.bindir} are {cluster.programs}"
        way = f"Install PostgreSQL {made_by} and set DBTASKS_PG_BINDIR to its bin folder"
    elif throwaway and (data / "postmaster.pid").exists() and state.read("boot") != boot_id():
        trouble = "the machine went down while it ran"
    if trouble is None:
        return True
    if throwaway:
        report(f"the data of the {cluster.name} is made anew: {trouble}")
        return False
    raise EmbeddedServerError(
        f"The data of the {cluster.name} in {data} cannot be used: {trouble}. "
        f"{way}, or move {data} away to begin with an empty server (and remove {state.folder / 'place'})."
    )


def install(cluster: Cluster, alive: int, report: Callable[[str], None]) -> None:
    """Make the data directory under another name, and give it its own when it is whole."""
    state = cluster.state
    if state.password is None:
        state.new_password()
    if cluster.data.exists():
        shutil.rmtree(cluster.data)
    places.sign(cluster.place, state)
    room = places.make_room(cluster.place, cluster.account)
    password_file = _password_file(cluster)
    options = [*initdb_options(state.kind, cluster.programs.major), "-D", str(room), f"--pwfile={password_file}"]
    try:
        code, output = cluster.run("initdb", *options, timeout_s=PATIENCE_S, inherit=locks.inherited(alive))
        _append(state.log, output)
        if code != 0:
            raise EmbeddedServerError(
                f"The {cluster.name} could not be installed in {cluster.place}.{advice(cluster.place)}\n"
                f"{last_lines(output)}"
            )
        if state.kind is Kind.DURABLE:
            first_backup.put_aside(cluster.place)
            first_backup.keep_first(cluster, room)
        room.rename(cluster.data)
    finally:
        password_file.unlink(missing_ok=True)
        shutil.rmtree(room, ignore_errors=True)
    pointer = "." if cluster.place == state.folder else str(cluster.place)
    state.write("place", pointer)
    report(f"installed a {cluster.name} {cluster.programs} in {cluster.data}")


def _password_file(cluster: Cluster) -> Path:
    """A copy of the password that the account may read and nobody else; initdb takes it from a file only."""
    descriptor, name = tempfile.mkstemp(prefix="password-", dir=cluster.place)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{cluster.state.password}\n")
    cluster.account.own(Path(name))
    return Path(name)


def _append(log: Path, text: str) -> None:
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:  # a full disk must not hide the error
        file.write(text)
