"""A recovery to a mark by hand, with what PostgreSQL's manual names: tar, a signal file, pg_ctl."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from benchmarks.reset_places import free_port, run, user
from dbtasks import base_backups, wal
from dbtasks.conninfo import Conninfo
from dbtasks.database import Scratch
from dbtasks.programs import find_server_programs
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.marks import Mark

_SETTINGS = """
restore_command = 'cp {archive}/%f %p'
recovery_target_lsn = '{lsn}'
recovery_target_inclusive = off
recovery_target_action = pause
"""


def recovered(folder: Path, engine: Archive, live: Conninfo, mark: Mark) -> float:
    """Recover in a folder, and return the milliseconds until the server stood at the mark. Nothing is left."""
    fitting = [each for each in base_backups.kept(engine.shelf) if each.origin.end <= mark.lsn]
    base, data, port = max(fitting, key=lambda each: each.origin.end), folder / "data", free_port()
    pg_ctl = find_server_programs(base.origin.major).path("pg_ctl")
    for each in (folder, data):
        each.mkdir(mode=0o700)
        _own(each)
    begun = time.perf_counter()
    try:
        with base.tar.open("rb") as tar:
            subprocess.run(["tar", "-xf", "-", "-C", data], stdin=tar, user=user(), check=True)
        with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS.format(archive=engine.folder, lsn=wal.shown(mark.lsn)))
        (data / "recovery.signal").touch()
        _own(data / "recovery.signal")
        options = f"-p {port} -k '{folder}' -c listen_addresses='' -c archive_mode=off"
        run(pg_ctl, "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
        try:
            _await_pause(folder, port, live)
            return (time.perf_counter() - begun) * 1000
        finally:
            run(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _await_pause(folder: Path, port: int, live: Conninfo) -> None:
    password = live.password.reveal(Scratch(live)) if live.password else None
    with psycopg.connect(
        host=str(folder), port=port, user=live.user, password=password, dbname="postgres", autocommit=True
    ) as connection:
        while connection.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() != ("paused",):
            time.sleep(0.01)


def _own(path: Path) -> None:
    account = user()
    if account is not None and os.geteuid() == 0:
        shutil.chown(path, account, account)
