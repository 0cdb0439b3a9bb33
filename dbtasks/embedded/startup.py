"""A private server started and stopped, once, however many processes ask for it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dbtasks.embedded import locks, places, ports
from dbtasks.embedded.account import choose_account
from dbtasks.embedded.cluster import PATIENCE_S, Cluster, advice, last_lines
from dbtasks.embedded.installation import has_usable_data, install
from dbtasks.embedded.settings import server_settings
from dbtasks.embedded.state import Kind, State, boot_id, process_lives
from dbtasks.errors import EmbeddedServerError
from dbtasks.programs import find_server_programs

_STRAY_PATIENCE_S = 30.0
_LOG_LIMIT_BYTES = 10 << 20


def bring_up(state: State, report: Callable[[str], None]) -> None:
    """Install and start the server, each where needed. Raises EmbeddedServerError with the way out."""
    programs = find_server_programs()
    account = choose_account()
    with _told(state):
        state.make(enterable=account.is_other)
        with locks.held(state.lock, PATIENCE_S):
            programs = places.reachable(programs, account, report)
            place = state.place if state.data is not None else None
            if place is None and state.kind is Kind.THROWAWAY:
                places.clear_memory()
            place = place or places.choose_place(state, account)
            cluster = Cluster(state=state, place=place, programs=programs, account=account)
            try:
                with locks.opened(place / "alive") as alive:
                    if _alone(cluster, alive):
                        _install_and_start(cluster, alive, report)
            finally:
                places.abandon(place, state)


def shut_down(state: State) -> bool:
    """Stop the running server: whether there was one. Sessions are ended, the data is written out."""
    programs = find_server_programs()
    account = choose_account()
    with _told(state), locks.held(state.lock, PATIENCE_S):
        place = state.place
        if place is None:
            return False
        programs = places.reachable(programs, account, lambda _line: None)
        cluster = Cluster(state=state, place=place, programs=programs, account=account)
        if not cluster.serves():
            return False
        _stop(cluster)
        _remove_socket(state)
    return True


@contextlib.contextmanager
def _told(state: State) -> Iterator[None]:
    """What the system refuses, as a sentence that says to whom it happened."""
    try:
        yield
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedServerError(
            f"The private PostgreSQL ({state.kind}) could not be set up: {error}.{advice(state.root)}"
        ) from error


def _alone(cluster: Cluster, alive: int) -> bool:
    """Whether no server process uses the data directory, which the lock then keeps so; False when the server serves.

    The postmaster and all its children inherit the lock, so it tells the truth where a process id cannot: across
    containers that share a folder, and for the orphans of a killed postmaster.
    """
    if cluster.serves():
        return False
    _end_stray(cluster)
    if locks.acquire(alive, _STRAY_PATIENCE_S, unless=cluster.serves):
        return True
    if cluster.serves():
        return False
    raise EmbeddedServerError(
        f"Processes of an earlier server still use {cluster.data}, perhaps in another container or on its behalf. "
        "Stop that server there, then run this again."
    )


def _end_stray(cluster: Cluster) -> None:
    """Stop a server of ours that nobody can use: its project was moved, or its password was thrown away."""
    postmaster = cluster.postmaster()
    if postmaster is None or not (cluster.data / "PG_VERSION").exists():
        return
    moved = postmaster.data != str(cluster.data)
    with locks.opened(cluster.place / "alive") as alive:
        if locks.acquire(alive, 0):
            return  # nobody holds it: at most the stale note of a process that is gone, or of the folder's original
    if (moved or cluster.state.password is None) and process_lives(postmaster.pid, Path(postmaster.data)):
        cluster.run("pg_ctl", "stop", "-D", str(cluster.data), "-m", "fast", "-w", timeout_s=PATIENCE_S)


def _install_and_start(cluster: Cluster, alive: int, report: Callable[[str], None]) -> None:
    places.sweep(cluster.place)
    ports.choose_port(cluster.state, report)  # a port that was set wrongly is told before anything is made
    kept = has_usable_data(cluster, report)
    if not kept:
        install(cluster, alive, report)
    failure = _start(cluster, alive, report)
    if failure and kept and cluster.state.kind is Kind.THROWAWAY:
        report(f"the {cluster.name} did not start, its data is made anew")
        install(cluster, alive, report)
        failure = _start(cluster, alive, report)
    if failure:
        raise EmbeddedServerError(failure)


def _start(cluster: Cluster, alive: int, report: Callable[[str], None]) -> str | None:
    """Start the postmaster and wait until it takes connections: None, or the text of the failure."""
    state = cluster.state
    _make_ready(cluster)
    for _ in range(3):
        port = ports.choose_port(state, report)
        logged = state.log.stat().st_size if state.log.exists() else 0
        postmaster = cluster.postmaster()
        if postmaster is not None and postmaster.lives(cluster.data):
            pid: int | None = postmaster.pid  # started by one who was killed before it was ready
        else:
            (cluster.data / "postmaster.pid").unlink(missing_ok=True)
            pid = _launch(cluster, port, alive)
        if _comes_up(cluster, pid):
            report(f"started the {cluster.name} on {cluster.data} at port {port}")
            return None
        if ports.is_free(port):
            break  # else somebody took the port between the look and the start: choose again
    _remove_socket(state)
    return (
        f"The {cluster.name} in {cluster.data} did not start.{advice(cluster.place)}\n"
        f"{last_lines(_read_from(state.log, logged))}\nThe whole log: {state.log}"
    )


def _make_ready(cluster: Cluster) -> None:
    """What a start needs beside the data directory."""
    state = cluster.state
    if state.log.exists() and state.log.stat().st_size > _LOG_LIMIT_BYTES:
        state.log.replace(state.log.with_name("server.log.1"))
    archive = cluster.place / "archive"
    if state.kind is Kind.DURABLE and not archive.exists():
        archive.mkdir(0o700)
        cluster.account.own(archive)
    _remove_socket(state)
    state.write("version", str(cluster.programs))
    state.write("boot", boot_id())


def _launch(cluster: Cluster, port: int, alive: int) -> int | None:
    state, data = cluster.state, str(cluster.data)
    settings = server_settings(state.kind, cluster.programs.major, cluster.place) | {"port": str(port)}
    if sys.platform != "win32":
        socket_folder = places.socket_folder(state, cluster.account)
        state.write("socket", str(socket_folder))
        settings["unix_socket_directories"] = f'"{socket_folder}"'
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(cluster.programs.path("postgres")), "-D", data, *options]
    if sys.platform == "win32":  # only pg_ctl can give up an administrator's rights there
        control = str(cluster.programs.path("pg_ctl"))
        command = [control, "start", "-W", "-D", data, "-l", str(state.log), "-o", subprocess.list2cmdline(options)]
    return cluster.account.launch(command, log=state.log, inherit=locks.inherited(alive))


def _comes_up(cluster: Cluster, pid: int | None) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if cluster.serves():
            return True
        if pid is not None and not process_lives(pid, cluster.data):
            return cluster.serves()
        time.sleep(0.01)
    return False


def _stop(cluster: Cluster) -> None:
    options = ("stop", "-D", str(cluster.data), "-m", "fast", "-w", "-t", str(int(PATIENCE_S)))
    code, output = cluster.run("pg_ctl", *options, timeout_s=PATIENCE_S + 10)
    if code != 0 and cluster.serves():
        raise EmbeddedServerError(f"The {cluster.name} in {cluster.data} did not stop.\n{last_lines(output)}")


def _remove_socket(state: State) -> None:
    folder = state.read("socket")
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        state.forget("socket")


def _read_from(log: Path, offset: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")
